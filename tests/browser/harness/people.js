/** Who sits before a browser: an owner, a thief; each with a profile of cookies, tabs and a clock of their own. */

import { chromium } from 'playwright-core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
};

/** A browser without a profile: every person in it has a window like a private one. */
export const launch = () => chromium.launch(LAUNCH);

export const PASSWORD = 'correct horse battery';

export class Person {
  /** What scripts and the browser wrote to the console, in every page. */
  console = [];
  /** Violations of a page's content security policy. */
  violations = [];
  #folder;

  /** Somebody with an empty profile. `without` are globals of the browser that are gone before any script runs. */
  static async in(browser, network, { without = [], ...options } = {}) {
    const person = new Person(network);
    await person.#use(await browser.newContext({ baseURL: network.origin, ...options }), without);
    return person;
  }

  /** Somebody whose profile is on disk, in a browser of their own that can be closed and opened again. */
  static async withProfile(network) {
    const person = new Person(network);
    person.#folder = await mkdtemp(join(tmpdir(), 'relatch-profile-'));
    await person.openBrowser();
    return person;
  }

  constructor(network) {
    this.network = network;
  }

  async openBrowser() {
    const options = { ...LAUNCH, baseURL: this.network.origin };
    await this.#use(await chromium.launchPersistentContext(this.#folder, options), []);
  }

  async closeBrowser() {
    await this.context.close();
  }

  /** Opens a tab. */
  async tab(path = '/app') {
    const page = await this.context.newPage();
    await page.goto(path);
    return page;
  }

  /** Signs up in a tab, through the library. Answers their address. */
  async signUp(page) {
    const email = `person-${++people}-${Date.now()}@example.com`;
    await page.evaluate((input) => tab.signUp(input), { email, password: PASSWORD });
    this.email = email;
    return email;
  }

  /** Lets the clocks of this person's device jump: the steady one only where `isSteady`, as a sleep may do. */
  async jump(seconds, { isSteady = true } = {}) {
    const by = [seconds * 1000, isSteady ? seconds * 1000 : 0];
    for (const page of this.context.pages()) for (const frame of page.frames()) await frame.evaluate(move, by);
  }

  /** What the browser would send to the server's pages. */
  async cookies() {
    return this.context.cookies(`${this.network.origin}/auth/refresh`);
  }

  /** Takes over what another's profile holds, or what of it `isTaken`, as malware does. */
  async steal(from, isTaken = () => true) {
    await this.context.addCookies((await from.cookies()).filter(isTaken));
  }

  async leave() {
    await this.context.close();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  async #use(context, without) {
    this.context = context;
    context.setDefaultTimeout(15_000);
    context.on('console', (message) => this.console.push(`${message.type()}: ${message.text()}`));
    context.on('weberror', (error) => this.console.push(`thrown: ${error.error().stack}`));
    await context.exposeBinding('reportViolation', (_, violation) => void this.violations.push(violation));
    await context.addInitScript(prepare, without);
  }
}

let people = 0;

/** Runs in every frame before its scripts: a device clock that can be moved, and an ear for violations. */
function prepare(without) {
  document.addEventListener('securitypolicyviolation', (event) => {
    reportViolation(`${event.documentURI}: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
  });
  for (const name of without) {
    for (const owner of [globalThis, Navigator.prototype]) delete owner[name];
  }
  const KEY = 'test:clock';
  const offsets = () => JSON.parse(globalThis.origin === 'null' ? null : localStorage.getItem(KEY)) ?? [0, 0];
  let [wall, steady] = offsets();
  const RealDate = Date;
  const realNow = performance.now.bind(performance);
  globalThis.Date = class Date extends RealDate {
    constructor(...parts) {
      super(...(parts.length ? parts : [RealDate.now() + wall]));
    }
    static now = () => RealDate.now() + wall;
  };
  performance.now = () => realNow() + steady;
  Object.defineProperty(globalThis, 'moveTestClock', {
    value(byWall, bySteady) {
      [wall, steady] = [wall + byWall, steady + bySteady];
      // A page opened later has a steady clock that begins anew.
      localStorage.setItem(KEY, JSON.stringify([wall, 0]));
    },
  });
}

const move = ([wall, steady]) => globalThis.moveTestClock(wall, steady);
