/** Everything a test needs, made together and taken down together: server, network and browser. */

import { after, before } from 'node:test';
import { pages } from './pages.js';
import { launch } from './people.js';
import { Network } from './network.js';
import { chance, SEED } from './random.js';
import { Server } from './server.js';

/** Rounds of a test that has many: `RELATCH_ROUNDS`, else so many as fit into the everyday run. */
export const rounds = (everyday) => Number(process.env.RELATCH_ROUNDS ?? everyday);

/**
 * Opens one for the tests of the file that calls; filled in before the first of them. `browser: false` for tests
 * that open and close their own.
 */
export function world(name, { settings = [], browser = true } = {}) {
  const world = { chance: chance(name) };
  before(async (context) => {
    context?.diagnostic?.(`RELATCH_SEED=${SEED} has the same weather again`);
    world.server = await Server.start(settings);
    world.network = await Network.start(world.server, chance(`${name}, network`), await pages());
    if (browser) world.browser = await launch();
  });
  after(async () => {
    await world.browser?.close();
    await world.network?.end();
    await world.server?.end();
  });
  return world;
}

/** Waits until `holds` answers something true; fails with what `says` answers. */
export async function until(holds, says, waitMs = 10_000) {
  for (const deadline = Date.now() + waitMs; ; await new Promise((done) => setTimeout(done, 30))) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${await says()} after ${waitMs} ms`);
  }
}
