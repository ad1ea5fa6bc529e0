/** The network between browser and server: one origin that serves the test page too, and fails on purpose. */

import http from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { sleep } from './server.js';

/** No wind: everything arrives, at once and in order. */
export const CALM = { delayMs: [0, 0], lost: 0, failed: 0 };

export class Network {
  /**
   * What happens to requests under `/auth` and `/api`: each waits somewhere in `delayMs` on its way there and again
   * on its way back, so that requests and answers overtake each other; of `lost` the server's answer never arrives;
   * `failed` are answered 502 in the server's stead.
   */
  weather = CALM;
  /** While true, nothing gets through, and whatever is open breaks. */
  isCut = false;
  /** What was asked: `{ method, path, status, fate }`, where `fate` is what the weather did. */
  requests = [];
  /** Every token and every device cookie that passed by: what no script may find. */
  secrets = new Set();
  #chance;
  #target;
  #files;
  #underWay = 0;
  #quietSince = Date.now();
  #holds = [];
  #server = http.createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });
  #sockets = new Set();

  /** Starts one before `server`; `files` are what it serves by itself: path → `{ type, body, headers }`. */
  static async start(server, chance, files) {
    const network = new Network();
    network.#target = server;
    network.#chance = chance;
    network.#files = files;
    network.#server.on('connection', (socket) => {
      network.#sockets.add(socket);
      socket.on('close', () => network.#sockets.delete(socket));
      if (network.isCut) socket.destroy();
    });
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    return network;
  }

  /** To browsers `localhost` is as trustworthy as HTTPS, and keeps `Secure` cookies. */
  get origin() {
    return `http://localhost:${this.#server.address().port}`;
  }

  cut() {
    this.isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  restore() {
    this.isCut = false;
  }

  /** Holds back the next answer to `path`: settles once the server has given it, with how to let it go. */
  holdAnswer(path) {
    return new Promise((caught) => this.#holds.push({ path, caught }));
  }

  /** Waits until nothing has been under way for `ms`. */
  async quiet(ms = 300) {
    for (const deadline = Date.now() + QUIET_MS_MAX; ; await sleep(20)) {
      if (!this.#underWay && Date.now() - this.#quietSince >= ms) return;
      if (Date.now() > deadline) throw new Error('the network never came to rest');
    }
  }

  /** How often `path` was asked for. */
  count(path) {
    return this.requests.filter((request) => request.path === path).length;
  }

  async end() {
    this.cut();
    this.#server.close();
  }

  async #serve(request, response) {
    const path = request.url.split('?')[0];
    const file = this.#files[path];
    if (file) return response.writeHead(200, { 'Content-Type': file.type, ...file.headers }).end(file.body);
    this.#underWay++;
    try {
      await this.#carry(request, response, path);
    } finally {
      this.#underWay--;
      this.#quietSince = Date.now();
    }
  }

  async #carry(request, response, path) {
    const isRough = /^\/(auth(?!\/pages)|api)\//.test(path);
    const { delayMs, lost, failed } = isRough ? this.weather : CALM;
    const record = { method: request.method, path, status: 0, fate: 'delivered' };
    this.requests.push(record);
    const body = await buffer(request);
    await sleep(this.#chance.between(...delayMs));
    if (this.#chance.happens(failed)) {
      record.fate = 'failed';
      return response.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
    }
    const answer = await this.#ask(request, path, body);
    record.status = answer.status;
    this.#note(answer);
    await this.#held(path);
    await sleep(this.#chance.between(...delayMs));
    if (this.isCut || this.#chance.happens(lost)) {
      record.fate = this.isCut ? 'cut' : this.#chance.oneOf(['broken', 'silent', 'replaced']);
      if (record.fate === 'silent') return;
      if (record.fate !== 'replaced') return response.destroy();
      return response.writeHead(504, { 'Content-Type': 'text/html' }).end('<h1>504 Gateway Time-out</h1>');
    }
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  /** `/api/me` is somebody else's API: it answers what the server says of the bearer. */
  #ask(request, path, body) {
    const headers = { ...request.headers };
    delete headers.connection;
    const target = request.url.replace(/^\/api\//, '/auth/');
    const options = { method: request.method, headers, agent: false };
    return new Promise((done, fail) => {
      const asked = http.request(this.#target.url + target, options, (answer) => {
        const { statusCode: status, rawHeaders } = answer;
        const headers = rawHeaders.filter((_, i) => !HOP_BY_HOP.has(rawHeaders[i - (i % 2)].toLowerCase()));
        const cookies = answer.headers['set-cookie'] ?? [];
        buffer(answer).then((body) => done({ status, headers, cookies, body }), fail);
      });
      asked.on('error', fail).end(body);
    });
  }

  #note(answer) {
    for (const cookie of answer.cookies) {
      const value = /^__(?:Secure|Host)-[^=]*=([^;]+)/.exec(cookie)?.[1];
      if (value) this.secrets.add(value);
    }
    for (const [token] of answer.body.toString().matchAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+|rlt_[\w-]+/g)) this.secrets.add(token);
  }

  async #held(path) {
    const at = this.#holds.findIndex((hold) => hold.path === path);
    if (at < 0) return;
    const [hold] = this.#holds.splice(at, 1);
    await new Promise((release) => hold.caught(release));
  }
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);
const QUIET_MS_MAX = 20_000;
