/** The real server, as a program that is started, stopped and started again, and whose time can be moved. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The program that is tried: `RELATCH_BIN`, else the debug build. */
const PROGRAM = process.env.RELATCH_BIN ?? fileURLToPath(new URL('../../../target/debug/relatch', import.meta.url));

export class Server {
  /** Everything it has written, over all its lives. */
  log = '';
  #settings;
  #folder;
  #program;
  #port = 0;
  #aheadSeconds = 0;

  /** Starts one over an empty folder, with settings as `--set` takes them. */
  static async start(settings = []) {
    const server = new Server();
    server.#settings = [...CHEAP, ...settings];
    server.#folder = await mkdtemp(join(tmpdir(), 'relatch-browser-'));
    await server.startAgain();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get isRunning() {
    return this.#program.exitCode === null && this.#program.signalCode === null;
  }

  /** Starts it again, where it was and with the time it had. */
  async startAgain() {
    const listen = ['--listen', `127.0.0.1:${this.#port}`, '--data', this.#folder, '--test-clock'];
    const settings = this.#settings.flatMap((setting) => ['--set', setting]);
    const from = this.log.length;
    // What begins with RELATCH_ is a setting to it.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RELATCH')));
    this.#program = spawn(PROGRAM, ['dev', ...listen, ...settings], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const pipe of [this.#program.stdout, this.#program.stderr]) {
      pipe.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
    const says = () => /^Relatch runs on http:\/\/localhost:(\d+)/m.exec(this.log.slice(from));
    for (const deadline = Date.now() + START_MS_MAX; !says(); await sleep(20)) {
      if (!this.isRunning || Date.now() > deadline) throw new Error(`${PROGRAM} did not start, but said:\n${this.log.slice(from)}`);
    }
    this.#port = Number(says()[1]);
    const ahead = this.#aheadSeconds;
    this.#aheadSeconds = 0;
    await this.advance(ahead);
  }

  /** Ends it at once, as a power cut does. */
  async kill() {
    if (!this.isRunning) return;
    const gone = once(this.#program, 'exit');
    this.#program.kill('SIGKILL');
    await gone;
  }

  /** Moves its time forward. */
  async advance(seconds) {
    this.#aheadSeconds += seconds;
    if (seconds > 0) await this.post('/dev/clock', { advance_seconds: seconds });
  }

  /** The time as it sees it, in Unix milliseconds. */
  now() {
    return Date.now() + this.#aheadSeconds * 1000;
  }

  /** Asks it behind the network's back; answers the JSON. */
  async post(path, body, headers = {}) {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers } };
    const answer = await fetch(this.url + path, { ...init, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  async end() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Passwords cost nothing here and a thousand logins from one address are no attack: neither is what is tried. */
const CHEAP = [
  'passwords.argon2.danger_cheap=true',
  'passwords.argon2.memory_kib=64',
  'passwords.argon2.iterations=1',
  'limits.login_failures_per_address_max=1000000',
  'limits.signups_per_address_max=1000000',
];
const START_MS_MAX = 30_000;
