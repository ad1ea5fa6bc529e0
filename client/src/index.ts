/** The core of the package, and beside it what only some pages import. */

export { createClient } from './client.js';
export { attemptCookie, type Channel, type Environment, type SharedStorage } from './environment.js';
export { AuthError } from './errors.js';
export { changePassword, listSessions, revokeSession, signInWithCode, signOutEverywhere, signOutOthers, signUp } from './account.js';
export { bodyTransport, type Transport, type TransportMaker } from './transport.js';
export type * from './types.js';
