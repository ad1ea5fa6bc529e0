/** `relatch/testing`: the fakes keep the server's promises, and the real client lives in them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { attemptCookie, bodyTransport, createClient } from '../src/index.js';
import { chaos, createClock, createFakeBrowser, createFakeServer } from '../src/testing.js';
import type { FakeBrowserOptions, FakeServerOptions } from '../src/testing.js';

const ADA = { email: 'ada@example.com', password: 'correct horse battery' };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function world(more: Partial<FakeServerOptions> = {}, browserMore: Partial<FakeBrowserOptions> = {}) {
  const clock = createClock();
  const server = createFakeServer({ clock, ...more });
  server.addUser(ADA.email, ADA.password, 'Ada');
  const browser = createFakeBrowser({ clock, server, ...browserMore });
  const open = (from = browser) => {
    const tab = from.openTab();
    return { tab, client: createClient({ url: '/auth', environment: tab.environment }) };
  };
  /** Lets virtual time pass until the promise has settled. */
  const by = async <T>(promise: Promise<T>, ms = 30_000): Promise<T> => {
    promise.catch(() => {});
    await clock.advance(ms);
    return promise;
  };
  const refreshes = () => server.log.filter((line) => line.startsWith('POST /auth/refresh')).length;
  return { clock, server, browser, open, by, refreshes };
}

test('an app works on past expiry, for days, and nobody waits', async () => {
  const { clock, open, by, refreshes } = world();
  const { client } = open();
  await by(client.signIn(ADA), 0);
  await clock.advance(24 * HOUR);
  assert.equal(client.status, 'authenticated');
  assert.ok(refreshes() >= 100 && refreshes() <= 130, `${refreshes()}`);
  const answer = await by(client.fetch('/api/orders'), 0);
  assert.deepEqual([answer.status, (await answer.json()).path], [200, '/api/orders']);
});

test('a session ends at its limits, to the second', async () => {
  const { clock, browser, open, by } = world({ idleSeconds: 3600, absoluteSeconds: 7200 });
  const { client, tab } = open();
  await by(client.signIn(ADA), 0);
  tab.close();
  await clock.advance(HOUR - 1000);
  const inTime = open();
  assert.equal((await by(inTime.client.ready())).status, 'authenticated');
  await clock.advance(HOUR);
  const { error, status } = inTime.client.snapshot();
  assert.deepEqual([status, error?.code], ['unauthenticated', 'session_expired']);
  assert.equal(browser.cookies.has('__Secure-relatch-refresh'), false);
});

test('a thief with a copy of the cookies is found out', async () => {
  const { clock, browser, open, by, server } = world();
  const { client } = open();
  await by(client.signIn(ADA), 0);
  const thief = open(browser.stolen());
  await by(thief.client.ready());
  for (let hours = 0; hours < 3 && client.status === 'authenticated'; hours += 1) await clock.advance(HOUR);
  assert.equal(client.status, 'unauthenticated');
  assert.equal(thief.client.status, 'unauthenticated');
  assert.equal(server.sessions[0]?.revoked, 'token_reused');
});

test('twenty tabs restored at once keep the session, with locks and channels and without', async () => {
  for (const without of [[], ['locks', 'channels']] as const) {
    const { clock, open, by, browser, refreshes } = world(
      {},
      {
        without: [...without],
        network: (fetch) => chaos(fetch, { lost: 0.05, reorder: 0.2, late: 1000, seed: 7, wait: (ms) => clock.wait(ms) }),
      },
    );
    const first = open();
    await by(first.client.signIn(ADA));
    first.tab.close();
    await clock.advance(3 * HOUR);
    const tabs = Array.from({ length: 20 }, () => open());
    await by(Promise.all(tabs.map(({ client }) => client.ready())), MINUTE);
    await clock.advance(2 * HOUR);
    assert.deepEqual([...new Set(tabs.map(({ client }) => client.status))], ['authenticated'], without.join());
    assert.ok(refreshes() > 0 && browser.cookies.size === 3);
  }
});

test('offline, asleep and out of order: the session is kept', async () => {
  const { clock, browser, open, by, server } = world();
  const { client } = open();
  await by(client.signIn(ADA), 0);
  browser.setOnline(false);
  await clock.advance(HOUR);
  assert.equal(client.status, 'authenticated');
  browser.setOnline(true);
  assert.match(await by(client.getToken(), MINUTE), /^ey/);
  await browser.sleep(8 * HOUR);
  assert.match(await by(client.getToken(), MINUTE), /^ey/);
  server.isDown = true;
  await clock.advance(HOUR);
  assert.equal(client.status, 'authenticated');
  server.isDown = false;
  await clock.advance(10 * MINUTE);
  assert.equal((await by(client.fetch('/api/x'), MINUTE)).status, 200);
});

test('a revoked session ends with its reason, and signing out empties every tab', async () => {
  const { open, by, server, clock } = world();
  const [a, b] = [open(), open()];
  await by(a.client.signIn(ADA));
  assert.equal(b.client.status, 'authenticated');
  await by(b.client.signOut(), 1000);
  assert.deepEqual([a.client.status, b.client.status], ['unauthenticated', 'unauthenticated']);
  await by(a.client.signIn(ADA));
  server.revoke(server.sessions.at(-1)?.id ?? '', 'password_changed');
  await clock.advance(HOUR);
  assert.deepEqual([a.client.snapshot().error?.code, a.client.snapshot().error?.problem?.reason], ['session_revoked', 'password_changed']);
});

test('the id of an attempt is in a cookie where the app wants it, and nowhere else', async () => {
  for (const isInCookie of [true, false]) {
    const { clock, server, browser, by } = world();
    const client = createClient({ ...(isInCookie && { attempts: attemptCookie }), environment: browser.openTab().environment });
    await by(client.signIn(ADA), 0);
    server.isDown = true;
    await clock.advance(20 * MINUTE);
    assert.equal(browser.cookies.has('__Host-relatch-attempt'), isInCookie);
    assert.equal(browser.storage.has('relatch:/auth'), !isInCookie);
    server.isDown = false;
    await clock.advance(20 * MINUTE);
    assert.deepEqual([browser.cookies.has('__Host-relatch-attempt'), browser.storage.has('relatch:/auth')], [false, false]);
  }
});

test('what a tab writes wakes the other tabs, as browsers do, and never itself', async () => {
  const { clock, browser } = world();
  const woken: string[] = [];
  const open = (name: string) => {
    const { environment } = browser.openTab();
    environment.onWake((event) => woken.push(`${name} ${event}`), new AbortController().signal);
    return environment.shared;
  };
  const [a, b] = [open('a'), open('b')];
  const heard = async (change: () => void) => {
    change();
    await clock.settle();
    return woken.splice(0);
  };
  assert.deepEqual(await heard(() => a.set('k', '1')), ['b storage']);
  assert.deepEqual(await heard(() => b.set('k', '1')), [], 'no change, no event');
  assert.deepEqual(await heard(() => b.remove('k')), ['a storage']);
  assert.deepEqual(await heard(() => b.remove('k')), []);
});

test('signing out among many tabs is one request', async () => {
  const { clock, server, open, by } = world();
  const tabs = Array.from({ length: 5 }, () => open());
  await by(tabs[0]!.client.signIn(ADA));
  server.log.length = 0;
  await by(tabs[1]!.client.signOut(), MINUTE);
  await clock.advance(HOUR);
  assert.deepEqual(server.log, ['POST /auth/logout 204']);
  assert.deepEqual([...new Set(tabs.map(({ client }) => client.status))], ['unauthenticated']);
});

test('the body transport, with a storage of your own', async () => {
  const { clock, server, browser, by } = world();
  const kept = new Map<string, string>();
  const storage = {
    get: (key: string) => kept.get(key) ?? null,
    set: (key: string, value: string) => void kept.set(key, value),
    remove: (key: string) => void kept.delete(key),
  };
  const open = () => createClient({ url: '/auth', transport: bodyTransport(storage), environment: browser.openTab().environment });
  const client = open();
  await by(client.signIn(ADA));
  client.dispose();
  await clock.advance(2 * HOUR);
  assert.equal((await by(open().ready(), MINUTE)).status, 'authenticated');
  assert.deepEqual([browser.cookies.size, server.sessions.length], [0, 1]);
});

test('its tokens are what the real ones are', async () => {
  const { clock, server, open, by } = world();
  const { client } = open();
  await by(client.signIn(ADA), 0);
  const keys = createRemoteJWKSet(new URL(server.origin + '/.well-known/jwks.json'), {
    [customFetch]: (url: string) => server.fetch(new Request(url)),
  });
  const options = { issuer: server.origin, audience: server.origin, typ: 'at+jwt', algorithms: ['ES256'], currentDate: clock.date() };
  const { payload } = await jwtVerify(await client.getToken(), keys, options);
  assert.equal(payload['sid'], client.session?.id);
});

test('the server asks for proof, for a password, and for a token', async () => {
  const { server } = world();
  const ask = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', body: JSON.stringify(body), headers };
    const answer = await server.fetch(new Request(server.origin + path, init));
    return [answer.status, ((await answer.json()) as { code?: string }).code];
  };
  const page = { origin: server.origin };
  assert.deepEqual(await ask('/auth/login', ADA), [403, 'csrf_check_failed']);
  assert.deepEqual(await ask('/auth/login', { ...ADA, password: 'x' }, page), [401, 'invalid_credentials']);
  assert.deepEqual(await ask('/auth/signup', ADA, page), [409, 'email_taken']);
  assert.deepEqual(await ask('/auth/refresh', {}, page), [401, 'missing_token']);
  assert.deepEqual(await ask('/auth/refresh', { refresh_token: 'rlt_x' }), [401, 'invalid_token']);
  assert.deepEqual(await ask('/api/x', {}), [401, 'missing_token']);
});

test('chaos: every switch does what it says, and the same seed does the same', async () => {
  let served = 0;
  const inner = (async () => (served++, new Response('ok', { headers: { date: 'Fri, 01 Jan 2027 00:00:00 GMT' } }))) as typeof fetch;
  const course = async (options: Parameters<typeof chaos>[1]) => {
    const f = chaos(inner, options);
    const outcomes: string[] = [];
    for (let i = 0; i < 60; i += 1) outcomes.push(await f('https://x.test/').then((r) => String(r.status), (e: Error) => e.name));
    return outcomes;
  };
  const of = (outcomes: string[], what: string) => outcomes.filter((one) => one === what).length;
  served = 0;
  const lost = await course({ lost: 0.3, seed: 5 });
  assert.ok(of(lost, 'TypeError') > 5 && of(lost, 'TypeError') < 35);
  assert.equal(served, 60, 'a lost answer was served all the same');
  assert.deepEqual(await course({ lost: 0.3, seed: 5 }), lost);
  assert.notDeepEqual(await course({ lost: 0.3, seed: 6 }), lost);
  served = 0;
  const failing = await course({ status5xx: 0.3 });
  assert.equal(served, 60 - of(failing, '503'));
  assert.ok(of(failing, '503') > 5);

  const f = chaos(inner, { offline: true });
  served = 0;
  await assert.rejects(f('https://x.test/'), TypeError);
  assert.equal(served, 0);
  f.set({ offline: false, skew: HOUR });
  assert.equal((await f('https://x.test/')).headers.get('date'), 'Fri, 01 Jan 2027 01:00:00 GMT');

  const clock = createClock();
  const slow = chaos(inner, { late: 1000, wait: (ms) => clock.wait(ms) });
  let isIn = false;
  const call = slow('https://x.test/').then(() => (isIn = true));
  await clock.settle();
  assert.equal(isIn, false);
  await clock.advance(1000);
  await call;
  const abort = new AbortController();
  const aborted = slow('https://x.test/', { signal: abort.signal });
  abort.abort();
  await assert.rejects(aborted, { name: 'AbortError' });

  // Which of two answers is held back is up to the seed; that some pair comes in another order is not.
  const swapping = chaos(inner, { reorder: 0.5, wait: (ms) => clock.wait(ms) });
  const order: number[] = [];
  for (let i = 0; i < 20; i += 1) void swapping('https://x.test/').then(() => order.push(i));
  await clock.advance(HOUR);
  assert.equal(order.length, 20);
  assert.notDeepEqual(order, [...order].sort((a, b) => a - b));
});
