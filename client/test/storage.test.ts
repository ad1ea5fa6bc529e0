/** The body transport: killed at any instant, and nothing is lost. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TokenStorage } from '../src/types.js';
import { AuthError } from '../src/errors.js';
import { bodyTransport } from '../src/transport.js';
import { World } from './support/world.js';

const HOUR = 3_600_000;

/** A storage that survives the process, and dies with it before or after its n-th operation. */
class Disk implements TokenStorage {
  readonly files = new Map<string, string>();
  log: string[] = [];
  killAt = Infinity;
  /** Whether the fatal operation is still done. */
  isDone = false;

  private async step<T>(name: string, run: () => T): Promise<T> {
    await Promise.resolve();
    if (this.log.length >= this.killAt) {
      if (this.isDone && this.log.length === this.killAt) run();
      this.log.push(`killed in ${name}`);
      return new Promise(() => {});
    }
    this.log.push(name);
    return run();
  }
  get(key: string): Promise<string | null> {
    return this.step('get', () => this.files.get(key) ?? null);
  }
  set(key: string, value: string): Promise<void> {
    return this.step(`set ${value.includes(' ') ? 'attempt' : 'token'}`, () => void this.files.set(key, value));
  }
  remove(key: string): Promise<void> {
    return this.step('remove', () => void this.files.delete(key));
  }
}

describe('R5 the body transport', () => {
  test('attempt id before the request, token before its use, both in the storage and nowhere else', async () => {
    const [world, storage] = [new World(), new Disk()];
    const client = await world.signedIn({ transport: bodyTransport(storage) });
    storage.log = [];
    const seen: string[] = [];
    world.script.push((_, own) => {
      seen.push(...storage.log);
      return own();
    });
    await world.done(client.refresh());
    assert.deepEqual(seen, ['get', 'set attempt']);
    assert.deepEqual(storage.log, ['get', 'set attempt', 'set token']);
    assert.match([...storage.files.values()].join(), /^ses_1:2:\S+$/);
    assert.deepEqual(world.jar, {});
    assert.match(String(world.calls.at(-1)!.body['refresh_token']), /^ses_1:1:/);
    assert.doesNotMatch(JSON.stringify([...world.storage, client.snapshot()]), /ses_1:/);
  });

  for (let killAt = 0; killAt < 4; killAt++) {
    for (const isDone of [false, true]) {
      for (const answer of ['heard', 'lost'] as const) {
        test(`killed ${isDone ? 'after' : 'before'} its storage operation ${killAt}, the answer ${answer}: signed in at the next start`, async () => {
          const [world, storage] = [new World(), new Disk()];
          const client = await world.signedIn({ transport: bodyTransport(storage) });
          await world.pass(60_000);
          Object.assign(storage, { log: [], killAt, isDone });
          if (answer === 'lost') world.script.push((_, own) => (own(), 'hang'));
          const refresh = client.refresh().catch(() => {});
          await world.pass(200);
          client.dispose();
          await world.done(refresh);
          world.script.length = 0;
          await world.pass(8 * HOUR);
          Object.assign(storage, { log: [], killAt: Infinity });
          const next = world.tab({ transport: bodyTransport(storage) });
          await world.done(next.ready());
          assert.equal(next.status, 'authenticated');
          await world.pass(HOUR);
          assert.equal(next.snapshot().error, null);
        });
      }
    }
  }

  test('killed between any two of many refreshes', async () => {
    const [world, storage] = [new World(), new Disk()];
    (await world.signedIn({ transport: bodyTransport(storage) })).dispose();
    for (let round = 0; round < 60; round++) {
      await world.pass(60_000 + world.random() * HOUR);
      Object.assign(storage, { log: [], killAt: Math.floor(world.random() * 5), isDone: world.random() < 0.5 });
      const client = world.tab({ transport: bodyTransport(storage) });
      void client.ready();
      await world.pass(world.random() * 30);
      client.dispose();
    }
    Object.assign(storage, { log: [], killAt: Infinity });
    const last = world.tab({ transport: bodyTransport(storage) });
    assert.equal((await world.done(last.ready())).status, 'authenticated');
  });

  test('nothing stored: nobody is there, and no request is made', async () => {
    const world = new World();
    const client = world.tab({ transport: bodyTransport(new Disk()) });
    assert.equal((await world.done(client.ready())).status, 'unauthenticated');
    assert.equal(world.calls.length, 0);
  });

  test('signing out removes the token and tells the server', async () => {
    const [world, storage] = [new World(), new Disk()];
    const client = await world.signedIn({ transport: bodyTransport(storage) });
    await world.done(client.signOut());
    assert.equal(storage.files.size, 0);
    assert.equal(world.server.sessions.get('ses_1')?.revoked, 'logout');
  });

  test('signing out during a refresh: the late token is not stored', async () => {
    for (const head of [0, 3, 6, 9, 12]) {
      const [world, storage] = [new World(), new Disk()];
      const client = await world.signedIn({ transport: bodyTransport(storage) });
      const late = client.refresh().catch(() => {});
      await world.pass(head);
      await world.done(client.signOut());
      await world.done(late);
      await world.pass(1000);
      assert.deepEqual([client.status, storage.files.size], ['unauthenticated', 0], `${head}`);
    }
  });

  test('a storage that takes its time does not bring an old token back over a sign-in', async () => {
    const [world, storage] = [new World(), new Disk()];
    const client = await world.signedIn({ transport: bodyTransport(storage) });
    const { get } = storage;
    let slow = 1;
    storage.get = async (key) => {
      const value = await get.call(storage, key);
      if (slow-- > 0) await world.wait(2000);
      return value;
    };
    const late = client.refresh().catch(() => {});
    await world.pass(10);
    await world.done(client.signIn({ email: 'a', password: 'b' }));
    await world.done(late);
    await world.pass(5000);
    assert.match([...storage.files.values()].join(), /^ses_2:/);
    assert.equal(client.session?.id, 'ses_2');
  });
  for (const isRestart of [true, false]) {
    test(`signing out while the new token is being stored is for good (at a ${isRestart ? 'start' : 'sign-in'})`, async () => {
      const [world, storage] = [new World(), new Disk()];
      if (isRestart) (await world.signedIn({ transport: bodyTransport(storage) })).dispose();
      // As on a phone after a restart: nothing remembers which session that was.
      world.storage.clear();
      const { set } = storage;
      storage.set = async (key, value) => (await set.call(storage, key, value), value.includes(' ') || world.wait(500)) as unknown as undefined;
      const client = world.tab({ transport: bodyTransport(storage) });
      if (!isRestart) client.signIn({ email: 'a', password: 'b' }).catch(() => {});
      await world.pass(100);
      await world.done(client.signOut());
      await world.pass(5000);
      assert.deepEqual([client.status, storage.files.size], ['unauthenticated', 0]);
    });
  }
  test('a refused token is removed, and the end is told', async () => {
    const [world, storage] = [new World(), new Disk()];
    const client = await world.signedIn({ transport: bodyTransport(storage) });
    world.server.sessions.get('ses_1')!.revoked = 'password_changed';
    await assert.rejects(world.done(client.refresh()), (error: AuthError) => error.code === 'session_revoked');
    assert.equal(storage.files.size, 0);
  });

  test('a storage that hangs is an error that passes, not a client that hangs', async () => {
    const [world, storage] = [new World(), new Disk()];
    const client = await world.signedIn({ transport: bodyTransport(storage) });
    storage.killAt = 0;
    await assert.rejects(world.done(client.refresh()), (error: AuthError) => error.code === 'timeout');
    storage.killAt = Infinity;
    await world.pass(60_000);
    assert.deepEqual([client.status, client.snapshot().error], ['authenticated', null]);
  });

  test('a storage that can’t be written keeps the session', async () => {
    const [world, storage] = [new World(), new Disk()];
    const client = await world.signedIn({ transport: bodyTransport(storage) });
    const { set } = storage;
    storage.set = () => Promise.reject(new Error('full'));
    await assert.rejects(world.done(client.refresh()), (error: AuthError) => error.retryable);
    storage.set = set;
    await world.pass(60_000);
    assert.deepEqual([client.status, client.snapshot().error], ['authenticated', null]);
  });
});
