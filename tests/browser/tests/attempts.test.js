/** The id of an attempt in a cookie that the app's own server could read: really in the browser's jar, and no longer than needed. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Person } from '../harness/people.js';
import { world } from '../harness/world.js';

describe('the attempt cookie', () => {
  const here = world('attempts');
  const attempt = async (owner) => (await owner.context.cookies()).find(({ name }) => name === '__Host-relatch-attempt');
  const inStorage = (page) => page.evaluate(() => localStorage.getItem('relatch:/auth'));

  test('is there while a refresh has no answer, for the whole origin and in no storage, and goes with the answer', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab('/app?attempt-cookie');
    await owner.signUp(page);
    assert.equal(await attempt(owner), undefined);
    const held = here.network.holdAnswer('/auth/refresh');
    await page.evaluate(() => void tab.auth.refresh());
    const release = await held;
    const { value, path, secure, httpOnly, sameSite, expires } = await attempt(owner);
    assert.match(value, /^[a-z0-9]{6,}$/);
    assert.deepEqual({ path, secure, httpOnly, sameSite }, { path: '/', secure: true, httpOnly: false, sameSite: 'Lax' });
    assert.ok(expires - Date.now() / 1000 > 390 * 86_400, 'it outlives every session');
    assert.equal(await inStorage(page), null);
    release();
    await here.network.quiet();
    assert.equal(await attempt(owner), undefined);
    assert.equal(await page.evaluate(() => tab.auth.session.generation), 2);
    await owner.leave();
  });

  test('outlives the page whose answer got lost: the next one asks under the same id, hours later', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab('/app?attempt-cookie');
    await owner.signUp(page);
    const held = here.network.holdAnswer('/auth/refresh');
    await page.evaluate(() => void tab.auth.refresh().catch(() => {}));
    const release = await held;
    const { value } = await attempt(owner);
    await page.close();
    release();
    await here.network.quiet();
    assert.equal((await attempt(owner)).value, value);
    await here.server.advance(3600);
    const next = await owner.tab('/app?attempt-cookie');
    assert.equal(await next.evaluate(() => tab.state()), 'authenticated');
    await here.network.quiet();
    assert.equal(await attempt(owner), undefined);
    assert.equal(await next.evaluate(() => tab.ask()), 200);
    await owner.leave();
  });

  test('without the option, the id is in the storage that tabs share, and in no cookie', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    const held = here.network.holdAnswer('/auth/refresh');
    await page.evaluate(() => void tab.auth.refresh());
    const release = await held;
    assert.match(await inStorage(page), /^[a-z0-9]{6,}$/);
    assert.equal(await attempt(owner), undefined);
    release();
    await here.network.quiet();
    assert.equal(await inStorage(page), null);
    await owner.leave();
  });
});
