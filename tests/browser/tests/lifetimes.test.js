/** Nobody sees a token expire; a session that ends says why, and leads back to the page it ended on. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PASSWORD, Person } from '../harness/people.js';
import { sleep } from '../harness/server.js';
import { world } from '../harness/world.js';

describe('real seconds', () => {
  const here = world('seconds', {
    settings: ['tokens.access_seconds=4', 'sessions.reuse_window_cookie_seconds=1', 'sessions.reuse_window_body_seconds=1'],
  });

  test('a page is used for three lives of a token, and no request of it is refused', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    const before = here.network.requests.length;
    for (const begun = Date.now(); Date.now() - begun < 12_000; await sleep(500)) {
      assert.equal(await page.evaluate(() => tab.ask()), 200);
    }
    const since = here.network.requests.slice(before);
    assert.deepEqual(since.filter(({ status }) => status !== 200), []);
    const refreshes = since.filter(({ path }) => path === '/auth/refresh').length;
    assert.ok(refreshes >= 3 && refreshes <= 12, `${refreshes} refreshes`);
    await owner.leave();
  });

  test('a page that nobody touched is still good after its token has expired', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await sleep(9000);
    assert.equal(await page.evaluate(() => tab.ask()), 200);
    await owner.leave();
  });
});

describe('a closed browser', () => {
  const here = world('closed', { browser: false });

  test('opened again the next week finds its owner still in', async () => {
    const owner = await Person.withProfile(here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    for (let day = 0; day < 2; day++) {
      await here.network.quiet();
      await owner.closeBrowser();
      await here.server.advance(5 * 86_400);
      await owner.openBrowser();
      const opened = await owner.tab();
      assert.equal(await opened.evaluate(() => tab.state()), 'authenticated');
      assert.equal(await opened.innerText('main'), `Hello ${owner.email}`);
    }
    await owner.leave();
  });

  test('forgets whoever did not want to be remembered', async () => {
    const owner = await Person.withProfile(here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await page.evaluate(() => tab.auth.signOut());
    await page.evaluate((input) => tab.auth.signIn(input), { email: owner.email, password: PASSWORD, remember: false });
    await page.reload();
    assert.equal(await page.evaluate(() => tab.state()), 'authenticated');
    await owner.closeBrowser();
    await owner.openBrowser();
    const opened = await owner.tab();
    assert.equal(await opened.evaluate(() => tab.state()), 'unauthenticated');
    await owner.leave();
  });
});

describe('a session that has ended', () => {
  const here = world('limits', { settings: ['sessions.idle_seconds=7200', 'sessions.absolute_seconds=20000'] });

  test('by its idle limit, says so and leads back to the page', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab('/app?page=7');
    await owner.signUp(page);
    await pass(owner, 7199);
    assert.equal(await page.evaluate(() => tab.ask()), 200, 'a second before');
    await pass(owner, 7201);
    assert.equal(await page.evaluate(() => tab.ask()), 401, 'a second after');
    await leadsBack(page, owner, 'You have not been here for a while, so you were logged out.');
    await owner.leave();
  });

  test('by its absolute limit, however busy, says so and leads back to the page', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab('/app?page=7');
    await owner.signUp(page);
    for (let hour = 0; hour < 5; hour++) {
      await pass(owner, 3600);
      assert.equal(await page.evaluate(() => tab.ask()), 200, `in hour ${hour}`);
    }
    await pass(owner, 2100);
    assert.equal(await page.evaluate(() => tab.ask()), 401);
    await leadsBack(page, owner, 'For your safety a login lasts only so long. Please log in again.');
    await owner.leave();
  });

  test('while its page was closed, leads back to the page as well', async () => {
    const owner = await Person.in(here.browser, here.network);
    const page = await owner.tab();
    await owner.signUp(page);
    await here.network.quiet();
    await page.goto('about:blank');
    await here.server.advance(7201);
    await page.goto('/app?page=7');
    await page.waitForFunction(() => tab.auth.status === 'unauthenticated');
    await leadsBack(page, owner, 'You have not been here for a while, so you were logged out.');
    await owner.leave();
  });

  async function pass(owner, seconds) {
    await here.network.quiet();
    await here.server.advance(seconds);
    await owner.jump(seconds);
  }

  /** From the message to the page that says why, to login, and back to where it was. */
  async function leadsBack(page, owner, why) {
    await page.getByRole('link', { name: 'Your session has ended. Log in again' }).click();
    await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
    assert.match(await page.innerText('main'), new RegExp(why));
    await page.getByRole('link', { name: 'Log in' }).click();
    await page.getByLabel('Email address').fill(owner.email);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL('**/app?page=7');
    assert.equal(await page.evaluate(() => tab.state()), 'authenticated');
    assert.equal(await page.evaluate(() => tab.ask()), 200);
  }
});
