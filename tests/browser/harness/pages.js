/** The test pages, bundled with the client library as its sources are now. */

import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Where the library is that the pages use: `RELATCH_CLIENT`, else that of this repository. */
const CLIENT = process.env.RELATCH_CLIENT ?? at('../../client/src/index.ts');

/** Path → file, as the network serves them. */
export async function pages() {
  const files = {};
  for (const [path, title] of [['/app', 'App'], ['/crowd', 'Crowd'], ['/worker']]) {
    const script = `${path}.js`;
    const built = await build({
      entryPoints: [at(`page${script}`)],
      alias: { relatch: CLIENT },
      bundle: true,
      format: 'esm',
      target: 'es2022',
      write: false,
      logLevel: 'warning',
    });
    if (title) files[path] = { type: 'text/html; charset=utf-8', headers: { ...HEADERS, 'Cache-Control': 'no-cache' }, body: html(title, script) };
    files[script] = { type: 'text/javascript', headers: { 'Cache-Control': 'max-age=3600' }, body: built.outputFiles[0].contents };
  }
  files['/empty'] = { type: 'text/html', body: '<!doctype html><title>Empty</title>' };
  files['/favicon.ico'] = { type: 'image/x-icon', body: '' };
  return files;
}

const html = (title, script) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${title}</title>
<link rel="icon" href="data:,"><main></main><script type="module" src="${script}"></script></html>`;

/** As strict as a page of an app can be, so that the library is seen to need nothing more. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; base-uri 'none'; require-trusted-types-for 'script'",
};
