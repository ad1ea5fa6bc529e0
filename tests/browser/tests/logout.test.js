/** Logout empties every tab, and wins over whatever is under way. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CALM } from '../harness/network.js';
import { PASSWORD, Person } from '../harness/people.js';
import { rounds, until, world } from '../harness/world.js';

for (const [with_, without] of [
  ['', []],
  [', without Web Locks and BroadcastChannel', ['locks', 'BroadcastChannel']],
]) {
  describe(`logout${with_}`, () => {
    const here = world(`logout${with_}`);

    test('in one tab empties the others within a second', async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const tabs = [await owner.tab(), await owner.tab(), await owner.tab()];
      await owner.signUp(tabs[0]);
      const statuses = () => Promise.all(tabs.map((tab) => tab.evaluate(() => globalThis.tab.auth.status)));
      const all = (wanted) => async () => (await statuses()).every((status) => status === wanted);
      await until(all('authenticated'), statuses);
      await tabs[1].evaluate(() => void tab.auth.signOut());
      await until(all('unauthenticated'), statuses, 1000);
      const [asked, text] = await tabs[2].evaluate(async () => [await tab.ask(), document.body.innerText]);
      assert.deepEqual([asked, text], [401, 'Log in']);
      await owner.leave();
    });

    test('everywhere empties the tabs of another browser at their next request', async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const elsewhere = await Person.in(here.browser, here.network, { without });
      const [near, far] = [await owner.tab(), await elsewhere.tab()];
      await owner.signUp(near);
      await far.evaluate((input) => tab.auth.signIn(input), { email: owner.email, password: PASSWORD });
      await near.evaluate(() => tab.signOutEverywhere());
      assert.deepEqual(await far.evaluate(async () => [await tab.ask(), await tab.state()]), [401, 'unauthenticated session_revoked']);
      assert.match(await far.innerText('main'), /session has ended/);
      await Promise.all([owner.leave(), elsewhere.leave()]);
    });

    const count = rounds(8);
    test(`during a refresh in flight stays logged out, ${count} rounds of ${count}`, async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const [one, two] = [await owner.tab(), await owner.tab()];
      await owner.signUp(one);
      for (let round = 0; round < count; round++) {
        here.network.weather = CALM;
        if (round) await one.evaluate((input) => tab.auth.signIn(input), { email: owner.email, password: PASSWORD });
        await two.waitForFunction(() => tab.auth.status === 'authenticated', null, { timeout: 5000 });
        await here.network.quiet(100);
        here.network.weather = { ...CALM, delayMs: [0, 150], lost: 0.05 };
        // The tab that refreshes is the one that logs out, or the other.
        const refreshing = here.chance.oneOf([one, two]);
        await refreshing.evaluate(() => void tab.auth.refresh().catch(() => {}));
        await one.evaluate(async (ms) => {
          await new Promise((done) => setTimeout(done, ms));
          void tab.auth.signOut();
        }, here.chance.between(0, 250));
        await here.network.quiet(150);
        here.network.weather = CALM;
        const state = (tab) => tab.evaluate(() => globalThis.tab.state());
        const seen = async () => (await Promise.all([one, two].map(state))).join();
        await until(async () => (await seen()) === 'unauthenticated,unauthenticated', seen, 3000);
        await Promise.all([one.reload(), two.reload()]);
        assert.equal(await seen(), 'unauthenticated,unauthenticated', `opened anew in round ${round} of ${count}`);
        assert.equal(await one.evaluate(refresh), 401, `what the jar holds in round ${round} of ${count}`);
      }
      await owner.leave();
    });

    test('without a network is a logout too, and the server hears of it later', async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const [one, two] = [await owner.tab(), await owner.tab()];
      await owner.signUp(one);
      await two.waitForFunction(() => tab.auth.status === 'authenticated');
      await here.network.quiet();
      const jar = await owner.cookies();
      // The page itself still comes, as from a service worker.
      here.network.weather = { ...CALM, failed: 1 };
      await one.evaluate(() => void tab.auth.signOut());
      const state = (tab) => tab.evaluate(() => globalThis.tab.state());
      const seen = async () => (await Promise.all([one, two].map(state))).join();
      await until(async () => (await seen()) === 'unauthenticated,unauthenticated', seen, 1000);
      await Promise.all([one.reload(), two.reload()]);
      assert.equal(await seen(), 'unauthenticated,unauthenticated');
      here.network.weather = CALM;
      await one.reload();
      assert.equal(await state(one), 'unauthenticated');
      const left = async () => (await owner.cookies()).map(({ name }) => name).sort();
      await until(async () => !(await left()).includes('relatch-hint'), left);
      await owner.context.addCookies(jar);
      await one.goto('/empty');
      assert.equal(await one.evaluate(refresh), 401, 'the session is over on the server as well');
      await owner.leave();
    });

    test('while a refresh is on its way back, the answer brings nobody in again', async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const [one, two] = [await owner.tab(), await owner.tab()];
      await owner.signUp(one);
      await two.waitForFunction(() => tab.auth.status === 'authenticated');
      await here.network.quiet();
      const held = here.network.holdAnswer('/auth/refresh');
      await two.evaluate(() => void tab.auth.refresh().catch(() => {}));
      const release = await held;
      await one.evaluate(() => tab.auth.signOut());
      release();
      await here.network.quiet();
      for (const tab of [one, two]) {
        await tab.reload();
        assert.equal(await tab.evaluate(() => globalThis.tab.state()), 'unauthenticated');
      }
      assert.equal(await one.evaluate(refresh), 401);
      await owner.leave();
    });
  });
}

/** Asks with whatever is in the jar, past the library. */
const refresh = async () => (await fetch('/auth/refresh', { method: 'POST' })).status;
