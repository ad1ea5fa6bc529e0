/** Where there is no document: a worker and a service worker, each with a client beside those of the pages. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PASSWORD, Person } from '../harness/people.js';
import { until, world } from '../harness/world.js';

const KINDS = [
  ['a worker', () => void (globalThis.target = new Worker('/worker.js'))],
  [
    'a service worker',
    async () => {
      await navigator.serviceWorker.register('/worker.js');
      globalThis.target = (await navigator.serviceWorker.ready).active;
    },
  ],
];

/** Tells the page's worker what to do; answers what it answers. */
const tell = (page, order, input) =>
  page.evaluate(
    ([order, input]) =>
      new Promise((answered) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => answered(data);
        globalThis.target.postMessage({ order, input }, [port2]);
      }),
    [order, input],
  );

for (const [name, start] of KINDS) {
  describe(name, () => {
    const here = world(name);
    let owner, page, host;

    /** Somebody signed in by a page, with a worker beside it. */
    async function open() {
      owner = await Person.in(here.browser, here.network);
      [page, host] = [await owner.tab(), await owner.tab('/empty')];
      await owner.signUp(page);
      await here.network.quiet();
      await host.evaluate(start);
    }
    const generation = () => page.evaluate(() => tab.auth.session?.generation);

    test('is signed in by the cookie of the page, and calls with a token', async () => {
      await open();
      assert.equal(await tell(host, 'state'), `authenticated ${owner.email}`);
      assert.match(await tell(host, 'token'), /^eyJ/);
      assert.equal(await tell(host, 'ask'), 200);
      await owner.leave();
    });

    test('refreshes what has expired, and its new token reaches the page', async () => {
      await open();
      await tell(host, 'state');
      await here.network.quiet();
      await here.server.advance(3600);
      const [before, asked] = [await tell(host, 'generation'), here.network.count('/auth/refresh')];
      assert.equal(await tell(host, 'ask'), 200);
      assert.equal(here.network.count('/auth/refresh'), asked + 1);
      const after = await tell(host, 'generation');
      assert.ok(after > before, `${before}, then ${after}`);
      await until(async () => (await generation()) === after, async () => `the page is at ${await generation()}, not at ${after}`);
      assert.equal(await page.evaluate(() => tab.ask()), 200);
      assert.equal(here.network.count('/auth/refresh'), asked + 1);
      await owner.leave();
    });

    test('hears of a logout in the page, signs in, and its own logout reaches the page', async () => {
      await open();
      await tell(host, 'state');
      await page.evaluate(() => tab.auth.signOut());
      await until(async () => (await tell(host, 'state')) === 'unauthenticated ', () => 'the worker is still signed in', 1000);
      assert.equal(await tell(host, 'token'), 'failed: signed_out');
      assert.equal(await tell(host, 'signIn', { email: owner.email, password: PASSWORD }), 'signed_in');
      await until(() => page.evaluate(() => tab.auth.status === 'authenticated'), () => 'the page heard of no login', 1000);
      await tell(host, 'signOut');
      await until(() => page.evaluate(() => tab.auth.status === 'unauthenticated'), () => 'the page is still signed in', 1000);
      assert.deepEqual(await owner.cookies().then((all) => all.filter(({ name }) => /refresh/.test(name))), []);
      await owner.leave();
    });

    test('that was ended and is started again finds its session', async () => {
      await open();
      const before = await tell(host, 'refresh');
      await here.network.quiet();
      if (name === 'a worker') {
        await host.evaluate(() => globalThis.target.terminate());
        await host.evaluate(start);
      } else {
        const session = await owner.context.newCDPSession(host);
        await session.send('ServiceWorker.enable');
        await session.send('ServiceWorker.stopAllWorkers');
      }
      await here.server.advance(3600);
      assert.equal(await tell(host, 'state'), `authenticated ${owner.email}`);
      assert.ok((await tell(host, 'generation')) > before);
      await owner.leave();
    });
  });
}
