/** What the package weighs in a page: minified and gzipped, in bytes. Fails above the limits. */
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folder = fileURLToPath(new URL('../dist', import.meta.url));

/** What a bundler makes of a page with these imports. */
async function weigh(...lines) {
  const { outputFiles } = await build({
    stdin: { contents: lines.join('\n'), resolveDir: folder },
    external: ['react', 'react/*', 'axios'],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const CORE = "export { createClient } from './index.js';";
const core = await weigh(CORE);
const rows = [
  ['core', core, 4700],
  ['react, beside the core', (await weigh(CORE, "export * from './react.js';")) - core, 1000],
  ['axios, beside the core', (await weigh(CORE, "export * from './axios.js';")) - core, 700],
];
for (const [name, bytes, limit] of rows) console.log(`${name}: ${bytes} of ${limit} bytes, min+gzip`);
const tooBig = rows.filter(([, bytes, limit]) => bytes >= limit);
console.log(`size: ${rows.length - tooBig.length} passed, ${tooBig.length} failed`);
process.exitCode = tooBig.length ? 1 : 0;
