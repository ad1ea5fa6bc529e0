/** `relatch/react`, with each React that it is for: the cases are bundled anew with that one. */
import { build } from 'esbuild';
import { rmSync } from 'node:fs';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

// This file runs from where it is bundled to.
const folder = fileURLToPath(new URL('./', import.meta.url));
const cases = fileURLToPath(new URL('../../../../test/react.cases.tsx', import.meta.url));

for (const version of ['18', '19']) {
  const outfile = `${folder}react-${version}.cases.mjs`;
  after(() => rmSync(outfile, { force: true }));
  const alias = { react: 'react-18', 'react-dom': 'react-dom-18' };
  await build({
    entryPoints: [cases],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    jsx: 'automatic',
    external: ['happy-dom'],
    // React is CommonJS and asks for parts of Node.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    alias: version === '18' ? alias : {},
    logLevel: 'warning',
  });
  await import(outfile);
}
