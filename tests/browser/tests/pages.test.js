/** The hosted pages: no violation of their own policy, no serious fault in reach of everybody, and a picture of each. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { axe } from '../harness/axe.js';
import { PASSWORD, Person } from '../harness/people.js';
import { world } from '../harness/world.js';

const PICTURES = fileURLToPath(new URL('../../../build/browser/screenshots/', import.meta.url));

const LOOKS = [
  ['phone', { width: 360, height: 740 }],
  ['desktop', { width: 1280, height: 800 }],
].flatMap(([device, viewport]) => ['light', 'dark'].map((colorScheme) => [`${device}-${colorScheme}`, { viewport, colorScheme }]));

/** What anybody sees: name → address. */
const OPEN = {
  login: '/auth/pages/login',
  signup: '/auth/pages/signup',
  forgot: '/auth/pages/forgot',
  reset: '/auth/pages/reset',
  verify: '/auth/pages/verify',
  ended: '/auth/pages/ended?reason=idle&return_to=/app',
  'ended-theft': '/auth/pages/ended?reason=token_reused',
  message: '/auth/pages/message?of=reset',
  start: '/',
  live: '/dev/live',
  mail: '/dev/mail',
  docs: '/docs',
};

/** What somebody sees who is logged in. */
const OWN = {
  already: '/auth/pages/login',
  account: '/auth/pages/account',
  history: '/auth/pages/history',
  password: '/auth/pages/password',
  factors: '/auth/pages/factors',
  'factors-add': '/auth/pages/factors/add',
  'factors-codes': '/auth/pages/factors/codes',
  email: '/auth/pages/email',
  delete: '/auth/pages/delete',
  'change-email': '/auth/pages/change-email',
  german: '/auth/pages/account?lang=de',
};

for (const [look, options] of LOOKS) {
  describe(`pages, ${look}`, () => {
    const here = world(look);

    for (const [who, all] of Object.entries({ anybody: OPEN, owner: OWN })) {
      test(`of ${who}: nothing forbidden, nothing out of reach, nothing cut off`, async () => {
        const owner = await Person.in(here.browser, here.network, options);
        const page = await owner.tab();
        if (who === 'owner') await furnish(owner, page);
        for (const [name, path] of Object.entries(all)) {
          await page.goto(path);
          await check(owner, page, name);
        }
        await owner.leave();
      });
    }

    test('that say what was wrong: nothing forbidden, nothing out of reach', async () => {
      const owner = await Person.in(here.browser, here.network, options);
      const page = await owner.tab('/auth/pages/login');
      await page.getByLabel('Email address').fill('nobody@example.com');
      await page.getByLabel('Password', { exact: true }).fill('something wrong');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForLoadState();
      await check(owner, page, 'login-refused');
      await page.goto('/auth/pages/signup');
      await page.getByLabel('Email address').fill('somebody@example.com');
      await page.getByLabel('Password', { exact: true }).fill('password');
      await page.getByRole('button').last().click();
      await page.waitForLoadState();
      await check(owner, page, 'signup-refused');
      await page.goto('/auth/pages/no-such-page');
      await check(owner, page, 'problem');
      await owner.leave();
    });

    /** A few devices, and a history. */
    async function furnish(owner, page) {
      await owner.signUp(page);
      for (const device_name of ['Telephone', 'Kitchen']) {
        await here.server.post('/auth/login', { email: owner.email, password: PASSWORD, transport: 'body', device_name });
      }
    }

    async function check(owner, page, name) {
      await mkdir(PICTURES, { recursive: true });
      await page.screenshot({ path: `${PICTURES}${name}-${look}.png`, fullPage: true });
      assert.deepEqual(await axe(page), [], name);
      assert.deepEqual(owner.violations, [], name);
      const complaints = owner.console.filter((line) => !/^info|the server responded with a status of 4/.test(line));
      assert.deepEqual(complaints, [], name);
      const [wide, lang, title] = await page.evaluate(() => {
        const { scrollWidth, clientWidth, lang } = document.documentElement;
        return [scrollWidth - clientWidth, lang, document.title];
      });
      assert.equal(wide, 0, `${name} can be scrolled sideways by ${wide} px`);
      assert.ok(lang && title, name);
    }
  });
}
