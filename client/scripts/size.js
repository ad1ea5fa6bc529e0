/** What the package weighs in a page: minified and gzipped, in bytes. Fails above the limits. */
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folder = fileURLToPath(new URL('../src', import.meta.url));

/** A page that uses all of these entries. */
async function weigh(...entries) {
  const { outputFiles } = await build({
    stdin: { contents: entries.map((entry) => `export * from './${entry}.js';`).join('\n'), resolveDir: folder },
    external: ['react', 'react/*', 'axios'],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const core = await weigh('index');
const rows = [
  ['core', core, 5250],
  ['react, beside the core', (await weigh('index', 'react')) - core, 1000],
  ['axios, beside the core', (await weigh('index', 'axios')) - core, 700],
];
for (const [name, bytes, limit] of rows) console.log(`${name}: ${bytes} of ${limit} bytes, min+gzip`);
const tooBig = rows.filter(([, bytes, limit]) => bytes >= limit);
console.log(`size: ${rows.length - tooBig.length} passed, ${tooBig.length} failed`);
process.exitCode = tooBig.length ? 1 : 0;
