/** `relatch/server`: a Hono app behind it, the fake session server behind that, and a browser before both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hono } from 'hono';
import { attemptCookie, createClient } from '../src/index.js';
import { createServerAuth, type ServerAuthOptions, type ServerSnapshot } from '../src/server.js';
import { createClock, createFakeBrowser, createFakeServer, type FakeServerOptions } from '../src/testing.js';
import { Navigator } from './support/navigator.js';

const ORIGIN = 'https://app.test';
const ADA = { email: 'ada@example.com', password: 'correct horse battery' };
const MINUTE = 60_000;

function world(options: Partial<ServerAuthOptions> = {}, serverOptions: Partial<FakeServerOptions> = {}) {
  const clock = createClock();
  const server = createFakeServer({ clock, ...serverOptions });
  const ada = server.addUser(ADA.email, ADA.password, 'Ada');
  const upstream: typeof fetch = (input, init) => server.fetch(new Request(input, init));
  const make = () => createServerAuth({ url: 'http://relatch.internal:8080', origin: ORIGIN, fetch: upstream, now: () => clock.date(), ...options });
  const auth = make();
  type Env = { Variables: { auth: ServerSnapshot } };
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const handled = await auth.handle(c.req.raw);
    if (handled.response) return handled.response;
    c.set('auth', handled);
    await next();
  });
  app.all('/page', async (c) => {
    const { status, session } = c.get('auth');
    return c.text(`${status} ${session?.userId ?? '-'} ${await c.req.text()}`.trim());
  });
  app.onError((error, c) => c.text(error.message, 500));
  const page = new Navigator(ORIGIN, (request) => app.fetch(request));
  const login = (by = page) =>
    by.fetch('/auth/login', { method: 'POST', body: JSON.stringify(ADA), headers: { 'content-type': 'application/json' } });
  const refreshes = () => server.log.filter((line) => line.startsWith('POST /auth/refresh'));
  /** The next token is due, its answer never reaches the browser, and an hour passes. */
  const loseRenewal = async () => {
    await clock.advance(20 * MINUTE);
    page.jar.delete('__Host-relatch-renewed');
    await assert.rejects(page.go('/page', { lost: '/auth/continue' }), TypeError);
    await clock.advance(60 * MINUTE);
  };
  return { clock, server, ada, auth, make, app, page, login, refreshes, loseRenewal };
}

test('a login through the app shows on the next page, without a request to the session server', async () => {
  const { page, login, server, ada, refreshes } = world();
  assert.equal((await page.go('/page')).text, 'unauthenticated -');
  const answer = await login();
  assert.equal(answer.status, 200);
  assert.deepEqual(
    [...page.jar.keys()].sort(),
    ['__Host-relatch-access', '__Host-relatch-device', '__Secure-relatch-refresh', 'relatch-hint'],
  );
  assert.equal(((await answer.json()) as { user: { id: string } }).user.id, ada.id);
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);
  assert.equal((await page.go('/page', { site: 'cross-site' })).text, `authenticated ${ada.id}`);
  server.isDown = true;
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);
  assert.equal(refreshes().length, 0);
});

test('an access token that has run out is renewed on the way to the page, one refresh at a time', async () => {
  const { clock, page, login, ada, refreshes } = world();
  await login();
  for (const [site, way] of [
    ['same-origin', ['/page', '/auth/continue', '/page']],
    ['none', ['/page', '/auth/continue', '/page']],
    // The Strict cookie stays behind at first; nobody takes that for logged out.
    ['cross-site', ['/page', '/auth/continue', '/auth/continue', '/page']],
    ['same-site', ['/page', '/auth/continue', '/auth/continue', '/page']],
  ] as const) {
    const before = refreshes().length;
    await clock.advance(20 * MINUTE);
    page.jar.delete('__Host-relatch-renewed'); // lives ten seconds
    const visit = await page.go('/page?a=1', { site });
    assert.deepEqual([visit.text, visit.at, visit.way], [`authenticated ${ada.id}`, '/page?a=1', way]);
    assert.equal(refreshes().length, before + 1);
  }
});

test('a form that was sent with an old token arrives with its body', async () => {
  const { clock, page, login, ada } = world();
  await login();
  await clock.advance(20 * MINUTE);
  const visit = await page.go('/page', { method: 'POST', body: 'name=Ada' });
  assert.equal(visit.text, `authenticated ${ada.id} name=Ada`);
  // Another site's form is nobody's.
  await clock.advance(20 * MINUTE);
  assert.equal((await page.go('/page', { method: 'POST', body: 'x', site: 'cross-site' })).text, 'unauthenticated - x');
  assert.equal((await page.go('/page', { method: 'POST', body: 'x', site: 'same-site' })).text, 'unauthenticated - x');
});

test('run twice for one request, and in two processes, nobody is logged out', async () => {
  const { clock, page, login, make, server, ada } = world();
  await login();
  await clock.advance(20 * MINUTE);
  const other = make();
  const led = await page.fetch('/page');
  assert.equal(led.status, 307);
  const at = led.headers.get('location')?.slice(ORIGIN.length) ?? '';
  const request = () => new Request(ORIGIN + at, { headers: { cookie: page.cookie(at, 'same-origin'), 'sec-fetch-site': 'same-origin' } });
  const answers = await Promise.all([other.handle(request()), other.handle(request()), page.fetch(at)]);
  assert.equal(answers.length, 3);
  await clock.advance(60 * MINUTE);
  page.jar.delete('__Host-relatch-renewed');
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);
  assert.equal(server.sessions[0]?.revoked, undefined);
});

test('an answer that never reached the browser is given again, hours later', async () => {
  const { clock, page, login, server, ada, loseRenewal } = world();
  await login();
  await clock.advance(20 * MINUTE);
  await assert.rejects(page.go('/page', { lost: '/auth/continue' }), TypeError);
  await clock.advance(8 * 60 * MINUTE);
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);
  // The same where the page's own client comes first.
  await loseRenewal();
  assert.equal((await page.fetch('/auth/refresh', { method: 'POST', body: '{}' })).status, 200);
  assert.equal(page.jar.has('__Host-relatch-attempt'), false);
  assert.equal(server.sessions[0]?.revoked, undefined);
});

test('the page and the server share one attempt: an answer that one of them lost is given to the other', async () => {
  const { clock, page, login, server, ada, loseRenewal } = world();
  await login();
  const refresh = (attempt = '', lost = false) =>
    page.fetch('/auth/refresh', { method: 'POST', body: '{}', headers: { 'idempotency-key': attempt }, lost });
  await clock.advance(20 * MINUTE);
  page.keep('__Host-relatch-attempt=of-the-page; Path=/; Secure; SameSite=Lax');
  await assert.rejects(refresh('of-the-page', true), TypeError);
  await clock.advance(60 * MINUTE);
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);

  await loseRenewal();
  const attempt = page.read('__Host-relatch-attempt');
  assert.ok(attempt, 'script can read it');
  assert.equal((await refresh(attempt)).status, 200);
  assert.equal(server.sessions[0]?.revoked, undefined);
});

test('with the real client in the page, a session outlives the lost answers of both', async () => {
  const { clock, page, server, ada, loseRenewal } = world();
  const { environment } = createFakeBrowser({ clock, server }).openTab();
  let lost = false;
  const open = () => {
    const attempts = {
      get: () => page.read('__Host-relatch-attempt') ?? null,
      set: (_: string, value: string) => page.keep(`__Host-relatch-attempt=${value}; Path=/; Secure; Max-Age=1`),
      remove: () => void page.jar.delete('__Host-relatch-attempt'),
    };
    const hint = () => page.read('relatch-hint') ?? '';
    const send = ((path: string, init: RequestInit) => page.fetch(path, { ...init, lost })) as typeof fetch;
    return createClient({ attempts: attemptCookie, environment: { ...environment, fetch: send, attempts, hint } });
  };
  const client = open();
  await client.signIn(ADA);
  lost = true;
  await clock.advance(20 * MINUTE);
  assert.ok(client.snapshot().error, 'it asked, and heard nothing');
  client.dispose();
  await clock.advance(60 * MINUTE);
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);

  await loseRenewal();
  lost = false;
  const next = open();
  await clock.advance(MINUTE);
  assert.equal(next.status, 'authenticated');
  assert.equal(page.jar.has('__Host-relatch-attempt'), false);
  assert.equal(server.sessions[0]?.revoked, undefined);
});

test('an id that the page sends is never replaced by one that nobody has sent yet', async () => {
  const { clock, page, login } = world();
  await login();
  await clock.advance(20 * MINUTE);
  const init = { method: 'POST', body: '{}', headers: { 'idempotency-key': 'of-the-page' } };
  await assert.rejects(page.fetch('/auth/refresh', { ...init, lost: true }), TypeError);
  await page.fetch('/page'); // led to the renewal, and gone before it
  assert.ok(page.jar.has('__Host-relatch-attempt'));
  await clock.advance(60 * MINUTE);
  assert.equal((await page.fetch('/auth/refresh', init)).status, 200);
});

test('a lost answer is given again after the browser was closed, too', async () => {
  const { clock, page, login, ada } = world();
  await login();
  await clock.advance(20 * MINUTE);
  await assert.rejects(page.go('/page', { lost: '/auth/continue' }), TypeError);
  page.quit();
  await clock.advance(8 * 60 * MINUTE);
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);
});

test('a renewal that nobody was led to keeps its id before it asks, and asks with no other', async () => {
  const { clock, page, login, refreshes, ada } = world();
  await login();
  await clock.advance(20 * MINUTE);
  const at = '/auth/continue?return_to=/page';
  assert.equal((await page.fetch(at)).status, 307);
  assert.ok(page.read('__Host-relatch-attempt'));
  assert.equal(refreshes().length, 0);
  await assert.rejects(page.go(at, { lost: '/auth/continue' }), TypeError);
  await clock.advance(60 * MINUTE);
  const visit = await page.go(at);
  assert.deepEqual([visit.text, visit.way], [`authenticated ${ada.id}`, ['/auth/continue', '/page']]);
  // Its id was used up: the next one is kept first.
  await clock.advance(60 * MINUTE);
  assert.deepEqual((await page.go(at)).way, ['/auth/continue', '/auth/continue', '/page']);
  // A browser that drops it is not sent round for ever.
  page.drops.add('__Host-relatch-attempt');
  await clock.advance(60 * MINUTE);
  const before = refreshes().length;
  assert.deepEqual((await page.go(at)).way, ['/auth/continue', '/auth/continue', '/page']);
  assert.equal(refreshes().length, before);
});

test('a session that has ended leads where the app says, once, and its cookies are gone', async () => {
  const { clock, page, login, server } = world({ ended: ({ code, reason, returnTo }) => `/page?ended=${code}.${reason}&to=${encodeURIComponent(returnTo)}` });
  await login();
  server.revoke(server.sessions[0]?.id ?? '', 'password_changed');
  await clock.advance(20 * MINUTE);
  const visit = await page.go('/page?q=1');
  assert.equal(visit.at, '/page?ended=session_revoked.password_changed&to=%2Fpage%3Fq%3D1');
  assert.equal(visit.text, 'unauthenticated -');
  assert.deepEqual([...page.jar.keys()].sort(), ['__Host-relatch-device', '__Host-relatch-renewed']);
});

test('every doubt keeps the session and the attempt, and shows the page as not yet known', async () => {
  const { clock, page, login, server, ada } = world();
  await login();
  await page.go('/page');
  await clock.advance(20 * MINUTE);
  server.isDown = true;
  const visit = await page.go('/page');
  assert.deepEqual([visit.text, visit.way], ['unknown -', ['/page', '/auth/continue', '/page']]);
  assert.ok(page.jar.has('__Secure-relatch-refresh') && page.jar.has('__Host-relatch-attempt'));
  assert.deepEqual((await page.go('/page')).way, ['/page'], 'not again at once');
  server.isDown = false;
  page.jar.delete('__Host-relatch-renewed');
  assert.equal((await page.go('/page')).text, `authenticated ${ada.id}`);
});

test('a portal that answers everything with a page decides nothing', async () => {
  for (const status of [200, 401]) {
    const portal = () => Promise.resolve(new Response('<html>please pay</html>', { status, headers: { 'content-type': 'text/html' } }));
    let isThere = false;
    const clock = createClock();
    const server = createFakeServer({ clock });
    server.addUser(ADA.email, ADA.password);
    const upstream: typeof fetch = (input, init) => (isThere ? portal() : server.fetch(new Request(input, init)));
    const { page, login } = world({ fetch: upstream, now: () => clock.date() });
    await login();
    await page.go('/page');
    await clock.advance(20 * MINUTE);
    isThere = true;
    assert.equal((await page.go('/page')).text, 'unknown -');
    assert.ok(page.jar.has('__Secure-relatch-refresh'));
  }
});

test('logging out, another login past us, and a hint without a session are seen at once', async () => {
  const { page, login } = world();
  await login();
  const access = page.jar.get('__Host-relatch-access');
  assert.equal((await page.fetch('/auth/logout', { method: 'POST' })).status, 204);
  assert.deepEqual([...page.jar.keys()], ['__Host-relatch-device']);
  if (access) page.jar.set('__Host-relatch-access', access);
  assert.equal((await page.go('/page')).text, 'unauthenticated -');
  await login();
  if (access) page.jar.set('__Host-relatch-access', access);
  assert.deepEqual((await page.go('/page')).way, ['/page', '/auth/continue', '/page']);
  page.jar.clear();
  page.keep('relatch-hint=ses_planted.1; Path=/; Secure');
  assert.equal((await page.go('/page')).text, 'unauthenticated -');
  assert.equal(page.jar.has('relatch-hint'), false);
});

test('the way back never leads elsewhere, nor round in circles', async () => {
  const { page, login } = world();
  await login();
  for (const to of ['https://evil.test/', '//evil.test', '/\\evil.test', '/.//evil.test', '/auth/continue?return_to=/']) {
    const visit = await page.go('/auth/continue?return_to=' + encodeURIComponent(to));
    assert.equal(visit.at, '/', to);
  }
  const stray = await page.fetch("/auth/continue?return_to=/a'\"><script>", { headers: { 'sec-fetch-mode': 'navigate' } });
  assert.doesNotMatch(await stray.text(), /<script>/);
});

test('a token answer that is cut off, or is none, decides nothing', async () => {
  const type = { 'content-type': 'application/json' };
  const cut = new ReadableStream({ pull: (to) => to.error(new TypeError('terminated')) });
  for (const answer of [new Response(cut, { headers: type }), new Response('{"access', { headers: type }), new Response('null', { headers: type })]) {
    const { auth } = world({ fetch: async () => answer });
    const { response } = await auth.handle(new Request(ORIGIN + '/auth/refresh', { method: 'POST', body: '{}' }));
    assert.equal(response?.status, 503);
    assert.equal(((await response?.json()) as { code: string }).code, 'unavailable');
  }
});

test('what a browser proves is handed on, and what it could only claim is not', async () => {
  const seen: Headers[] = [];
  const upstream: typeof fetch = async (input, init) => {
    seen.push(new Request(input, init).headers);
    return new Response('{}');
  };
  const { auth } = world({ fetch: upstream, clientAddress: () => '192.0.2.7' });
  const headers = {
    ...{ origin: ORIGIN, 'sec-fetch-site': 'same-origin', 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', connection: 'close' },
    cookie: 'a=b; __Host-relatch-access=secret; __Secure-relatch-refresh=rlt_x',
  };
  await auth.handle(new Request(ORIGIN + '/auth/refresh', { method: 'POST', headers, body: '{}' }));
  const [sent] = seen;
  assert.deepEqual(
    ['origin', 'sec-fetch-site', 'x-forwarded-for', 'forwarded', 'cookie'].map((name) => sent?.get(name)),
    [ORIGIN, 'same-origin', '192.0.2.7', null, 'a=b; __Secure-relatch-refresh=rlt_x'],
  );
});

test('a login of the body transport puts nothing into a cookie', async () => {
  const { page } = world();
  const body = JSON.stringify({ ...ADA, transport: 'body' });
  const answer = await page.fetch('/auth/login', { method: 'POST', body });
  assert.equal(answer.status, 200);
  assert.equal(page.jar.size, 0);
});

test('bearer tokens are judged to the second and to the letter', async () => {
  const { clock, server, login, auth, make, ada } = world({ leeway: 0 });
  const { access_token: token } = (await (await login()).json()) as { access_token: string };
  const by = (text: string, who = auth) => who.authenticate({ headers: new Headers({ authorization: `Bearer ${text}` }) });
  assert.equal((await by(token)).session?.userId, ada.id);
  const [head = '', payload = '', signature = ''] = token.split('.');
  const other = btoa(JSON.stringify({ ...JSON.parse(atob(payload)), sub: 'usr_x' })).replaceAll('=', '');
  const none = btoa('{"alg":"none","typ":"at+jwt"}').replaceAll('=', '');
  const jwt = btoa('{"alg":"ES256","typ":"JWT","kid":"key_fake"}').replaceAll('=', '');
  for (const bad of ['x', `${head}.${other}.${signature}`, `${none}.${payload}.`, `${jwt}.${payload}.${signature}`]) {
    assert.equal((await by(bad)).status, 'unauthenticated', bad);
  }
  const options = { url: server.origin, origin: ORIGIN, fetch: ((i, n) => server.fetch(new Request(i, n))) as typeof fetch, now: () => clock.date() };
  for (const strict of [{ audience: 'https://api.test' }, { issuer: 'https://id.test' }, { algorithms: ['EdDSA' as const] }, { tokenLifeMax: 899 }]) {
    assert.equal((await by(token, createServerAuth({ ...options, ...strict }))).status, 'unauthenticated', JSON.stringify(strict));
  }
  await clock.advance(899_000);
  assert.equal((await by(token)).status, 'authenticated');
  await clock.advance(1000);
  assert.equal((await by(token)).status, 'unauthenticated');
  // Out of reach from the start: in doubt, and no redirect would help.
  server.isDown = true;
  assert.equal((await by(token, make())).status, 'unknown');
});

test('keys are fetched once for many requests, once a cool-down for a forged name, and kept through an outage', async () => {
  const { clock, server, login, auth } = world({ tokenLifeMax: 86_400 }, { accessSeconds: 86_400 });
  const { access_token: token } = (await (await login()).json()) as { access_token: string };
  const fetched = () => server.log.filter((line) => line.includes('jwks')).length;
  const by = (text: string) => auth.authenticate({ headers: new Headers({ authorization: `Bearer ${text}` }) });
  await Promise.all(Array.from({ length: 20 }, () => by(token)));
  assert.equal(fetched(), 1);
  const head = btoa('{"alg":"ES256","typ":"at+jwt","kid":"forged"}').replaceAll('=', '');
  for (let i = 0; i < 5; i += 1) await by(`${head}.${token.split('.').slice(1).join('.')}`);
  assert.ok(fetched() <= 2);
  server.isDown = true;
  await clock.advance(30 * MINUTE);
  assert.equal((await by(token)).status, 'authenticated');
});

test('a configuration that refuses every token is named, and makes no loop', async () => {
  const { clock, page, login } = world({ audience: 'https://api.test' });
  await login();
  await clock.advance(20 * MINUTE);
  const visit = await page.go('/page');
  assert.deepEqual([visit.status, visit.way], [500, ['/page', '/auth/continue']]);
  assert.match(visit.text, /Compare `issuer`, `audience`/);
});

test('a token that no browser would keep is an error that says so', async () => {
  const { setCookie } = await import('../src/server/cookies.js');
  assert.throws(() => setCookie('__Host-relatch-access', 'x'.repeat(4096), 900), /custom claims/);
});

test('the snapshot for the page holds the user and no token', async () => {
  const { page, login, auth, server } = world();
  const asking = () => ({ headers: new Headers({ cookie: page.cookie('/page', 'same-origin') }) });
  assert.deepEqual(await auth.snapshot(asking()), { status: 'unauthenticated', session: null, error: null });
  await login();
  const snapshot = await auth.snapshot(asking());
  assert.deepEqual([snapshot.status, snapshot.session?.user.name, snapshot.session?.generation], ['authenticated', 'Ada', 1]);
  assert.doesNotMatch(JSON.stringify(snapshot), /eyJ|rlt_/);
  server.isDown = true;
  assert.equal((await auth.snapshot(asking())).status, 'loading');
});
