/** Runs `tests/*.test.js` (or those whose names hold an argument), one after the other, and ends with a plain count. */

import { readdirSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { SEED } from './harness/random.js';

process.env.RELATCH_SEED = String(SEED);
console.log(`RELATCH_SEED=${SEED} RELATCH_ROUNDS=${process.env.RELATCH_ROUNDS ?? ''}`);

const folder = fileURLToPath(new URL('tests', import.meta.url));
const chosen = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((name) => !chosen.length || chosen.some((part) => name.includes(part)))
  .map((name) => `${folder}/${name}`);

const count = { passed: 0, failed: 0 };
const isTest = (data) => data.details?.type !== 'suite' && data.skip === undefined && data.todo === undefined;
// One browser at a time.
const tests = run({ files, concurrency: 1 });
tests.on('test:pass', (data) => (count.passed += isTest(data)));
tests.on('test:fail', (data) => (count.failed += isTest(data)));
tests.compose(spec).pipe(process.stdout);
tests.on('end', () => {
  process.on('exit', () => console.log(`browser: ${count.passed} passed, ${count.failed} failed`));
  process.exitCode = count.failed || !count.passed ? 1 : 0;
});
