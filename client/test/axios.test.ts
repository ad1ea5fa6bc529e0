/** `relatch/axios`: real axios over a real socket, on a client whose refreshes are counted. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import { Readable } from 'node:stream';
import axios, { type AxiosError, type AxiosInstance } from 'axios';
import { attachAxios } from '../src/axios.js';
import { createClient } from '../src/index.js';
import { createClock, createFakeBrowser, createFakeServer } from '../src/testing.js';
import type { Client } from '../src/types.js';

type Seen = { authorization: string | undefined; body: string; type: string | undefined };
type Answer = (seen: Seen, count: number) => { status: number; headers?: Record<string, string> } | number;

/** An API, a client with token `t0`, and an instance attached to it. */
async function world(answer: Answer, run: (w: World) => Promise<void>): Promise<void> {
  const seen: Seen[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const one = { authorization: request.headers.authorization, body, type: request.headers['content-type'] };
    seen.push(one);
    const told = answer(one, seen.length);
    const { status, headers } = typeof told === 'number' ? { status: told, headers: {} } : told;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ body }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const fake = fakeClient(origin);
  const api = axios.create({ baseURL: `${origin}/v1` });
  const eject = attachAxios(api, fake.client);
  try {
    await run({ api, seen, origin, eject, fake });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
type World = { api: AxiosInstance; seen: Seen[]; origin: string; eject: () => void; fake: ReturnType<typeof fakeClient> };

/** The little that the adapter asks of a client, by the same promises. */
function fakeClient(origin: string) {
  const fake = {
    token: 't0' as string | null,
    refreshes: 0,
    asked: [] as (number | undefined)[],
    error: { name: 'AuthError', code: 'signed_out', retryable: false } as object,
    refreshFails: false,
    user: 'ada',
    /** Of the last refresh: until the next attempt nobody else asks. */
    failure: null as object | null,
    client: {
      get session() {
        return { user: { id: fake.user } };
      },
      snapshot: () => ({ error: fake.failure }),
      allows: (url: string | URL) => new URL(url, 'http://page.test').origin === origin,
      async getToken(options?: { minValidity?: number }) {
        fake.asked.push(options?.minValidity);
        if (!fake.token) throw fake.error;
        return fake.token;
      },
      refresh(options?: { signal?: AbortSignal }) {
        const aborted = new Promise((_, no) => options?.signal?.addEventListener('abort', () => no(options.signal?.reason)));
        return Promise.race([aborted, (pending ??= (async () => {
          await new Promise((done) => setTimeout(done, 20));
          pending = undefined;
          if (fake.refreshFails) throw { name: 'AuthError', code: 'network', retryable: true };
          fake.refreshes += 1;
          fake.token = `t${fake.refreshes}`;
        })())]);
      },
    } as unknown as Client,
  };
  let pending: Promise<void> | undefined;
  return fake;
}

const accepts = (token: string): Answer => (seen) => (seen.authorization === `Bearer ${token}` ? 200 : 401);
const statusOf = (promise: Promise<unknown>) =>
  promise.then((r) => (r as { status: number }).status, (e) => e.response?.status ?? e.code);

test('the token goes where the origins allow it, and nowhere else', () =>
  world(() => 200, async ({ api, seen, origin }) => {
    await api.get('/x');
    await api.get('http://' + origin.slice(7).replace('127.0.0.1', 'localhost') + '/v1/x').catch(() => {});
    await api.get('/x', { skipAuth: true });
    await api.get('/x', { headers: { Authorization: 'Basic abc' } });
    assert.deepEqual(
      seen.map((one) => one.authorization).filter((value) => value !== undefined),
      ['Bearer t0', 'Basic abc'],
    );
  }));

test('an interceptor that turns a request elsewhere takes no token along, and none is sent after it', () =>
  world(() => 401, async ({ seen, origin, fake }) => {
    const elsewhere = 'http://' + origin.slice(7).replace('127.0.0.1', 'localhost');
    for (const change of [{ baseURL: elsewhere }, { url: elsewhere + '/v1/x' }]) {
      const api = axios.create({ baseURL: origin });
      // Registered before, so it runs after ours.
      api.interceptors.request.use((config) => Object.assign(config, change));
      attachAxios(api, fake.client);
      assert.equal(await statusOf(api.get('/x')), 401);
      const own = axios.create({ baseURL: origin });
      own.interceptors.request.use((config) => (config.headers.set('Authorization', 'Basic abc'), Object.assign(config, change)));
      attachAxios(own, fake.client);
      assert.equal(await statusOf(own.get('/x')), 401);
    }
    const [none, basic] = [undefined, 'Basic abc'];
    assert.deepEqual(seen.map((one) => one.authorization), [none, basic, none, basic]);
    assert.equal(fake.refreshes, 0);
  }));

test('fifty parallel 401s make one refresh and fifty answers', () =>
  world(accepts('t1'), async ({ api, seen, fake }) => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => api.post('/x', { i })));
    assert.equal(fake.refreshes, 1);
    assert.deepEqual(answers.map((a) => JSON.parse(a.data.body).i), Array.from({ length: 50 }, (_, i) => i));
    assert.ok(answers.every((a) => a.status === 200));
    assert.equal(seen.length, 100);
  }));

test('a late 401 of an old token is retried without another refresh', () =>
  world(
    (seen) => (seen.authorization === 'Bearer t9' ? 200 : 401),
    async ({ api, fake }) => {
      const call = api.get('/x');
      setTimeout(() => (fake.token = 't9'), 0);
      await new Promise((done) => setTimeout(done, 0));
      assert.equal(await statusOf(call), 200);
      assert.equal(fake.refreshes, 0);
    },
  ));

test('a second 401 is final', () =>
  world(() => 401, async ({ api, seen, fake }) => {
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.deepEqual([seen.length, fake.refreshes], [2, 1]);
    // Where the caller takes a 401 for a success, the same holds.
    assert.equal(await statusOf(api.get('/x', { validateStatus: () => true })), 401);
    assert.deepEqual([seen.length, fake.refreshes], [4, 2]);
  }));

test('403, 500 and a 401 for another reason are left alone', async () => {
  for (const status of [403, 500]) {
    await world(() => status, async ({ api, fake, seen }) => {
      assert.equal(await statusOf(api.get('/x')), status);
      assert.deepEqual([seen.length, fake.refreshes], [1, 0]);
    });
  }
  const challenge = (error: string) => ({ status: 401, headers: { 'www-authenticate': `Bearer error="${error}"` } });
  await world(() => challenge('insufficient_user_authentication'), async ({ api, fake }) => {
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.equal(fake.refreshes, 0);
  });
  await world((seen) => (seen.authorization === 'Bearer t1' ? 200 : challenge('invalid_token')), async ({ api }) => {
    assert.equal(await statusOf(api.get('/x')), 200);
  });
});

test('the body that is sent again is the one that was sent', () =>
  world(accepts('t1'), async ({ api, seen, fake }) => {
    const bodies: unknown[] = [{ a: 1 }, '"text"', new URLSearchParams({ q: '1' }), Buffer.from('bytes'), form()];
    for (const body of bodies) {
      fake.token = 't0';
      fake.refreshes = 0;
      seen.length = 0;
      const transformRequest = [(data: unknown) => (typeof data === 'object' && data && 'a' in data ? 'once' : data)];
      const options = typeof body === 'object' && 'a' in (body as object) ? { transformRequest } : {};
      assert.equal(await statusOf(api.post('/x', body, options)), 200);
      assert.equal(seen.length, 2);
      assert.ok(seen[0]?.body);
      // Every form draws a boundary of its own.
      const [first, second] = seen.map((one) => `${one.type}\n${one.body}`.replaceAll(/boundary-[-\w]{25}/g, ''));
      assert.equal(second, first);
    }
  }));

test('a request is never repeated in the name of somebody else', () =>
  world(accepts('t1'), async ({ api, seen, fake }) => {
    const call = statusOf(api.get('/x'));
    setTimeout(() => Object.assign(fake, { token: 't1', user: 'bob' }), 0);
    assert.equal(await call, 401);
    assert.equal(seen.length, 1);
  }));

test('a log of a failed call shows the token in the header alone, where it can be struck out', () =>
  world(() => 500, async ({ api }) => {
    const error = await api.get('/x').then(() => assert.fail(), (error) => error);
    const { headers, ...rest } = (error as AxiosError).toJSON() as { config: { headers: object } } & { headers?: never };
    assert.equal(headers, undefined);
    assert.doesNotMatch(JSON.stringify({ ...rest, config: { ...rest.config, headers: {} } }), /t0/);
    assert.match(JSON.stringify(rest.config.headers), /Bearer t0/);
  }));

test('a stream is never sent twice, and gets a token that lasts', () =>
  world(accepts('t1'), async ({ api, seen, fake }) => {
    assert.equal(await statusOf(api.post('/x', Readable.from(['a', 'b']))), 401);
    assert.deepEqual([seen.length, fake.refreshes, fake.asked], [1, 0, [60]]);
  }));

test('a request of one user never leaves with the token of another', () =>
  world(() => 200, async ({ api, seen, fake }) => {
    const { getToken } = fake.client;
    fake.client.getToken = (options) => new Promise((done) => setTimeout(() => done(getToken(options)), 10));
    const call = api.get('/x');
    setTimeout(() => Object.assign(fake, { token: 't1', user: 'bob' }), 0);
    await assert.rejects(call, { name: 'AuthError', code: 'signed_out' });
    // Nor does a config of his that is sent anew.
    const { config } = await api.get('/x');
    Object.assign(fake, { token: 't2', user: 'ada' });
    await assert.rejects(api.request(config), { code: 'signed_out' });
    assert.deepEqual(seen.map((one) => one.authorization), ['Bearer t1']);
    // Who opens a page is nobody until the client knows.
    fake.user = undefined as never;
    const first = api.get('/x');
    setTimeout(() => (fake.user = 'ada'), 0);
    assert.equal((await first).status, 200);
  }));

test('a config that is sent anew has its stale header replaced', () =>
  world(accepts('t2'), async ({ api, fake }) => {
    const error = await api.get('/x').then(() => assert.fail(), (error) => error);
    assert.equal(fake.token, 't1');
    fake.token = 't2';
    assert.equal(await statusOf(api.request(error.config)), 200);
    fake.token = null;
    const anonymous = await api.request(error.config).catch((error) => error);
    assert.equal(anonymous.config.headers.Authorization, undefined);
  }));

test('interceptors of the app see a request and its answer once', () =>
  world(accepts('t1'), async ({ api }) => {
    const calls: string[] = [];
    api.interceptors.request.use((config) => (calls.push('request'), config));
    api.interceptors.response.use((response) => (calls.push('response'), response.data));
    assert.deepEqual(await api.get('/x'), { body: '' });
    assert.deepEqual(calls, ['request', 'response']);
  }));

test('nobody signed in: the API answers; no way to the token: the call fails and nothing is sent bare', () =>
  world((seen) => (seen.authorization ? 200 : 401), async ({ api, seen, fake }) => {
    fake.token = null;
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.deepEqual([seen.length, fake.refreshes], [1, 0]);
    fake.error = { name: 'AuthError', code: 'offline', retryable: true };
    await assert.rejects(api.get('/x'), { code: 'offline' });
    assert.equal(seen.length, 1);
  }));

test('a refresh that fails hands back the first 401', () =>
  world(() => 401, async ({ api, seen, fake }) => {
    fake.refreshFails = true;
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.equal(seen.length, 1);
  }));

test('while a refresh has just failed, a 401 is handed back at once', () => {
  let meanwhile = () => {};
  const answer: Answer = (...asked) => (meanwhile(), accepts('t5')(...asked));
  return world(answer, async ({ api, fake }) => {
    fake.failure = { name: 'AuthError', code: 'network', retryable: true };
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.equal(fake.refreshes, 0);
    // A token that somebody else got meanwhile is as good as ever.
    meanwhile = () => (fake.token = 't5');
    assert.equal(await statusOf(api.get('/x')), 200);
    meanwhile = () => {};
    Object.assign(fake, { failure: null, token: 't0' });
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.equal(fake.refreshes, 1);
  });
});

test('an aborted call stays aborted', () =>
  world(accepts('t1'), async ({ api }) => {
    const abort = new AbortController();
    const call = statusOf(api.get('/x', { signal: abort.signal }));
    setTimeout(() => abort.abort(), 25);
    assert.equal(await call, 'ERR_CANCELED');
  }));

test('detached, the instance is as before', () =>
  world(() => 401, async ({ api, seen, eject, fake }) => {
    eject();
    assert.equal(await statusOf(api.get('/x')), 401);
    assert.deepEqual([seen.length, seen[0]?.authorization, fake.refreshes], [1, undefined, 0]);
  }));

function form(): FormData {
  const form = new FormData();
  form.set('field', 'value');
  return form;
}

test('with the real client: fifty parallel 401s make one refresh', async () => {
  const clock = createClock();
  let refused = '';
  const api = (request: Request) => {
    const given = request.headers.get('authorization') ?? '';
    refused ||= given;
    return new Response('{}', { status: given === refused ? 401 : 200 });
  };
  const server = createFakeServer({ clock, api });
  server.addUser('ada@example.com', 'correct horse battery');
  const { environment } = createFakeBrowser({ clock, server }).openTab();
  const client = createClient({ environment });
  await client.signIn({ email: 'ada@example.com', password: 'correct horse battery' });
  const instance = axios.create({ baseURL: server.origin, adapter: 'fetch', env: { fetch: environment.fetch } });
  attachAxios(instance, client);
  const calls = Promise.all(Array.from({ length: 50 }, (_, i) => instance.post(`/api/${i}`, { i })));
  await clock.advance(1000);
  assert.ok((await calls).every(({ status }) => status === 200));
  assert.equal(server.log.filter((line) => line === 'POST /auth/refresh 200').length, 1);
  assert.equal(server.log.filter((line) => line.startsWith('POST /api')).length, 100);
});
