/**
 * The app in a real Chromium, built and served by Vite, against a real Relatch and the API in axum: once with everything
 * behind one origin, once with three. `cargo xtask test react-app` starts the servers and says where they are:
 *
 * - `RELATCH_URL`, where access tokens live for `ACCESS_SECONDS`, and `API_URL`, which allows no leeway;
 * - `LISTED_PORT`: both take calls of a page from `http://localhost:LISTED_PORT`;
 * - `SCREENSHOTS`, if set: a folder for pictures of what was seen.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';

const { RELATCH_URL, API_URL, ACCESS_SECONDS, LISTED_PORT, SCREENSHOTS, CHROMIUM = '/usr/bin/chromium' } = process.env;
const EXPIRY_MS = 1000 * Number(ACCESS_SECONDS) + 1000;

const PLACES = [
  { place: 'one origin', authUrl: '/auth', apiUrl: '/api', port: 0, api: '/api/hello' },
  {
    place: 'three origins',
    authUrl: `${RELATCH_URL}/auth`,
    apiUrl: API_URL,
    port: Number(LISTED_PORT),
    api: `${new URL(API_URL).host}/hello`,
  },
];

for (const { place, authUrl, apiUrl, port, api } of PLACES) {
  describe(place, () => {
    const email = `ada-${Date.now()}@example.com`;
    const refreshed = [
      /^POST \S*\/auth\/refresh 200$/,
      /^a new access token generation \d+ $/,
      new RegExp(`^GET ${api} generation \\d+ 200$`),
    ];
    let folder, server, browser, phone, laptop;
    const faults = [];

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'relatch-react-app-'));
      Object.assign(process.env, { VITE_AUTH_URL: authUrl, VITE_API_URL: apiUrl });
      const common = { root: fileURLToPath(new URL('..', import.meta.url)), logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } };
      await build(common);
      server = await preview({ ...common, preview: { port, strictPort: true } });
      const origin = `http://localhost:${server.httpServer.address().port}`;
      browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
      const open = async (options) => {
        const context = await browser.newContext({ baseURL: origin, ...options });
        context.setDefaultTimeout(10_000);
        await context.addInitScript(prepareClocks);
        context.on('weberror', (error) => faults.push(error.error().stack));
        return context.newPage();
      };
      laptop = await open({ viewport: { width: 1280, height: 800 } });
      phone = await open({ viewport: { width: 375, height: 740 } });
    });

    after(async () => {
      await browser?.close();
      await server?.close();
      await rm(folder, { recursive: true, force: true });
    });

    test('whoever comes to a protected page is led to the login, and back', async () => {
      await laptop.goto('/hello');
      await laptop.getByRole('main').getByRole('link', { name: 'Log in' }).click();
      await laptop.getByRole('main').getByRole('link', { name: 'Sign up' }).click();
      await picture(laptop, 'sign-up');
      await enter(laptop, 'Sign up', email);
      await laptop.waitForURL('**/hello');
      await call(laptop, 'Call the API');
    });

    test('a wrong password is told, and the address kept', async () => {
      await phone.goto('/login?return_to=//evil.example');
      await enter(phone, 'Log in', email, 'wrong password');
      await phone.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
      assert.equal(await phone.getByLabel('Address').inputValue(), email);
      await picture(phone, 'wrong-password');
      await enter(phone, 'Log in', email);
      // A way back that leads elsewhere is none.
      await phone.getByRole('heading', { name: 'Welcome' }).waitFor();
    });

    test('an open page gets its next token before the old one ends', async () => {
      const before = await log(laptop);
      await laptop.waitForFunction(
        (count) => document.querySelectorAll('.log [data-kind=token]').length > count,
        before.filter(({ kind }) => kind === 'token').length,
      );
      assert.deepEqual((await log(laptop)).filter(({ isRefused }) => isRefused), before.filter(({ isRefused }) => isRefused));
    });

    test('a token that has expired unnoticed is refreshed, and the call sent again', async () => {
      await laptop.evaluate(() => globalThis.stopClocks());
      await sleep(EXPIRY_MS);
      const [before, after] = await refused(laptop, 'Call the API');
      assert.equal(after, before + 1);
      await picture(laptop, 'refreshed');
      await laptop.reload();
    });

    test('so is a token that nobody takes', async () => {
      await call(laptop, 'Call the API');
      await refused(laptop, 'Call it with a broken token');
    });

    test('a session that was ended from the list elsewhere says so, and leads back to the page after login', async () => {
      await phone.getByRole('link', { name: 'Devices' }).click();
      await phone.getByText('this device').waitFor();
      await picture(phone, 'devices');
      await phone.getByRole('button', { name: /^Log out Chrome/ }).click();
      await phone.waitForFunction(() => document.querySelectorAll('.devices li').length === 1);
      const alert = laptop.getByRole('alert');
      await alert.getByText('Your session has ended. It was ended from elsewhere.').waitFor();
      await picture(laptop, 'ended');
      await alert.getByRole('link', { name: 'Log in again' }).click();
      await enter(laptop, 'Log in', email);
      await laptop.waitForURL('**/hello');
      await call(laptop, 'Call the API');
      assert.equal(await laptop.getByRole('alert').count(), 0);
    });

    test('logging out is silent; logging out everywhere is told everywhere else', async () => {
      await laptop.getByRole('button', { name: 'Log out' }).click();
      await laptop.getByText('This page is for people who are logged in.').waitFor();
      await laptop.reload();
      await laptop.getByText('This page is for people who are logged in.').waitFor();
      await laptop.getByRole('main').getByRole('link', { name: 'Log in' }).click();
      await enter(laptop, 'Log in', email);
      await laptop.waitForURL('**/hello');
      await laptop.getByRole('link', { name: 'Devices' }).click();
      await laptop.getByRole('button', { name: 'Log out everywhere', exact: true }).click();
      await laptop.getByText('This page is for people who are logged in.').waitFor();
      await phone.getByText('Your session has ended.').waitFor();
      await picture(phone, 'ended');
    });

    test('no page shows a token, and no script has thrown', async () => {
      for (const page of [laptop, phone]) assert.doesNotMatch(await page.content(), /eyJ|rlt_/);
      assert.deepEqual(faults, []);
    });

    /** Calls the API; answers what was logged meanwhile. */
    async function call(page, button) {
      const { length } = await log(page);
      await page.getByRole('button', { name: button, exact: true }).click();
      await page.getByText(/Answer: \{"hello":"usr_/).waitFor();
      return (await log(page)).slice(length);
    }

    /** The same with a token that is refused: one refresh, one retry. Answers the generations of both calls. */
    async function refused(page, button) {
      const [first, ...rest] = await call(page, button);
      assert.match(first.text, new RegExp(`^GET ${api} generation \\d+ 401 invalid_token$`));
      assert.deepEqual(rest.map(({ kind }) => kind), ['refresh', 'token', 'retry']);
      rest.forEach(({ text }, i) => assert.match(text, refreshed[i]));
      return [first, rest[2]].map(({ text }) => Number(/generation (\d+)/.exec(text)[1]));
    }

    async function picture(page, name) {
      if (!SCREENSHOTS || port) return;
      const width = page.viewportSize().width;
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}-${colorScheme}.png`) });
      }
    }
  });
}

/** Lets a test stop the clocks of a page, as a laptop does in its sleep. */
function prepareClocks() {
  for (const clock of [performance, Date]) {
    const now = clock.now.bind(clock);
    let stoppedAt;
    clock.now = () => stoppedAt ?? now();
    const stopOthers = globalThis.stopClocks;
    globalThis.stopClocks = () => {
      stoppedAt = now();
      stopOthers?.();
    };
  }
}

async function enter(page, button, email, password = 'correct horse battery') {
  await page.getByRole('heading', { name: button }).waitFor();
  await page.getByLabel('Address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('main').getByRole('button', { name: button }).click();
}

/** The lines of the log panel. */
function log(page) {
  return page.locator('.log li').evaluateAll((lines) =>
    lines.map((line) => ({
      kind: line.dataset.kind,
      isRefused: line.dataset.refused === 'true',
      text: ['.text', '.outcome'].map((part) => line.querySelector(part).textContent).join(' '),
    })),
  );
}
