/** The built package in Node, and in Deno and Bun where they are installed, against the server of `RELATCH_BIN`. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUNTIMES = [
  ['node', process.execPath, []],
  ['deno', process.env.DENO ?? 'deno', ['run', '--allow-net']],
  ['bun', process.env.BUN ?? 'bun', ['run']],
];

/** A process that does not end by itself is a failure, too. */
const ENDS_MS = 60_000;

const binary = process.env.RELATCH_BIN ?? fileURLToPath(new URL('../../target/debug/relatch', import.meta.url));
const smoke = fileURLToPath(new URL('../test/support/smoke.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'relatch-runtimes-'));
// The server takes every `RELATCH_…` for a setting.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RELATCH_')));
const server = spawn(binary, ['dev', '--listen', '127.0.0.1:0', '--data', folder, '--test-clock'], { env });
const url = await new Promise((resolve, reject) => {
  let text = '';
  const hear = (part) => {
    text += part;
    const found = /Relatch runs on (\S+)/.exec(text)?.[1];
    if (found) resolve(found);
  };
  server.stdout.on('data', hear);
  server.stderr.on('data', hear);
  server.on('error', reject).on('exit', () => reject(new Error(text)));
});

let [passed, failed] = [0, 0];
for (const [name, program, options] of RUNTIMES) {
  const { error, status, stdout, stderr } = spawnSync(program, [...options, smoke, url], { encoding: 'utf8', timeout: ENDS_MS });
  if (error?.code === 'ENOENT') {
    console.log(`${name}: not installed here`);
    continue;
  }
  const isWell = status === 0 && stdout.includes('smoke: ok');
  console.log(`${name}: ${isWell ? 'ok' : `failed (${error?.code ?? status})\n${stdout}${stderr}`}`);
  if (isWell) passed += 1;
  else failed += 1;
}
server.removeAllListeners('exit');
server.kill();
rmSync(folder, { recursive: true, force: true });
console.log(`runtimes: ${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;
