/** One short life of the built package against a real server, in whatever runtime it is: `smoke.js URL`, with `--test-clock`. */

import { AuthError, bodyTransport, createClient, listSessions, signUp } from '../../dist/index.js';

const url = (globalThis.Deno?.args ?? process.argv.slice(2))[0];
const kept = new Map();
const transport = bodyTransport({
  get: async (key) => kept.get(key) ?? null,
  set: async (key, value) => void kept.set(key, value),
  remove: async (key) => void kept.delete(key),
});
const make = () => createClient({ url: `${url}/auth`, transport });
const expect = (isSo, what) => {
  if (!isSo) throw new Error(what);
};
const advance = (seconds) =>
  fetch(`${url}/dev/clock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ advance_seconds: seconds }),
  });

const first = make();
expect((await first.ready()).status === 'unauthenticated', 'nobody is here at first');
const email = `smoke-${Date.now()}-${Math.floor(Math.random() * 1e9)}@example.com`;
await signUp(first, { email, password: 'correct horse battery' });
expect(first.session?.user.email === email, 'signed up');
expect((await first.fetch(`${url}/auth/me`)).status === 200, 'a call with a token');
await advance(3600);
const answers = await Promise.all(Array.from({ length: 20 }, () => first.fetch(`${url}/auth/me`)));
expect(answers.every(({ status }) => status === 200), 'expired in between, and nobody noticed');
expect(first.session.generation === 2, 'one refresh for twenty calls');
await advance(3600);
const headers = { 'content-type': 'application/json' };
const request = new Request(`${url}/auth/logout-all`, { method: 'POST', headers, body: JSON.stringify({ keep_current: true }) });
expect((await first.fetch(request)).status === 200, 'a Request with a body is sent again');
expect(first.session.generation === 3, 'after a refresh');
first.dispose();

const second = make();
expect((await second.ready()).status === 'authenticated', 'a new start finds the session');
expect((await listSessions(second)).length === 1, 'its devices');
await second.signOut();
expect(kept.size === 0, 'nothing is left of it');
const error = await second.getToken().catch((error) => error);
expect(error instanceof AuthError && error.code === 'signed_out', 'and nobody is here');
// Not disposed of: an idle client keeps no process alive.
console.log('smoke: ok');
