/** Writes `dist/*.js`: one file an entry, and what they share. The types beside them are those of the sources. */
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Properties that no app sees and no object of the platform has. No minifier may shorten names of properties: we may. */
const INNER =
  /^(epoch|grant|retryAt|refreshAt|diesAt|lifeMs|isUnproven|failures)$/;

await build({
  entryPoints: ['index', 'axios', 'react', 'server', 'testing'].map((name) => at(`src/${name}.ts`)),
  outdir: at('dist'),
  chunkNames: 'shared-[hash]',
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  target: 'es2022',
  mangleProps: INNER,
  sourcemap: true,
});
