/** The client against the real server, in Node, by the body transport; the server's clock is moved. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { changePassword, listSessions, signOutEverywhere, signUp } from '../src/account.js';
import { createClient } from '../src/client.js';
import type { AuthError } from '../src/errors.js';
import { bodyTransport } from '../src/transport.js';
import type { Client, TokenStorage } from '../src/types.js';

const binary = process.env['RELATCH_BIN'] ?? '../target/debug/relatch';
const ada = { email: 'ada@example.com', password: 'correct horse battery' };

class Memory implements TokenStorage {
  readonly files = new Map<string, string>();
  get = (key: string) => this.files.get(key) ?? null;
  set = (key: string, value: string) => void this.files.set(key, value);
  remove = (key: string) => void this.files.delete(key);
}

describe('the real server', { skip: !existsSync(binary) && `there is no ${binary}` }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'relatch-client-'));
  const clients: Client[] = [];
  let server: ChildProcess;
  let origin = '';

  before(async () => {
    const settings = ['tokens.access_seconds=120', 'limits.login_failures_per_account_max=1000'];
    const more = settings.flatMap((setting) => ['--set', setting]);
    // The server takes every `RELATCH_…` for a setting.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RELATCH_')));
    server = spawn(binary, ['dev', '--listen', '127.0.0.1:0', '--data', folder, '--test-clock', ...more], { env });
    origin = await new Promise((resolve, reject) => {
      let text = '';
      const hear = (part: Buffer) => {
        text += part.toString();
        const url = /Relatch runs on (\S+)/.exec(text)?.[1];
        if (url) resolve(url);
      };
      server.stdout?.on('data', hear);
      server.stderr?.on('data', hear);
      server.on('exit', () => reject(new Error(text)));
    });
  });

  after(() => {
    for (const client of clients) client.dispose();
    server.removeAllListeners('exit');
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const make = (storage: TokenStorage = new Memory(), via?: typeof fetch): Client => {
    const client = createClient({ url: `${origin}/auth`, transport: bodyTransport(storage), ...(via && { fetch: via }) });
    clients.push(client);
    return client;
  };
  const advance = (seconds: number) =>
    fetch(`${origin}/dev/clock`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ advance_seconds: seconds }),
    });
  const me = async (client: Client) => (await client.fetch(`${origin}/auth/me`)).status;

  test('signs in, is served, survives expiry, and signs out for good', async () => {
    const storage = new Memory();
    const client = make(storage);
    assert.equal((await client.ready()).status, 'unauthenticated');
    const result = await client.signIn({ ...ada, deviceName: 'test' });
    assert.equal(result.status, 'signed_in');
    assert.equal(await me(client), 200);
    await advance(1000);
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => me(client))), Array(20).fill(200));
    assert.equal(client.session?.generation, 2);
    const again = make(storage);
    assert.equal((await again.ready()).status, 'authenticated');
    await again.signOut();
    assert.equal(storage.files.size, 0);
    await assert.rejects(client.refresh(), (error: AuthError) => /signed_out|session_revoked/.test(error.code));
    assert.equal(client.status, 'unauthenticated');
  });

  test('a lost answer, hours ago: the attempt id brings the same child', async () => {
    const storage = new Memory();
    let loses = false;
    const client = make(storage, async (input, init) => {
      const answer = await fetch(input, init);
      if (loses) throw new TypeError('lost');
      return answer;
    });
    await client.signIn(ada);
    loses = true;
    await assert.rejects(client.refresh(), (error: AuthError) => error.code === 'network');
    client.dispose();
    await advance(8 * 3600);
    const next = make(storage);
    assert.equal((await next.ready()).status, 'authenticated');
    assert.equal(await me(next), 200);
  });

  test('a copied token is found out, and the reason told', async () => {
    const storage = new Memory();
    const client = make(storage);
    await client.signIn(ada);
    const thief = new Memory();
    for (const [key, value] of storage.files) thief.set(key, value);
    await client.refresh();
    await advance(60);
    await client.refresh();
    await advance(60);
    const copy = make(thief);
    const stolen = await copy.ready();
    assert.equal(stolen.error?.code, 'reuse_detected');
    await assert.rejects(client.refresh(), (error: AuthError) => error.code === 'session_revoked');
    assert.equal(client.snapshot().error?.problem?.reason, 'token_reused');
  });

  test('errors have their codes; devices are listed; a changed password is a new session', async () => {
    const client = make();
    const email = `eve-${Date.now()}@example.com`;
    await assert.rejects(client.signIn({ ...ada, password: 'no' }), (error: AuthError) => error.code === 'invalid_credentials');
    await assert.rejects(signUp(client, ada), (error: AuthError) => error.code === 'email_taken');
    await assert.rejects(signUp(client, { email, password: '1' }), (error: AuthError) => error.code === 'validation_failed');
    assert.equal((await signUp(client, { email, password: ada.password, name: 'Eve' })).status, 'signed_in');
    const [device] = await listSessions(client);
    assert.deepEqual([device?.current, device?.id], [true, client.session?.id]);
    const wrong = changePassword(client, { currentPassword: 'no', newPassword: 'another horse battery' });
    await assert.rejects(wrong, (error: AuthError) => error.code === 'wrong_password');
    const old = client.session?.id;
    const session = await changePassword(client, { currentPassword: ada.password, newPassword: 'another horse battery' });
    assert.notEqual(session.id, old);
    assert.equal(await me(client), 200);
    await signOutEverywhere(client);
    assert.equal(client.status, 'unauthenticated');
  });
});
