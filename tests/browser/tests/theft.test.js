/** A thief copies the cookies into another profile: who comes second is caught, and the owner is told. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PASSWORD, Person } from '../harness/people.js';
import { world } from '../harness/world.js';

const WINDOW_SECONDS = 30;

describe('a copied jar of cookies', () => {
  const here = world('theft');

  // DESIGN section 2: at any lag beyond the window in the first cycle, inside it in the second at the latest.
  for (const [lag, cycles] of [
    [1, 2],
    [29, 2],
    [31, 1],
    [1800, 1],
  ]) {
    test(`is found out in ${cycles === 1 ? 'the first cycle' : 'two cycles'} where the thief refreshes ${lag} s after the owner`, async () => {
      const { owner, thief } = await stolen();
      const seen = [];
      while (seen.length < cycles && seen.every(isServed)) {
        await here.server.advance(3600 - lag);
        const served = [await refresh(owner)];
        await here.server.advance(lag);
        served.push(await refresh(thief));
        seen.push(served.join());
      }
      assert.ok(!isServed(seen.at(-1)), seen.join(' / '));
      await bothAreOut(owner, thief);
      await leave(owner, thief);
    });
  }

  test('is found out by the owner where the thief comes first, and the owner sees why', async () => {
    const { owner, thief } = await stolen();
    await here.server.advance(3600);
    assert.equal(await refresh(thief), 200);
    await here.server.advance(WINDOW_SECONDS + 1);
    await owner.jump(3600 + WINDOW_SECONDS + 1);
    assert.equal(await owner.page.evaluate(() => tab.ask()), 401);
    assert.equal(await owner.page.evaluate(() => tab.state()), 'unauthenticated reuse_detected');
    await bothAreOut(owner, thief);

    await owner.page.getByRole('link', { name: 'Your session has ended. Log in again' }).click();
    await owner.page.getByRole('heading', { name: 'We ended your session to protect you' }).waitFor();
    await owner.page.getByRole('link', { name: 'Log in' }).click();
    await owner.page.getByLabel('Email address').fill(owner.email);
    await owner.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await owner.page.getByRole('button', { name: 'Log in' }).click();
    await owner.page.waitForURL('**/app');
    await owner.page.goto('/auth/pages/history');
    assert.match(await owner.page.innerText('main'), /Copied login detected, session ended/);
    const events = await owner.page.goto('/app').then(() =>
      owner.page.evaluate(async () => (await (await tab.auth.fetch('/auth/events')).json()).events),
    );
    assert.equal(events.filter(({ type }) => type === 'refresh_reuse').length, 1);
    assert.equal(await refresh(thief), 401);
    await leave(owner, thief);
  });

  test('is found out in one tab, and every tab says why', async () => {
    const { owner, thief } = await stolen();
    const other = await owner.tab();
    await other.waitForFunction(() => tab.auth.status === 'authenticated');
    await here.network.quiet();
    await thief.steal(owner);
    await here.server.advance(3600);
    assert.equal(await refresh(thief), 200);
    await here.server.advance(WINDOW_SECONDS + 1);
    await owner.jump(3600 + WINDOW_SECONDS + 1);
    assert.equal(await owner.page.evaluate(() => tab.ask()), 401);
    await other.evaluate(() => tab.ask());
    assert.equal(await other.evaluate(() => tab.state()), 'unauthenticated reuse_detected');
    await leave(owner, thief);
  });

  test('is of no use without the device cookie, and its trial does not end the session', async () => {
    const { owner, thief } = await stolen((cookie) => !cookie.name.startsWith('__Host-'));
    await here.server.advance(3600);
    assert.equal(await refresh(thief), 401);
    assert.equal(await refresh(owner), 200);
    await leave(owner, thief);
  });

  test('is of no use after the owner has logged out', async () => {
    const { owner, thief } = await stolen();
    await owner.page.evaluate(() => tab.auth.signOut());
    assert.equal(await refresh(thief), 401);
    await leave(owner, thief);
  });

  /** Somebody who is signed in, and somebody with a copy. */
  async function stolen(isTaken) {
    const owner = await Person.in(here.browser, here.network);
    const thief = await Person.in(here.browser, here.network);
    owner.page = await owner.tab();
    await owner.signUp(owner.page);
    await here.network.quiet();
    await thief.steal(owner, isTaken);
    thief.page = await thief.tab('/empty');
    return { owner, thief };
  }

  async function bothAreOut(owner, thief) {
    await here.server.advance(1);
    assert.deepEqual([await refresh(owner), await refresh(thief)], [401, 401]);
  }

  const isServed = (statuses) => statuses === '200,200';
  /** What malware does: it asks with what is in the jar. So the owner's device does too, for once. */
  const refresh = ({ page }) => page.evaluate(async () => (await fetch('/auth/refresh', { method: 'POST' })).status);
  const leave = (...people) => Promise.all(people.map((person) => person.leave()));
});
