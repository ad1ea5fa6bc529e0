/** `relatch/testing`: expiry, theft, races and bad networks, tried in an instant. For tests; never for production. */

export { createFakeBrowser, type FakeBrowser, type FakeBrowserOptions, type FakeTab } from './testing/browser.js';
export { chaos, type Chaos } from './testing/chaos.js';
export { createClock, type VirtualClock } from './testing/clock.js';
export { createFakeServer, type FakeServer, type FakeServerOptions } from './testing/server.js';
export type { FakeSession } from './testing/sessions.js';
