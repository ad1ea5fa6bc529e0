/** Two-step login on the hosted pages, as a person does it: add an app, log in with it, lose the phone. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test, describe } from 'node:test';
import { PASSWORD, Person } from '../harness/people.js';
import { axe } from '../harness/axe.js';
import { world } from '../harness/world.js';

const LOOKS = { phone: { viewport: { width: 360, height: 740 } }, dark: { colorScheme: 'dark' }, scriptless: { javaScriptEnabled: false } };

describe('two-step login', () => {
  const here = world('factors', { settings: ['limits.login_failures_per_account_max=1000'] });

  for (const [look, options] of Object.entries(LOOKS)) {
    test(`is switched on, asked for, and outlives the phone: ${look}`, async () => {
      const owner = await Person.in(here.browser, here.network, options);
      const email = `${look}@example.com`;
      await here.server.post('/auth/signup', { email, password: PASSWORD, transport: 'body' });
      const page = await owner.tab('/auth/pages/login?return_to=%2Fauth%2Fpages%2Ffactors');

      await logIn(page, email);
      await page.getByRole('link', { name: 'Add an authenticator app' }).click();
      await check(owner, page, 'factors/add', options);
      await page.getByLabel('Current password').fill(PASSWORD);
      await page.getByLabel('What to call it').fill('Phone');
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor();
      await check(owner, page, 'the picture', options);
      const box = await page.locator('.qr svg').boundingBox();
      assert.ok(box.width > 150 && Math.abs(box.width - box.height) < 2, 'a camera needs a square to scan');
      const phone = authenticator(await page.locator('.seed').innerText());
      await page.getByLabel('Code in the app').fill(await phone.wrong(here.server));
      await page.getByRole('button', { name: 'Switch on' }).click();
      await page.getByText('This code is wrong').first().waitFor();
      await check(owner, page, 'a wrong first code', options);
      await page.getByLabel('Code in the app').fill(await phone.code(here.server));
      await page.getByRole('button', { name: 'Switch on' }).click();
      await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
      await check(owner, page, 'recovery codes', options);
      const codes = await page.locator('.codes code').allInnerTexts();
      assert.equal(new Set(codes).size, 10);
      await page.getByRole('link', { name: 'I have kept them' }).click();
      await page.getByText('Recovery codes left: 10').waitFor();
      await check(owner, page, 'the overview', options);

      // The same browser, logged out; then a right password and a wrong code, and the next one.
      await here.server.advance(30);
      await logOut(page);
      await page.goto('/auth/pages/login?return_to=%2Fauth%2Fpages%2Fhistory');
      await logIn(page, email);
      await page.getByRole('heading', { name: 'One more step' }).waitFor();
      await check(owner, page, 'the challenge', options);
      const field = page.getByLabel('Code', { exact: true });
      assert.equal(await field.getAttribute('autocomplete'), 'one-time-code');
      assert.equal(await field.getAttribute('inputmode'), 'numeric');
      await field.fill(await phone.wrong(here.server));
      await page.getByRole('button', { name: 'Log in' }).first().click();
      await page.getByText('This code is wrong').first().waitFor();
      await check(owner, page, 'a wrong code', options);
      await page.getByLabel('Code', { exact: true }).fill(await phone.code(here.server));
      await page.getByRole('button', { name: 'Log in' }).first().click();
      await page.getByRole('heading', { name: 'Security history' }).waitFor();
      await page.getByText('Right password, wrong code').first().waitFor();

      // Another browser, and no phone.
      const other = await Person.in(here.browser, here.network, options);
      const elsewhere = await other.tab('/auth/pages/login?return_to=%2Fauth%2Fpages%2Ffactors');
      await logIn(elsewhere, email);
      await elsewhere.getByText('I don’t have my phone').click();
      await elsewhere.getByLabel('Recovery code').fill(codes[0]);
      await elsewhere.getByRole('button', { name: 'Log in' }).last().click();
      await elsewhere.getByText('Recovery codes left: 9').waitFor();
      await elsewhere.getByRole('link', { name: 'Remove Phone' }).click();
      await check(other, elsewhere, 'removal', options);
      await elsewhere.getByLabel('Current password').fill(PASSWORD);
      await elsewhere.getByLabel('Code from your app').fill(codes[1]);
      await elsewhere.getByRole('button', { name: 'Remove the app' }).click();
      await elsewhere.getByText('The app was removed.').waitFor();
      await logOut(elsewhere);
      await elsewhere.goto('/auth/pages/login');
      await logIn(elsewhere, email);
      await elsewhere.getByRole('heading', { name: 'Your account' }).waitFor();
      await other.leave();
      await owner.leave();
    });
  }

  async function logIn(page, email) {
    await page.getByLabel('Email address').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForLoadState();
  }

  async function logOut(page) {
    await page.goto('/auth/pages/account');
    await page.getByRole('button', { name: 'Log out', exact: true }).first().click();
    await page.getByText('You have logged out on this device.').waitFor();
  }

  async function check(person, page, name, { javaScriptEnabled = true }) {
    assert.deepEqual(person.violations, [], name);
    if (!javaScriptEnabled) return;
    assert.deepEqual(await axe(page), [], name);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, `${name} can be scrolled sideways by ${wide} px`);
  }
});

/** What a phone shows for a seed in base32, by RFC 6238. */
function authenticator(seed) {
  const bits = [...seed.trim()].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const at = (step) => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac('sha1', key).update(counter).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
  };
  /** The server's time, which the test moves. */
  const step = async (server) => Math.floor((await server.now()) / 30_000);
  return {
    code: async (server) => at(await step(server)),
    wrong: async (server) => {
      const now = await step(server);
      const right = [-2, -1, 0, 1, 2].map((n) => at(now + n));
      return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code));
    },
  };
}
