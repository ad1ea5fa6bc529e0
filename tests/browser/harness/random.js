/** Chance that can be had again: everything random in a run follows from one printed seed. */

/** The seed of this run: `RELATCH_SEED`, else a new one. */
export const SEED = Number(process.env.RELATCH_SEED ?? Math.floor(Math.random() * 2 ** 32));

/** A source of chance of its own for whoever names one (mulberry32 over a hash of the name). */
export function chance(name) {
  let state = SEED;
  for (const char of name) state = Math.imul(state ^ char.codePointAt(0), 0x9e3779b1);
  /** In [0, 1). */
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    happens: (share) => next() < share,
    between: (low, high) => low + next() * (high - low),
    oneOf: (list) => list[Math.floor(next() * list.length)],
  };
}
