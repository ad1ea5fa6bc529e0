/** Runs `test/*.test.ts{,x}` (or those whose names hold an argument) and ends with a plain count. */
import { build } from 'esbuild';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

// Under node_modules, where the bundles find the packages they import. One folder a run: two may overlap.
const folder = at(`node_modules/.cache/relatch-test/${process.pid}`);
const chosen = process.argv.slice(2);
const files = readdirSync(at('test')).filter(
  (name) => /\.test\.tsx?$/.test(name) && (!chosen.length || chosen.some((part) => name.includes(part))),
);
mkdirSync(folder, { recursive: true });
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
await build({
  entryPoints: files.map((name) => at(`test/${name}`)),
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  jsx: 'automatic',
  sourcemap: 'inline',
  logLevel: 'warning',
});

const count = { passed: 0, failed: 0 };
const isTest = (data) => data.details?.type !== 'suite' && data.skip === undefined;
const tests = run({
  files: readdirSync(folder).map((name) => `${folder}/${name}`),
  concurrency: 2,
  timeout: 120_000,
});
tests.on('test:pass', (data) => (count.passed += isTest(data)));
tests.on('test:fail', (data) => (count.failed += isTest(data)));
tests.compose(spec).pipe(process.stdout);
tests.on('end', () => {
  process.on('exit', () => console.log(`client: ${count.passed} passed, ${count.failed} failed`));
  process.exitCode = count.failed || !count.passed ? 1 : 0;
});
