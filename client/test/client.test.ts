/** The client against a server that follows a script, in virtual time. R numbers are those of the design's list. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { changePassword, listSessions, revokeSession, signInWithCode, signOutEverywhere, signOutOthers, signUp } from '../src/account.js';
import { attemptCookie } from '../src/environment.js';
import { AuthError } from '../src/errors.js';
import type { Client } from '../src/types.js';
import { type Answer, type Call, html, json, problem, World } from './support/world.js';

const HOUR = 3_600_000;
const API = 'https://app.example/api/x';
const failsWith = (code: string) => (error: unknown) => error instanceof AuthError && error.code === code;

/** What this client has heard of, in order. */
function heard(client: Client): string[] {
  const names: string[] = [];
  for (const name of ['signed_in', 'signed_out', 'expired', 'token', 'refresh_failed'] as const) {
    client.addEventListener(name, () => names.push(name));
  }
  return names;
}

describe('start', () => {
  test('an anonymous visitor costs no request where the hint can be read', async () => {
    const world = new World();
    const client = world.tab();
    assert.equal(client.status, 'unauthenticated');
    await world.pass(HOUR);
    assert.equal(world.calls.length, 0);
    await assert.rejects(client.getToken(), failsWith('signed_out'));
    assert.equal((await world.done(client.fetch(API))).status, 401);
    assert.equal(world.count('/auth/refresh'), 0);
  });
  test('where it cannot, one refresh finds out', async () => {
    const world = new World();
    world.hintIsReadable = false;
    const client = world.tab();
    assert.equal(client.status, 'loading');
    const snapshot = await world.done(client.ready());
    assert.deepEqual(snapshot, { status: 'unauthenticated', session: null, error: null });
    assert.equal(world.calls.length, 1);
  });
  test('a session is restored, and requests meanwhile wait for it', async () => {
    const world = new World();
    await world.signedIn();
    const client = world.tab();
    const names = heard(client);
    const answer = await world.done(client.fetch(API));
    assert.equal(answer.status, 200);
    assert.equal(client.session?.user.email, 'ada@example.com');
    assert.equal(world.count('/auth/refresh'), 1);
    assert.deepEqual(names, ['token']);
  });
  test('R9 with the server away it stays open, says why, and succeeds later', async () => {
    const world = new World();
    (await world.signedIn()).dispose();
    world.online = false;
    const client = world.tab();
    const snapshot = await world.done(client.ready());
    assert.deepEqual([snapshot.status, snapshot.error?.code], ['loading', 'offline']);
    world.online = true;
    await world.pass(10_000);
    assert.equal(client.status, 'authenticated');
  });
});

describe('one refresh for all', () => {
  test('R3 R4 50 parallel 401s: one refresh, 50 answers', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    const answers = await world.done(Promise.all(Array.from({ length: 50 }, () => client.fetch(API))));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
    assert.equal(world.count('/auth/refresh'), 1);
    assert.equal(world.count('/api/x'), 100);
  });
  test('R4 a late 401 for a token that was replaced meanwhile is just sent again', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push(() => problem(401, 'token_expired'));
    const late = client.fetch(API);
    await world.settle();
    await world.done(client.refresh());
    assert.equal((await world.done(late)).status, 200);
    assert.equal(world.count('/auth/refresh'), 1);
  });
  test('R8 a second 401 is final: one refresh, one retry', async () => {
    const world = new World();
    const client = await world.signedIn();
    const refused = () => problem(401, 'token_expired');
    world.script.push(refused, (_, own) => own(), refused);
    assert.equal((await world.done(client.fetch(API))).status, 401);
    assert.deepEqual([world.count('/auth/refresh'), world.count('/api/x')], [1, 2]);
    assert.equal(client.status, 'authenticated');
  });
  test('R8 a request that was refreshed for beforehand is not refreshed for again', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.hidden = true;
    await world.pass(HOUR);
    world.script.push((_, own) => own(), () => problem(401, 'token_expired'));
    assert.equal((await world.done(client.fetch(API))).status, 401);
    assert.deepEqual([world.count('/auth/refresh'), world.count('/api/x')], [1, 1]);
  });
  test('R3 timer and requests share the refresh', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.latency = 500;
    await world.pass(720_000 + 200);
    await world.done(Promise.all([client.refresh(), client.refresh(), client.refresh()]));
    assert.equal(world.count('/auth/refresh'), 1);
  });
  test('R18 a refresh with a reason is asked for after the reason', async () => {
    const world = new World();
    const client = await world.signedIn();
    const first = client.refresh();
    const second = client.refresh({ reason: 'role_changed' });
    const third = client.refresh({ reason: 'role_changed' });
    await world.done(Promise.all([first, second, third]));
    assert.equal(world.count('/auth/refresh'), 2);
    assert.equal((await second).generation, (await third).generation);
  });
});

describe('which requests', () => {
  const sent = (world: World) => world.calls.at(-1)!.headers.get('authorization');
  test('the token goes to the own origin and that of url, and nowhere else', async () => {
    const world = new World();
    const client = await world.signedIn({ origins: ['https://api.example'] });
    const table: [string, boolean][] = [
      ['https://api.example/x', true],
      ['https://app.example/auth/me', true],
      ['/relative', true],
      ['https://evil.example/x', false],
      ['https://api.example.evil.example/x', false],
      ['http://api.example/x', false],
      ['https://api.example:8443/x', false],
      ['https://evil.example/https://api.example', false],
      ['//evil.example/x', false],
    ];
    for (const [url, isAllowed] of table) {
      assert.equal(client.allows(url), isAllowed, url);
      await world.done(client.fetch(url));
      assert.equal(sent(world) !== null, isAllowed, url);
    }
  });
  test('by default the page’s own origin may see it', async () => {
    const world = new World();
    const client = await world.signedIn();
    assert.deepEqual([client.allows('/x'), client.allows('https://api.example/x')], [true, false]);
  });
  test('a <base> elsewhere makes nobody else an own origin', async () => {
    const world = new World();
    const environment = { base: () => 'https://cdn.example/', origin: 'https://app.example' };
    const client = await world.signedIn({ url: 'https://app.example/auth', environment });
    assert.deepEqual([client.allows('https://app.example/x'), client.allows('/x'), client.allows('https://cdn.example/x')], [true, false, false]);
  });
  test('an Authorization header of the caller stays, and its 401 too', async () => {
    const world = new World();
    const client = await world.signedIn();
    const answer = await world.done(client.fetch(API, { headers: { Authorization: 'Bearer mine' } }));
    assert.equal(answer.status, 401);
    assert.equal(sent(world), 'Bearer mine');
    assert.equal(world.count('/auth/refresh'), 0);
  });
  const challenges: [string | undefined, boolean][] = [
    ['Bearer error="invalid_token"', true],
    ['Bearer realm="x", error="invalid_token"', true],
    ['Bearer', true],
    [undefined, true],
    ['Bearer error="insufficient_scope"', false],
    ['Basic realm="x"', false],
  ];
  for (const [challenge, isOurs] of challenges) {
    test(`R8 a 401 that says ${challenge ?? 'nothing'} is${isOurs ? '' : ' not'} a reason to refresh`, async () => {
      const world = new World();
      const client = await world.signedIn();
      world.script.push(() => html(401, challenge ? { 'www-authenticate': challenge } : {}));
      assert.equal((await world.done(client.fetch(API))).status, isOurs ? 200 : 401);
      assert.equal(world.count('/auth/refresh'), isOurs ? 1 : 0);
    });
  }
  for (const status of [403, 404, 500, 503]) {
    test(`a ${status} of the API says nothing about the session`, async () => {
      const world = new World();
      const client = await world.signedIn();
      world.script.push(() => html(status));
      assert.equal((await world.done(client.fetch(API))).status, status);
      assert.equal(world.count('/auth/refresh'), 0);
    });
  }
  test('a request that began under one user never goes out as another', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.hidden = true;
    await world.pass(HOUR);
    world.server.user = { ...world.server.user, id: 'usr_bob' };
    world.jar = JSON.parse(world.server.open(false).headers.get('x-set-cookie')!) as World['jar'];
    await assert.rejects(world.done(client.fetch(API, { method: 'POST', body: 'pay' })), failsWith('signed_out'));
    assert.deepEqual([client.session?.user.id, world.count('/api/x')], ['usr_bob', 0]);
    assert.equal((await world.done(client.fetch(API))).status, 200);
  });
  test('the answer of the retry belongs to the same user, or there is none', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    world.server.user = { ...world.server.user, id: 'usr_bob' };
    world.jar = JSON.parse(world.server.open(false).headers.get('x-set-cookie')!) as World['jar'];
    assert.equal((await world.done(client.fetch(API))).status, 401);
    assert.equal(client.session?.user.id, 'usr_bob');
    assert.equal(world.count('/api/x'), 1);
  });
});

describe('bodies (R10)', () => {
  const bodies: [string, () => BodyInit][] = [
    ['a string', () => 'hello'],
    ['URLSearchParams', () => new URLSearchParams('a=hello')],
    ['a Blob', () => new Blob(['hello'])],
    ['an ArrayBuffer', () => new TextEncoder().encode('hello').buffer],
  ];
  for (const [name, body] of bodies) {
    test(`${name} is sent again`, async () => {
      const world = new World();
      const client = await world.signedIn();
      world.server.live.clear();
      const answer = await world.done(client.fetch(API, { method: 'POST', body: body() }));
      assert.match(((await answer.json()) as { text: string }).text, /hello/);
    });
    test(`a Request of ${name} is sent again`, async () => {
      const world = new World();
      const client = await world.signedIn();
      world.server.live.clear();
      const answer = await world.done(client.fetch(new Request(API, { method: 'POST', body: body() })));
      assert.match(((await answer.json()) as { text: string }).text, /hello/);
    });
  }
  const stream = (size = 5) => new Blob(['x'.repeat(size)]).stream();
  test('a stream is never sent twice: its 401 comes back, with a new token for the next', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    const init = { method: 'POST', body: stream(), duplex: 'half' } as RequestInit;
    assert.equal((await world.done(client.fetch(API, init))).status, 401);
    assert.equal(world.count('/api/x'), 1);
    assert.equal((await world.done(client.fetch(API, { ...init, body: stream() }))).status, 200);
  });
  test('a Request with more than a mebibyte neither', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    const request = new Request(API, { method: 'POST', body: 'x'.repeat((1 << 20) + 1) });
    assert.equal((await world.done(client.fetch(request))).status, 401);
    assert.equal(world.count('/api/x'), 1);
  });
  test('a Request whose stream is still open when the 401 comes is handed its 401, at once', async () => {
    const world = new World();
    const client = await world.signedIn();
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(5)) });
    const request = new Request(API, { method: 'POST', body, duplex: 'half' } as RequestInit);
    // An early answer: what comes of the body is not waited for.
    const early: typeof fetch = async (input, init) => {
      if (input !== request) return client.tab.environment().fetch(input, init);
      void request.text().catch(() => {});
      return problem(401, 'token_expired');
    };
    const other = world.tab({ fetch: early });
    await world.done(other.ready());
    assert.equal((await world.done(other.fetch(request), 5000)).status, 401);
  });
  test('a stream is refreshed for beforehand when the token has less than a minute', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.hidden = true;
    await world.pass(850_000);
    const init = { method: 'POST', body: stream(), duplex: 'half' } as RequestInit;
    assert.equal((await world.done(client.fetch(API, init))).status, 200);
    assert.equal(world.count('/auth/refresh'), 1);
  });
  test('an aborted call rejects with the reason of its signal, and the refresh goes on', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    world.latency = 1000;
    const controller = new AbortController();
    const call = client.fetch(API, { signal: controller.signal });
    await world.pass(2500);
    controller.abort();
    await assert.rejects(call, { name: 'AbortError' });
    await assert.rejects(client.refresh({ signal: controller.signal }), { name: 'AbortError' });
    await world.pass(3000);
    assert.equal(client.session?.generation, 2);
  });
});

describe('when (R6, R7)', () => {
  test('it refreshes when the server says so, by timers of five minutes at most', async () => {
    const world = new World();
    const client = await world.signedIn();
    await world.pass(719_000);
    assert.equal(world.count('/auth/refresh'), 0);
    await world.pass(2000);
    assert.equal(world.count('/auth/refresh'), 1);
    await world.pass(8 * HOUR);
    assert.equal(client.session?.generation, 1 + Math.floor((8 * HOUR + 721_000) / 720_000));
  });
  test('a hidden tab does nothing, and refreshes on becoming visible when due', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.hidden = true;
    let looks = 0;
    const { timer } = world;
    world.timer = (...given) => (looks++, timer.apply(world, given));
    await world.pass(HOUR);
    assert.equal(world.count('/auth/refresh'), 0);
    assert.ok(looks < 20, String(looks));
    client.tab.hidden = false;
    client.tab.wake('visibilitychange');
    await world.pass(100);
    assert.equal(client.session?.generation, 2);
  });
  test('sleep: after it, the first call has a new token, whether or not a timer came', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.time += 10 * HOUR;
    const token = await world.done(client.getToken());
    assert.equal(world.server.live.has(token), true);
    assert.equal(world.count('/auth/refresh'), 1);
  });
  test('a token that dies before its time is replaced: a 401 always wins', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    assert.equal((await world.done(client.fetch(API))).status, 200);
  });
  test('a server that says "refresh now" is asked once a second at most', async () => {
    const world = new World();
    world.server.refreshSeconds = 0;
    world.server.windowMs = 0;
    await world.signedIn();
    await world.pass(10_000);
    assert.ok(world.count('/auth/refresh') <= 10, String(world.count('/auth/refresh')));
  });
  test('a life of five seconds does not make every call a refresh', async () => {
    const world = new World();
    world.server.lifeSeconds = 5;
    world.server.refreshSeconds = 4;
    const client = await world.signedIn();
    for (let i = 0; i < 20; i++) await world.done(client.getToken());
    assert.equal(world.count('/auth/refresh'), 0);
  });
  test('a hint cookie that says otherwise is believed on waking up', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.jar = {};
    client.tab.wake('focus');
    await world.pass(100);
    assert.equal(client.status, 'unauthenticated');
    world.jar = JSON.parse(world.server.open(false).headers.get('x-set-cookie')!) as World['jar'];
    client.tab.wake('focus');
    await world.pass(100);
    assert.equal(client.status, 'authenticated');
  });
  for (const hasChannels of [true, false]) {
    test(`one that disagrees for ever makes no tabs ask each other round (channels: ${hasChannels})`, async () => {
      const world = new World();
      world.hasChannels = hasChannels;
      const first = await world.signedIn();
      const tabs = [first, ...['ses_old.7', 'ses_other.1'].map((hint) => world.tab({ environment: { hint: () => hint } }))];
      await world.pass(30_000);
      const before = world.count('/auth/refresh');
      for (const tab of tabs) tab.tab.wake('focus');
      await world.pass(30_000);
      assert.ok(world.count('/auth/refresh') <= before + 2, `${world.count('/auth/refresh') - before} in half a minute`);
      await world.pass(600_000);
      assert.ok(world.count('/auth/refresh') <= before + 22, `${world.count('/auth/refresh') - before} in ten minutes`);
      assert.deepEqual(tabs.map((tab) => tab.session?.id), ['ses_1', 'ses_1', 'ses_1']);
    });
  }
  test('one that disagreed is asked about again after a minute', async () => {
    const world = new World();
    const client = await world.signedIn({ environment: { hint: () => 'ses_old.7' } });
    const asked: number[] = [];
    for (const seconds of [1, 30, 31]) {
      await world.pass(1000 * seconds);
      client.tab.wake('focus');
      await world.pass(100);
      asked.push(world.count('/auth/refresh'));
    }
    assert.deepEqual(asked, [1, 1, 2]);
  });
});

describe('what keeps a session (R9)', () => {
  const troubles: [string, string, (call: Call) => Answer][] = [
    ['429', 'rate_limited', () => problem(429, 'too_many_refreshes', { retry_after: 7 })],
    ['503', 'server', () => problem(503, 'unavailable')],
    ['500', 'server', () => problem(500, 'internal_error')],
    ['a proxy’s 502', 'server', () => html(502)],
    ['a proxy’s 401', 'server', () => html(401)],
    ['a portal’s 200', 'server', () => html(200)],
    ['a 200 without a token', 'server', () => json({ ok: true })],
    ['a 204', 'server', () => new Response(null, { status: 204 })],
    ['a lost answer', 'network', () => 'lost'],
    ['no answer', 'timeout', () => 'hang'],
    ['400 duplicate_cookie', 'invalid_request', () => problem(400, 'duplicate_cookie')],
    ['403 csrf_check_failed', 'forbidden', () => problem(403, 'csrf_check_failed')],
    ['403 step_up_required', 'step_up_required', () => problem(403, 'step_up_required')],
  ];
  for (const [name, code, trouble] of troubles) {
    test(`${name}: the session stays, ${code} is said, and it heals by itself`, async () => {
      const world = new World();
      const client = await world.signedIn();
      const names = heard(client);
      world.script.push(trouble, trouble, trouble);
      await assert.rejects(world.done(client.refresh()), failsWith(code));
      assert.deepEqual([client.status, client.snapshot().error?.code], ['authenticated', code]);
      assert.deepEqual(names, ['refresh_failed']);
      world.script.length = 0;
      await world.pass(60_000);
      assert.equal(client.snapshot().error, null);
      assert.equal(client.session?.generation, 2);
    });
  }
  for (const code of ['session_expired', 'session_revoked', 'token_reused', 'device_mismatch', 'invalid_token']) {
    test(`401 ${code} ends it, once, with the reason`, async () => {
      const world = new World();
      const client = await world.signedIn();
      const names = heard(client);
      world.script.push(() => problem(401, code, { reason: 'password_changed' }));
      await assert.rejects(world.done(client.refresh()), AuthError);
      const { status, error } = client.snapshot();
      assert.deepEqual([status, error?.problem?.code, error?.problem?.reason], ['unauthenticated', code, 'password_changed']);
      await world.pass(HOUR);
      assert.deepEqual(names, ['expired']);
      assert.equal(world.count('/auth/refresh'), 1);
    });
  }
  test('R14 a cookie that the browser did not keep is called by its name', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.jar = {};
    await assert.rejects(world.done(client.refresh()), failsWith('cookie_blocked'));
    assert.equal(client.snapshot().error?.code, 'cookie_blocked');
  });
  test('Retry-After is honoured by everything that happens by itself', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.server.live.clear();
    world.script.push((_, own) => own(), () => problem(503, 'unavailable', {}, { 'retry-after': '120' }));
    assert.equal((await world.done(client.fetch(API))).status, 401);
    for (let i = 0; i < 10; i++) await world.done(client.fetch(API));
    client.tab.wake('online');
    await world.pass(110_000);
    assert.equal(world.count('/auth/refresh'), 1);
    await world.pass(80_000);
    assert.equal(world.count('/auth/refresh'), 2);
  });
  test('a dead server is asked less and less', async () => {
    const world = new World();
    await world.signedIn();
    world.script.push(...Array.from({ length: 500 }, () => () => html(502) as Answer));
    await world.pass(720_000 + 600_000);
    const count = world.count('/auth/refresh');
    assert.ok(count > 20 && count < 60, String(count));
  });
  test('offline and back: the event ends the pause', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.online = false;
    await world.pass(HOUR);
    assert.equal(client.snapshot().error?.code, 'offline');
    world.online = true;
    client.tab.wake('online');
    await world.pass(50);
    assert.equal(client.snapshot().error, null);
  });
  test('a dead token and no server: the request is not sent, and the error says to try again', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.hidden = true;
    await world.pass(HOUR);
    world.script.push(() => html(502), () => html(502), () => html(502));
    await assert.rejects(world.done(client.fetch(API)), (error: AuthError) => error.retryable && error.code === 'server');
    assert.equal(world.count('/api/x'), 0);
  });
});

describe('lost and late answers (R5, R12)', () => {
  test('a lost answer is asked for again with the same attempt id, and the same child comes', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push((_, own) => (own(), 'lost'));
    await world.done(client.refresh());
    const [first, second] = world.calls.filter((call) => call.path === '/auth/refresh');
    assert.ok(first!.attempt);
    assert.equal(first!.attempt, second!.attempt);
    assert.equal(client.session?.generation, 2);
  });
  test('closed before the answer came, hours ago: the next start uses the attempt id again', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push((_, own) => (own(), 'hang'));
    void client.refresh().catch(() => {});
    await world.pass(100);
    client.dispose();
    await world.pass(8 * HOUR);
    const next = world.tab();
    await world.done(next.ready());
    assert.equal(next.status, 'authenticated');
    assert.equal(world.storage.has('relatch:/auth'), false);
  });
  test('with attemptCookie the id is where the app’s server sees it: before the request, until the answer', async () => {
    const world = new World();
    const client = await world.signedIn({ attempts: attemptCookie });
    const seen: (string | null)[] = [];
    world.script.push((_, own) => (seen.push(world.attempt), own(), 'lost'), (_, own) => (seen.push(world.attempt), own()));
    await world.done(client.refresh());
    const [first, second] = world.calls.filter((call) => call.path === '/auth/refresh');
    assert.ok(first!.attempt);
    assert.deepEqual([first!.attempt, second!.attempt, ...seen], Array(4).fill(first!.attempt));
    assert.deepEqual([world.attempt, world.storage.has('relatch:/auth')], [null, false]);
  });
  test('with attemptCookie an id that the app’s server has drawn is used, and one of its later ones left alone', async () => {
    const world = new World();
    const client = await world.signedIn({ attempts: attemptCookie });
    world.attempt = 'server-1';
    world.script.push((_, own) => {
      world.attempt = 'server-2';
      return own();
    });
    await world.done(client.refresh());
    assert.deepEqual([world.calls.at(-1)!.attempt, world.attempt], ['server-1', 'server-2']);
  });
  test('without it, the page’s cookies are left alone', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.attempt = 'server-1';
    await world.done(client.refresh());
    assert.notEqual(world.calls.at(-1)!.attempt, 'server-1');
    assert.equal(world.attempt, 'server-1');
  });
  test('another tab’s attempt id is not removed', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push((_, own) => {
      world.storage.set('relatch:/auth', 'other');
      return own();
    });
    await world.done(client.refresh());
    assert.equal(world.storage.get('relatch:/auth'), 'other');
  });
  for (const hasChannels of [true, false]) {
    test(`decision 5: a late answer of a lower generation is dropped and healed within the window (channels: ${hasChannels})`, async () => {
      const world = new World();
      Object.assign(world, { hasChannels, hasLocks: false });
      const one = await world.signedIn();
      const two = world.tab();
      await world.done(two.ready());
      await world.pass(40_000);
      // Both ask at once; the second answer comes late, when the first has moved on.
      two.tab.delay = 5000;
      const slow = two.refresh();
      await world.pass(20);
      await world.done(one.refresh());
      await world.pass(100);
      const newest = { seen: `${one.session!.id}.${one.session!.generation + 1}` };
      world.storage.set('relatch:/auth:seen', newest.seen);
      const before = world.count('/auth/refresh');
      await world.done(slow);
      assert.equal(world.count('/auth/refresh'), before + 1);
      await world.pass(HOUR);
      await world.done(one.refresh());
      assert.equal(two.status, 'authenticated');
    });
  }
  test('a tab in trouble does not forget what others have seen', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.storage.set('relatch:/auth:seen', 'ses_1.7');
    world.script.push(() => problem(403, 'csrf_check_failed'));
    await assert.rejects(world.done(client.refresh()), AuthError);
    assert.equal(world.storage.get('relatch:/auth:seen'), 'ses_1.7');
  });
  test('a lie about what was seen costs one refresh, not a loop', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.storage.set('relatch:/auth:seen', `${client.session!.id}.999999`);
    await world.done(client.refresh());
    assert.equal(world.count('/auth/refresh'), 2);
    await world.done(client.refresh());
    assert.equal(world.count('/auth/refresh'), 3);
  });
});

describe('tabs (R1, R2, R11, R16, R17)', () => {
  test('a new token reaches the other tabs, and they do not ask for their own', async () => {
    const world = new World();
    const [one, two] = [await world.signedIn(), world.tab()];
    await world.done(two.ready());
    const before = world.count('/auth/refresh');
    const names = heard(two);
    await world.done(one.refresh());
    await world.pass(10);
    assert.equal(await two.getToken(), await one.getToken());
    assert.equal(world.count('/auth/refresh'), before + 1);
    assert.deepEqual(names, ['token']);
  });
  test('tabs whose time comes at the same moment ask once, by lock and message', async () => {
    const world = new World();
    const one = await world.signedIn();
    const tabs = [one, world.tab(), world.tab(), world.tab()];
    await world.done(Promise.all(tabs.map((tab) => tab.ready())));
    await world.done(one.refresh());
    await world.pass(100);
    const before = world.count('/auth/refresh');
    await world.pass(725_000);
    assert.equal(world.count('/auth/refresh'), before + 1);
    assert.equal(new Set(await Promise.all(tabs.map((tab) => tab.getToken()))).size, 1);
  });
  test('R11 login in one tab is a login in all, and the own listeners hear of it too', async () => {
    const world = new World();
    const [one, two] = [world.tab(), world.tab()];
    const [own, other] = [heard(one), heard(two)];
    await world.done(one.signIn({ email: 'a', password: 'b' }));
    await world.pass(10);
    assert.deepEqual([two.status, own, other], ['authenticated', ['signed_in', 'token'], ['signed_in', 'token']]);
  });
  test('R2 a lock that a frozen tab holds costs five seconds, not the session', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.holdLock('relatch:/auth');
    const began = world.time;
    await world.done(client.refresh());
    assert.ok(world.time - began < 6000, String(world.time - began));
  });
  test('R2 a listener that calls back waits for nothing that waits for it', async () => {
    const world = new World();
    const client = await world.signedIn();
    let again: Promise<unknown> | undefined;
    client.addEventListener('token', () => (again ??= client.refresh({ reason: 'a listener' })));
    await world.done(client.refresh());
    await world.done(Promise.resolve(again));
    assert.equal(world.count('/auth/refresh'), 2);
  });
  for (const [hasLocks, hasChannels] of [[true, true], [false, true], [true, false], [false, false]] as const) {
    test(`20 tabs restored at once, answers in any order, 5 % lost: nobody is logged out (locks ${hasLocks}, channels ${hasChannels})`, async () => {
      for (let round = 0; round < 10; round++) {
        const world = new World();
        Object.assign(world, { hasLocks, hasChannels });
        for (let i = 0; i < round * 97; i++) world.random();
        (await world.signedIn()).dispose();
        await world.pass(12 * HOUR);
        world.script.push(...Array.from({ length: 500 }, () => (_: Call, own: () => Response): Answer => {
          const answer = own();
          return world.random() < 0.05 ? 'lost' : answer;
        }));
        const tabs = Array.from({ length: 20 }, () => {
          const client = world.tab();
          client.tab.delay = world.random() * 1000;
          return client;
        });
        await world.done(Promise.all(tabs.map((tab) => tab.ready())));
        await world.pass(5000);
        assert.deepEqual([...new Set(tabs.map((tab) => tab.status))], ['authenticated'], `round ${round}`);
        await world.pass(40_000);
        await world.done(tabs[3]!.refresh());
        assert.equal(tabs[3]!.status, 'authenticated', `round ${round}, an hour later`);
        if (hasLocks && hasChannels) assert.ok(world.count('/auth/refresh') < 30, String(world.count('/auth/refresh')));
      }
    });
  }
  test('a channel that says rubbish changes nothing', async () => {
    const world = new World();
    const client = await world.signedIn();
    for (const channel of client.tab.channels) {
      for (const data of [{}, { over: 'ses_other' }, { answer: { session_id: client.session!.id, generation: 0 } }]) {
        channel.onmessage?.({ data } as MessageEvent);
      }
    }
    assert.equal(client.status, 'authenticated');
    assert.equal((await world.done(client.fetch(API))).status, 200);
  });
});

describe('signing out', () => {
  test('a session that the server ended in one tab ends in the others with the same reason', async () => {
    const world = new World();
    const [one, two] = [await world.signedIn(), world.tab()];
    await world.done(two.ready());
    world.script.push(() => problem(401, 'session_revoked', { reason: 'token_reused' }));
    await world.done(one.refresh().catch(() => {}));
    await world.pass(5);
    for (const { status, error } of [one.snapshot(), two.snapshot()]) {
      assert.equal(status, 'unauthenticated');
      assert.deepEqual([error?.code, error?.problem?.reason], ['session_revoked', 'token_reused']);
    }
  });
  test('local state is gone before the request is answered, here and in other tabs', async () => {
    const world = new World();
    const [one, two] = [await world.signedIn(), world.tab()];
    await world.done(two.ready());
    const names = heard(two);
    world.script.push(() => 'hang');
    void one.signOut();
    assert.equal(one.status, 'unauthenticated');
    await world.pass(5);
    assert.equal(two.status, 'unauthenticated');
    assert.deepEqual(names, ['signed_out']);
  });
  test('without channels, the event of the storage tells it', async () => {
    const world = new World();
    world.hasChannels = false;
    const [one, two] = [await world.signedIn(), world.tab()];
    await world.done(two.ready());
    await world.done(one.signOut());
    two.tab.wake('storage');
    assert.equal(two.status, 'unauthenticated');
  });
  for (const hasChannels of [true, false]) {
    for (const head of [0, 3, 6, 9, 12, 100]) {
      test(`R16 during a refresh, its answer ${head} ms before or after: signed out for good in every tab (channels ${hasChannels})`, async () => {
        const world = new World();
        world.hasChannels = hasChannels;
        const [one, two] = [await world.signedIn(), world.tab()];
        await world.done(two.ready());
        two.tab.delay = head;
        const late = [one.refresh(), two.refresh()].map((refresh) => refresh.catch(() => {}));
        await world.pass(head / 2);
        void one.signOut();
        await world.done(Promise.all(late));
        await world.pass(1000);
        two.tab.wake('storage');
        assert.deepEqual([one.status, two.status], ['unauthenticated', 'unauthenticated']);
        await world.pass(HOUR);
        const next = world.tab();
        await world.done(next.ready());
        assert.deepEqual([one.status, two.status, next.status], Array(3).fill('unauthenticated'));
      });
    }
  }
  test('with the network gone: signed out all the same, and the server hears of it at the next start', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.online = false;
    await world.done(client.signOut());
    assert.equal(client.status, 'unauthenticated');
    client.dispose();
    world.online = true;
    const next = world.tab();
    await world.pass(1000);
    assert.equal(next.status, 'unauthenticated');
    assert.equal(world.server.sessions.get('ses_1')?.revoked, 'logout');
    await world.done(next.signIn({ email: 'a', password: 'b' }));
    assert.equal(next.session?.id, 'ses_2');
  });
  test('the same where the hint cannot be read', async () => {
    const world = new World();
    world.hintIsReadable = false;
    const client = await world.signedIn();
    world.online = false;
    await world.done(client.signOut());
    world.online = true;
    client.dispose();
    const next = world.tab();
    await world.pass(1000);
    assert.equal(next.status, 'unauthenticated');
    assert.equal(world.server.sessions.get('ses_1')?.revoked, 'logout');
  });
  test('while signing in: the last word counts', async () => {
    const world = new World();
    const client = world.tab();
    client.tab.delay = 1000;
    const entering = client.signIn({ email: 'a', password: 'b' });
    await world.settle();
    client.tab.delay = 0;
    const leaving = client.signOut();
    await assert.rejects(world.done(entering), failsWith('signed_out'));
    await world.done(leaving);
    assert.equal(client.status, 'unauthenticated');
    assert.deepEqual(world.jar, {});
  });
  test('signing in again does not lose its cookie to the answer of the logout', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.delay = 2000;
    void client.signOut();
    await world.settle();
    client.tab.delay = 0;
    await world.done(client.signIn({ email: 'a', password: 'b' }));
    await world.pass(HOUR);
    assert.equal(client.session?.id, 'ses_2');
    assert.equal(client.snapshot().error, null);
  });
  test('one sign-out is one logout, however many tabs are open', async () => {
    const world = new World();
    const one = await world.signedIn();
    const tabs = [world.tab(), world.tab(), world.tab()];
    await world.done(Promise.all(tabs.map((tab) => tab.ready())));
    await world.done(one.signOut());
    await world.pass(1000);
    assert.equal(world.count('/auth/logout'), 1);
    assert.deepEqual([...new Set(tabs.map((tab) => tab.status))], ['unauthenticated']);
  });
  test('an old message of a session that was signed out of ends no other session', async () => {
    const world = new World();
    const [one, two] = [await world.signedIn(), world.tab()];
    await world.done(two.ready());
    let late: unknown;
    two.tab.channels[0]!.onmessage = ({ data }) => (late ??= data);
    const thaw = world.tab();
    await world.done(thaw.ready());
    await world.done(one.signOut());
    await world.done(one.signIn({ email: 'a', password: 'b' }));
    thaw.tab.channels[0]!.onmessage?.({ data: late } as MessageEvent);
    await world.pass(1000);
    assert.equal(world.count('/auth/logout'), 1);
    assert.equal(world.server.sessions.get('ses_2')?.revoked, undefined);
  });
  test('a logout that has to be tried again does not end who signed in elsewhere meanwhile', async () => {
    const world = new World();
    const [one, two] = [await world.signedIn(), world.tab()];
    await world.done(two.ready());
    world.script.push(() => html(502, { 'retry-after': '3' }));
    const leaving = one.signOut();
    await world.pass(100);
    await world.done(two.signIn({ email: 'a', password: 'b' }));
    await world.done(leaving);
    await world.pass(10_000);
    assert.equal(world.server.sessions.get('ses_2')?.revoked, undefined);
    assert.equal(two.status, 'authenticated');
  });
  test('but the same logout is tried again while its session is still in the jar', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push(() => html(502, { 'retry-after': '3' }));
    await world.done(client.signOut());
    assert.equal(world.server.sessions.get('ses_1')?.revoked, 'logout');
  });
  test('an older logout that ends does not let a sign-in overtake the newer one', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.delay = 500;
    void client.signOut();
    await world.settle();
    client.tab.delay = 2000;
    void client.signOut();
    await world.settle();
    client.tab.delay = 0;
    await world.pass(600);
    await world.done(client.signIn({ email: 'a', password: 'b' }));
    await world.pass(5000);
    assert.match(world.jar.hint ?? '', /^ses_2/);
  });
  test('everywhere, and from the others', async () => {
    const world = new World();
    const client = await world.signedIn();
    await world.done(signOutOthers(client));
    assert.equal(client.status, 'authenticated');
    assert.deepEqual(world.calls.at(-1)!.body, { keep_current: true });
    const all = signOutEverywhere(client);
    await world.settle();
    assert.equal(client.status, 'unauthenticated');
    await world.done(all);
    assert.deepEqual(world.calls.slice(-2).map((call) => call.path), ['/auth/logout-all', '/auth/logout']);
  });
  test('everywhere, with the server away: signed out here, and the error is told', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.online = false;
    await assert.rejects(world.done(signOutEverywhere(client)), failsWith('offline'));
    assert.equal(client.status, 'unauthenticated');
  });
});

describe('signing in and accounts', () => {
  test('what the server says is told by code', async () => {
    const world = new World();
    const client = world.tab();
    for (const [status, code] of [[401, 'invalid_credentials'], [403, 'email_not_verified']] as const) {
      world.script.push(() => problem(status, code));
      await assert.rejects(world.done(client.signIn({ email: 'a', password: 'b' })), failsWith(code));
    }
    world.script.push(() => problem(429, 'too_many_attempts', {}, { 'retry-after': '30' }));
    await assert.rejects(world.done(client.signIn({ email: 'a', password: 'b' })), (error: AuthError) => error.retryAfter === 30);
    assert.equal(client.snapshot().error, null);
  });
  test('a second factor is no error', async () => {
    const world = new World();
    const client = world.tab();
    world.script.push(() => problem(401, 'mfa_required', { mfa_token: 'm', methods: ['totp'] }));
    const result = await world.done(client.signIn({ email: 'a', password: 'b' }));
    assert.deepEqual(result, { status: 'mfa_required', mfaToken: 'm', methods: ['totp'] });
  });
  test('a code finishes what a password began, with what the first step chose', async () => {
    const world = new World();
    const client = world.tab();
    world.script.push(() => problem(401, 'mfa_required', { mfa_token: 'm', methods: ['totp'] }));
    await world.done(client.signIn({ email: 'a', password: 'b' }));
    const answer = { mfaToken: 'm', method: 'totp', code: '123456' } as const;
    for (const [status, code] of [[401, 'invalid_code'], [401, 'invalid_mfa_token']] as const) {
      world.script.push(() => problem(status, code));
      await assert.rejects(world.done(signInWithCode(client, answer)), failsWith(code));
      assert.equal(client.status, 'unauthenticated');
    }
    const session = await world.done(signInWithCode(client, answer));
    assert.deepEqual(world.calls.at(-1)!.body, { mfa_token: 'm', method: 'totp', code: '123456' });
    assert.equal(world.calls.at(-1)!.path, '/auth/mfa');
    assert.deepEqual([client.status, client.session?.id], ['authenticated', session.id]);
  });
  test('a missing or wrong code beside a right password leaves the session', async () => {
    const world = new World();
    const client = await world.signedIn();
    for (const code of ['code_required', 'wrong_code'] as const) {
      world.script.push(() => problem(403, code, { methods: ['totp'] }));
      const change = changePassword(client, { currentPassword: 'a', newPassword: 'b', code: '123456' });
      await assert.rejects(world.done(change), failsWith(code));
      assert.equal(client.session?.id, 'ses_1');
    }
    assert.equal(world.calls.at(-1)!.body['code'], '123456');
  });
  test('sign-up opens a session, or asks to look at the mail', async () => {
    const world = new World();
    const client = world.tab();
    world.script.push(() => new Response(null, { status: 202 }));
    assert.deepEqual(await world.done(signUp(client, { email: 'a', password: 'b' })), { status: 'check_mail' });
    const { status } = await world.done(signUp(client, { email: 'a', password: 'b', name: 'Ada', deviceName: 'desk' }));
    assert.equal(status, 'signed_in');
    assert.deepEqual(world.calls.at(-1)!.body, { email: 'a', password: 'b', name: 'Ada', transport: 'cookie', device_name: 'desk' });
  });
  test('a wrong password leaves the session that was there', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push(() => problem(401, 'invalid_credentials'));
    await assert.rejects(world.done(client.signIn({ email: 'a', password: 'b' })), failsWith('invalid_credentials'));
    assert.equal(client.session?.id, 'ses_1');
    await world.done(client.refresh());
  });
  test('a changed password is a new session of the same user; what was under way is sent again', async () => {
    const world = new World();
    const client = await world.signedIn();
    const names = heard(client);
    const session = await world.done(changePassword(client, { currentPassword: 'a', newPassword: 'b' }));
    assert.deepEqual([session.id, client.session?.id, names], ['ses_2', 'ses_2', ['token']]);
    world.script.push(() => problem(403, 'wrong_password'));
    await assert.rejects(world.done(changePassword(client, { currentPassword: 'x', newPassword: 'b' })), failsWith('wrong_password'));
    assert.equal(client.status, 'authenticated');
  });
  test('devices are listed and ended; the own one is a sign-out', async () => {
    const world = new World();
    const client = await world.signedIn();
    assert.deepEqual(await world.done(listSessions(client)), []);
    world.script.push(() => new Response(null, { status: 204 }));
    await world.done(revokeSession(client, 'ses_9'));
    assert.deepEqual([world.calls.at(-1)!.method, world.calls.at(-1)!.path], ['DELETE', '/auth/sessions/ses_9']);
    world.script.push(() => problem(404, 'not_found'));
    await assert.rejects(world.done(revokeSession(client, 'ses_8')), failsWith('not_found'));
    await world.done(revokeSession(client, client.session!.id));
    assert.equal(client.status, 'unauthenticated');
  });
  for (const isKnown of [true, false]) {
    test(`a refusal of the old session does not end the new one of another tab (known here: ${isKnown})`, async () => {
      const world = new World();
      const one = await world.signedIn();
      const two = world.tab();
      two.tab.delay = 3000;
      if (isKnown) await world.done(two.ready());
      const names = heard(two);
      world.script.push(() => problem(401, 'session_expired'));
      const late = two.refresh().catch((error: AuthError) => error);
      await world.pass(8);
      await world.done(one.signIn({ email: 'a', password: 'b' }));
      await world.done(late);
      await world.pass(5000);
      assert.equal(two.session?.id, 'ses_2');
      assert.equal(names.includes('expired'), false);
    });
  }
  test('a refresh that is refused meanwhile does not undo a sign-in', async () => {
    const world = new World();
    world.hintIsReadable = false;
    const client = world.tab();
    client.tab.delay = 3000;
    const entering = client.signIn({ email: 'a', password: 'b' });
    await world.settle();
    client.tab.delay = 0;
    assert.equal((await world.done(entering)).status, 'signed_in');
    assert.ok(world.count('/auth/refresh'));
  });
  test('who waited for a refresh that a failed sign-in has cut short is not answered the old token', async () => {
    const world = new World();
    const client = await world.signedIn();
    const before = await client.getToken();
    client.tab.delay = 500;
    const waiting = client.refresh({ reason: 'role_changed' }).then(() => client.getToken()).catch((error: unknown) => error);
    await world.pass(20);
    client.tab.delay = 0;
    world.script.push(() => problem(401, 'invalid_credentials'));
    await assert.rejects(world.done(client.signIn({ email: 'a', password: 'b' })), failsWith('invalid_credentials'));
    assert.notEqual(await world.done(waiting), before);
    assert.equal(client.status, 'authenticated');
    await world.done(client.refresh());
  });
  test('a token of the old session that another tab tells of does not undo a sign-in', async () => {
    const world = new World();
    const [one, two] = [await world.signedIn(), world.tab()];
    two.tab.delay = 1000;
    const entering = two.signIn({ email: 'a', password: 'b' });
    await world.pass(20);
    await world.done(one.refresh());
    assert.equal((await world.done(entering)).status, 'signed_in');
    assert.equal(two.session?.id, 'ses_2');
  });
  test('an old session’s late refresh does not come over the new one', async () => {
    const world = new World();
    const client = await world.signedIn();
    client.tab.delay = 3000;
    const late = client.refresh().catch((error: AuthError) => error);
    await world.settle();
    client.tab.delay = 0;
    await world.done(client.signIn({ email: 'a', password: 'b' }));
    await world.done(late);
    await world.pass(HOUR);
    assert.equal(client.session?.id, 'ses_2');
    assert.equal(client.status, 'authenticated');
  });
});

describe('being told', () => {
  test('the snapshot is the same object until something changes', async () => {
    const world = new World();
    const client = await world.signedIn();
    const before = client.snapshot();
    await world.done(client.getToken());
    assert.equal(client.snapshot(), before);
    let changes = 0;
    const stop = client.subscribe(() => changes++);
    await world.done(client.refresh());
    assert.notEqual(client.snapshot(), before);
    stop();
    await world.done(client.refresh());
    assert.equal(changes, 1);
  });
  test('after dispose nothing runs any more', async () => {
    const world = new World();
    const client = await world.signedIn();
    const names = heard(client);
    client.dispose();
    await world.pass(HOUR);
    assert.deepEqual([world.calls.length, names, client.tab.channels.length], [1, [], 0]);
  });
  test('nobody waits for ever for a client that was disposed of', async () => {
    const world = new World();
    (await world.signedIn()).dispose();
    world.script.push(() => 'hang');
    const client = world.tab();
    const before = client.ready();
    client.dispose();
    for (const ready of [before, client.ready()]) assert.equal((await world.done(ready, 1000)).status, 'loading');
  });
  test('no token is in the snapshot, in storage or in an error', async () => {
    const world = new World();
    const client = await world.signedIn();
    world.script.push(() => html(502), () => html(502), () => html(502));
    const error = await world.done(client.refresh().catch((error: unknown) => error));
    const seen = JSON.stringify([client.snapshot(), [...world.storage], error, String(error)]);
    assert.doesNotMatch(seen, /at-\d|ses_1:/);
  });
});
