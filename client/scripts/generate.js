/** Writes `src/api.gen.ts` from `openapi.json`; with `--check`, only says whether it is stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const source = new URL('../openapi.json', import.meta.url);
const target = new URL('../src/api.gen.ts', import.meta.url);

const head = '/** Written by `npm run types` from `openapi.json`, which the server writes: change the routes there. */\n\n';
const text = head + astToString(await openapiTS(JSON.parse(readFileSync(source, 'utf8'))));
if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (readFileSync(target, 'utf8') !== text) {
  console.log('src/api.gen.ts is stale; run `npm run types`');
  process.exitCode = 1;
}
