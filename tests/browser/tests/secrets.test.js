/** No token is anywhere where a script, a person or a log could come upon it. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PASSWORD, Person } from '../harness/people.js';
import { reachable, secretsIn } from '../harness/secrets.js';
import { world } from '../harness/world.js';

describe('tokens', () => {
  const here = world('secrets');

  test('are nowhere that a script, a person or the log can read, through a life with refreshes', async () => {
    const owner = await Person.in(here.browser, here.network);
    const pages = [await owner.tab(), await owner.tab()];
    await owner.signUp(pages[0]);
    const texts = [];
    const look = async () => {
      for (const page of pages) texts.push(await reachable(page));
    };
    await look();
    for (const weather of [{ delayMs: [0, 50], lost: 0, failed: 0 }, { delayMs: [0, 50], lost: 0.5, failed: 0.2 }]) {
      here.network.weather = weather;
      await here.network.quiet();
      await here.server.advance(3600);
      await owner.jump(3600);
      for (const page of pages) await page.evaluate(() => tab.ask());
      await look();
    }
    here.network.weather = { delayMs: [0, 0], lost: 0, failed: 0 };
    await pages[0].goto('/auth/pages/account');
    await look();
    await pages[0].goto('/auth/pages/history');
    await look();
    await pages[0].goBack();
    await pages[1].evaluate(() => tab.auth.signOut());
    await look();
    await pages[1].evaluate((input) => tab.auth.signIn(input), { email: owner.email, password: PASSWORD });
    await look();

    assert.ok(here.network.secrets.size >= 8, `${here.network.secrets.size} secrets passed by`);
    assert.deepEqual(secretsIn(texts.join('\n'), here.network.secrets), []);
    assert.deepEqual(secretsIn(owner.console.join('\n'), here.network.secrets), []);
    assert.deepEqual(secretsIn(here.server.log, here.network.secrets), []);
    assert.deepEqual(owner.violations, []);
    const visible = await pages[1].evaluate(() => document.cookie);
    assert.match(visible, /^relatch-hint=ses_[\w-]+\.\d+$/);
    await owner.leave();
  });

  test('are in no address, and no request carries them but in their own header', async () => {
    const owner = await Person.in(here.browser, here.network);
    const urls = [];
    const carriers = [];
    owner.context.on('request', (request) => {
      urls.push(request.url(), request.headers().referer ?? '', request.postData() ?? '');
      if (request.headers().authorization) carriers.push(new URL(request.url()).origin);
    });
    const page = await owner.tab();
    await owner.signUp(page);
    await page.evaluate(() => tab.auth.fetch('http://127.0.0.1:9/elsewhere').catch(() => {}));
    await page.evaluate(() => tab.auth.refresh());
    assert.equal(await page.evaluate(() => tab.ask()), 200);
    assert.deepEqual(secretsIn(urls.join('\n'), here.network.secrets), []);
    assert.deepEqual([...new Set(carriers)], [here.network.origin]);
    await owner.leave();
  });

  test('would be found: what is put into a page on purpose is', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    for (const hide of [
      (token) => (globalThis.deep = { in: [{ a: new Map([['map', token]]) }] }),
      (token) => localStorage.setItem('x', token),
      (token) => (document.cookie = `x=${token}`),
      (token) => history.replaceState({ token }, ''),
      (token) =>
        new Promise((done) => {
          const request = indexedDB.open('x');
          request.onupgradeneeded = () => request.result.createObjectStore('x').add(token, 'x');
          request.onsuccess = () => (request.result.close(), done());
        }),
    ]) {
      await page.evaluate(`(async () => (${hide})(await tab.auth.getToken()))()`);
      assert.notDeepEqual(secretsIn(await reachable(page), here.network.secrets), [], String(hide));
      await page.evaluate(() => {
        delete globalThis.deep;
        localStorage.removeItem('x');
        document.cookie = 'x=; max-age=0';
        history.replaceState(null, '');
      });
    }
    await owner.leave();
  });
});
