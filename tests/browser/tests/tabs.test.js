/**
 * Many tabs on one jar of cookies, through a network that delays, reorders and loses: nobody is logged out.
 *
 * In a round time passes, all tabs are opened anew at once, and each asks for its session and then somebody's API.
 * Most rounds have the tabs as frames of one window, which share cookies, storage, locks and channels as tabs do.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CALM } from '../harness/network.js';
import { PASSWORD, Person } from '../harness/people.js';
import { rounds, world } from '../harness/world.js';

const STORM = { delayMs: [0, 250], lost: 0.05, failed: 0 };
const TABS = 20;
/** At once, each with as many tabs and a round of their own. */
const OWNERS = 3;

for (const [with_, without] of [
  ['', []],
  [', without Web Locks and BroadcastChannel', ['locks', 'BroadcastChannel']],
]) {
  describe(`tabs${with_}`, () => {
    const here = world(`tabs${with_}`);

    test('two tabs that refresh at the same time, again and again, both stay logged in', async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const tabs = [await owner.tab(), await owner.tab()];
      await owner.signUp(tabs[0]);
      for (let round = 0; round < 10; round++) {
        await pass(here);
        await owner.jump(3600);
        const ask = (tab) => tab.evaluate(() => globalThis.tab.ask());
        assert.deepEqual(await Promise.all(tabs.map(ask)), [200, 200], `round ${round}`);
      }
      await owner.leave();
    });

    test('twenty real tabs restored at once after expiry stay logged in', async () => {
      const owner = await Person.in(here.browser, here.network, { without });
      const tabs = await Promise.all(Array.from({ length: TABS }, () => owner.tab()));
      await owner.signUp(tabs[0]);
      for (let round = 0; round < 2; round++) {
        await pass(here);
        here.network.weather = STORM;
        await Promise.all(tabs.map((tab) => tab.reload()));
        const states = await Promise.all(tabs.map((tab) => tab.evaluate(() => globalThis.tab.state(20_000))));
        here.network.weather = CALM;
        assert.deepEqual(states, Array(TABS).fill('authenticated'), `round ${round}`);
      }
      await owner.leave();
    });

    const count = rounds(6);
    test(`twenty tabs restored at once in a storm stay logged in${with_}, ${count} rounds of ${count}`, async (context) => {
      const owners = [];
      for (let i = 0; i < OWNERS; i++) owners.push(await Person.in(here.browser, here.network, { without }));
      const windows = await Promise.all(owners.map(open));
      const before = here.network.requests.length;
      for (let done = 0; done < count; done += OWNERS) {
        assert.deepEqual(await round(here, windows), [], `after ${done} rounds of ${count}`);
      }
      const refreshes = here.network.requests.slice(before).filter(({ path }) => path === '/auth/refresh');
      const lost = refreshes.filter(({ fate }) => fate !== 'delivered').length;
      context.diagnostic(`${refreshes.length} refreshes, the answers of ${lost} of them lost`);
      for (const window of windows) assert.deepEqual(await reuses(window), []);
      for (const owner of owners) await owner.leave();
    });
  });
}

describe('an answer that another overtakes', () => {
  const here = world('overtaken');

  test('puts an old token into the jar, for which the tab asks again', async () => {
    const owner = await Person.in(here.browser, here.network, { without: ['locks', 'BroadcastChannel'] });
    const [one, two] = [await owner.tab('/app?timeout=15000'), await owner.tab('/app?timeout=15000')];
    await owner.signUp(one);
    await two.waitForFunction(() => tab.auth.status === 'authenticated');
    await here.network.quiet();
    await here.server.advance(3600);
    await one.evaluate(() => tab.auth.refresh());
    await here.network.quiet();
    const held = here.network.holdAnswer('/auth/refresh');
    await two.evaluate(() => void tab.auth.refresh());
    const release = await held;
    await here.server.advance(31);
    await one.evaluate(() => tab.auth.refresh());
    const newest = await generation(owner);
    release();
    await here.network.quiet();
    assert.ok((await generation(owner)) >= newest, 'the jar holds what the head accepts');
    await here.server.advance(3600);
    await owner.jump(3631);
    for (const tab of [one, two]) assert.equal(await tab.evaluate(() => globalThis.tab.ask()), 200);
    await owner.leave();
  });

  const generation = async (owner) => Number((await owner.cookies()).find(({ name }) => name === 'relatch-hint').value.split('.')[1]);
});

describe('the storm', () => {
  const here = world('strict', { settings: ['sessions.reuse_window_cookie_seconds=0'] });

  test('is rough enough: under the strict rule it logs people out', async () => {
    const owner = await Person.in(here.browser, here.network, { without: ['locks', 'BroadcastChannel'] });
    const window = await open(owner);
    let lost = [];
    for (let tries = 0; tries < 5 && !lost.length; tries++) lost = await round(here, [window]);
    assert.notDeepEqual(lost, []);
    const again = { email: owner.email, password: PASSWORD };
    await window.frames()[1].evaluate((input) => tab.auth.signIn(input), again);
    assert.equal((await reuses(window)).length, 1);
    await owner.leave();
  });
});

/** A window of many tabs, somebody signed in. */
async function open(owner) {
  const window = await owner.tab(`/crowd?tabs=${TABS}`);
  await window.waitForFunction((tabs) => frames.length === tabs && [...Array(tabs).keys()].every((i) => frames[i].tab), TABS);
  const first = window.frames().find((frame) => frame.url().endsWith('/app'));
  await owner.signUp(first);
  return window;
}

/** A round: time passes, and the tabs of every window are opened anew in a storm. Answers what went wrong. */
async function round(here, windows) {
  await pass(here);
  here.network.weather = STORM;
  const states = await Promise.all(
    windows.map(async (window) => {
      await window.evaluate(() => crowd.restore());
      const states = await window.evaluate(() => crowd.states(20_000));
      await window.evaluate(() => crowd.ask(2000));
      return states;
    }),
  );
  here.network.weather = CALM;
  const lost = [];
  for (const [i, window] of windows.entries()) {
    const [asked, heard] = await window.evaluate(async () => [await crowd.ask(), await crowd.heard()]);
    for (const [tab, state] of states[i].entries()) {
      const isIn = state === 'authenticated' && asked[tab] === 200 && !/expired|signed_out/.test(heard[tab]);
      if (!isIn) lost.push(`window ${i}, tab ${tab}: ${state}, ${asked[tab]}, ${heard[tab]}`);
    }
  }
  return lost;
}

/** What the history says of thieves, of whom there were none. */
async function reuses(window) {
  const events = await window.evaluate(async () => (await frames[0].tab.auth.fetch('/auth/events')).json());
  return events.events.filter(({ type }) => type === 'refresh_reuse');
}

/**
 * Nobody is there for longer than an access token lives, mostly; sometimes for about as long as a window. What is
 * under way has arrived before: no request travels for hours.
 */
async function pass({ server, network, chance }) {
  await network.quiet();
  await server.advance(chance.oneOf([3600, 3600, 8 * 3600, 1000, 61, 31, 29]));
}
