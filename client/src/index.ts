/** The core of the package. */

export { createClient } from './client.js';
export type { Channel, Environment, SharedStorage } from './environment.js';
export { AuthError } from './errors.js';
export type * from './types.js';
