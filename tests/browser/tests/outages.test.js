/** What is no refusal ends no session: servers stop, networks go, laptops sleep, and clocks are wrong. */

import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { CALM } from '../harness/network.js';
import { Person } from '../harness/people.js';
import { sleep } from '../harness/server.js';
import { until, world } from '../harness/world.js';

describe('a session survives', () => {
  const here = world('outages');
  const DOWN_SECONDS = Number(process.env.RELATCH_DOWN_SECONDS ?? 3);
  const heard = (page) => page.evaluate(() => [tab.auth.status, ...tab.heard.filter((line) => /expired|signed_out/.test(line))]);

  beforeEach(async () => {
    here.network.weather = CALM;
    here.network.restore();
    if (!here.server.isRunning) await here.server.startAgain();
  });

  test(`a server that is killed and started again after ${DOWN_SECONDS} s`, async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await here.server.kill();
    await owner.jump(3600);
    for (const begun = Date.now(); Date.now() - begun < DOWN_SECONDS * 1000; ) {
      assert.match(await page.evaluate(() => tab.ask(1000).then(String)), /^(network|server|TimeoutError)$/);
      await sleep(200);
    }
    assert.deepEqual(await heard(page), ['authenticated']);
    await page.reload();
    assert.equal(await page.evaluate(() => tab.auth.status), 'loading');
    await here.server.startAgain();
    await here.server.advance(3600);
    await recovers(page);
    await owner.leave();
  });

  test('a gateway that answers 502, 503 and pages of HTML', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await pass(owner, 3600);
    here.network.weather = { delayMs: [0, 20], lost: 0, failed: 1 };
    await page.evaluate(() => tab.ask());
    assert.deepEqual(await heard(page), ['authenticated']);
    here.network.weather = CALM;
    await recovers(page);
    await owner.leave();
  });

  test('a network that is cut without a word and comes back', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await pass(owner, 3600);
    here.network.cut();
    assert.notEqual(await page.evaluate(() => tab.ask(2000)), 200);
    assert.deepEqual(await heard(page), ['authenticated']);
    here.network.restore();
    await recovers(page);
    await owner.leave();
  });

  test('an answer that the cut took with it, asked for again hours later', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    const held = here.network.holdAnswer('/auth/refresh');
    await page.evaluate(() => void tab.auth.refresh().catch(() => {}));
    const release = await held;
    here.network.cut();
    release();
    await page.close();
    await here.server.advance(8 * 3600);
    here.network.restore();
    const again = await owner.tab();
    assert.equal(await again.evaluate(() => tab.state()), 'authenticated');
    assert.equal(await again.evaluate(() => tab.ask()), 200);
    await pass(owner, 3600);
    assert.equal(await again.evaluate(() => tab.ask()), 200);
    await owner.leave();
  });

  test('a browser that is offline, and says when it no longer is', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await owner.context.setOffline(true);
    await pass(owner, 3600);
    assert.match(await page.evaluate(() => tab.ask(500).then(String)), /^(offline|TimeoutError)$/);
    assert.deepEqual(await heard(page), ['authenticated']);
    const before = here.network.count('/auth/refresh');
    await owner.context.setOffline(false);
    // By itself: nobody asks.
    await until(() => here.network.count('/auth/refresh') > before, () => 'no refresh');
    await recovers(page);
    await owner.leave();
  });

  for (const [clocks, isSteady] of [['both clocks', true], ['the wall clock alone', false]]) {
    test(`a laptop that sleeps for eight hours, in which ${clocks} went on`, async () => {
      const owner = await Person.in(here.browser, here.network);
      const page = await owner.tab();
      await owner.signUp(page);
      const devtools = await owner.context.newCDPSession(page);
      await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
      await here.server.advance(8 * 3600);
      await devtools.send('Page.setWebLifecycleState', { state: 'active' });
      await owner.jump(8 * 3600, { isSteady });
      const before = here.network.requests.length;
      const asked = await page.evaluate(() => Promise.all(Array.from({ length: 20 }, () => tab.ask())));
      assert.deepEqual(asked, Array(20).fill(200));
      const paths = here.network.requests.slice(before).map(({ path, status }) => `${status} ${path}`);
      // One refresh for all, and no request with a token that was known to be dead.
      assert.deepEqual(paths.toSorted(), [...Array(20).fill('200 /api/me'), '200 /auth/refresh'].toSorted());
      assert.deepEqual(await heard(page), ['authenticated']);
      await owner.leave();
    });
  }

  for (const [words, seconds] of [['a day fast', 86_400], ['a day slow', -86_400]]) {
    test(`a device clock that is ${words}`, async () => {
      const owner = await Person.in(here.browser, here.network);
      const page = await owner.tab();
      await owner.jump(seconds, { isSteady: false });
      await page.reload();
      await owner.signUp(page);
      const before = here.network.count('/auth/refresh');
      assert.equal(await page.evaluate(() => tab.ask()), 200);
      await sleep(2500);
      assert.equal(here.network.count('/auth/refresh') - before, 0, 'a fresh token is not refreshed');
      await pass(owner, 3600);
      assert.equal(await page.evaluate(() => tab.ask()), 200);
      await page.reload();
      assert.equal(await page.evaluate(() => tab.ask()), 200);
      assert.equal(here.network.count('/auth/refresh') - before, 2);
      await owner.leave();
    });

    test(`a device clock that is set ${words} while a page is open`, async () => {
      const owner = await Person.in(here.browser, here.network);
      const page = await owner.tab();
      await owner.signUp(page);
      await owner.jump(seconds, { isSteady: false });
      assert.equal(await page.evaluate(() => tab.ask()), 200);
      const before = here.network.count('/auth/refresh');
      await sleep(2500);
      assert.ok(here.network.count('/auth/refresh') - before <= 1, 'no loop');
      await pass(owner, 3600);
      assert.equal(await page.evaluate(() => tab.ask()), 200);
      await owner.leave();
    });
  }

  /** Time passes for the server and for the device. */
  async function pass(owner, seconds) {
    await here.network.quiet();
    await here.server.advance(seconds);
    await owner.jump(seconds);
  }

  async function recovers(page) {
    const ask = () => page.evaluate(() => tab.ask(2000));
    await until(async () => (await ask()) === 200, ask, 20_000);
    assert.deepEqual(await heard(page), ['authenticated']);
  }
});
