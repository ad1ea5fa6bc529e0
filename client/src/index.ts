/** The core of the package. */

export type * from './types.js';
