/** Packs the package, has it judged, and installs it into an empty project of the strictest kind. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const client = fileURLToPath(new URL('..', import.meta.url));
const folder = fileURLToPath(new URL('../../build/client-pack', import.meta.url));
const project = `${folder}/project`;

const run = (cwd, program, ...args) => execFileSync(program, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });

rmSync(folder, { recursive: true, force: true });
mkdirSync(project, { recursive: true });
run(client, 'npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder);
const tarball = `${folder}/${readdirSync(folder).find((name) => name.endsWith('.tgz'))}`;

run(client, 'npx', '--no-install', 'publint', 'run', tarball, '--strict');
run(client, 'npx', '--no-install', 'attw', tarball, '--profile', 'esm-only');

writeFileSync(`${project}/package.json`, JSON.stringify({ name: 'empty', private: true, type: 'module' }));
writeFileSync(
  `${project}/tsconfig.json`,
  JSON.stringify({
    compilerOptions: {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      // The declarations are looked through, too.
      skipLibCheck: false,
      target: 'ES2022',
      lib: ['ES2022', 'DOM', 'DOM.Iterable'],
      module: 'NodeNext',
      types: [],
      noEmit: true,
    },
    files: ['app.ts'],
  }),
);
writeFileSync(
  `${project}/app.ts`,
  `import { AuthError, createClient, type Client, type Snapshot } from 'relatch';

const auth: Client = createClient({ url: 'https://id.example.com/auth', origins: ['https://api.example.com'] });
const snapshot: Snapshot = auth.snapshot();
if (snapshot.status === 'authenticated') snapshot.session.user.email?.trim();
auth.addEventListener('expired', ({ error }) => console.log(error.code, error.problem?.reason));
export async function run(): Promise<Response> {
  try {
    const result = await auth.signIn({ email: 'ada@example.com', password: 'correct horse battery' });
    if (result.status === 'mfa_required') return await fetch('/mfa', { headers: { token: result.mfaToken } });
  } catch (error) {
    if (!(error instanceof AuthError) || !error.retryable) throw error;
  }
  return auth.fetch('https://api.example.com/hello', { signal: AbortSignal.timeout(1000) });
}
`,
);
run(project, 'npm', 'install', '--silent', '--offline', '--no-audit', '--no-fund', tarball);
run(project, process.execPath, `${client}/node_modules/typescript/bin/tsc`);
// As it is published: entries that share what was given short names, and a client that lives through a day.
writeFileSync(
  `${project}/day.js`,
  `import assert from 'node:assert/strict';
import { AuthError, bodyTransport, createClient, listSessions, signOutEverywhere } from 'relatch';
import { createClock, createFakeBrowser, createFakeServer } from 'relatch/testing';

const clock = createClock();
const server = createFakeServer({ clock });
server.addUser('ada@example.com', 'pw');
const kept = new Map();
const storage = { get: (key) => kept.get(key) ?? null, set: (key, value) => void kept.set(key, value), remove: (key) => void kept.delete(key) };
const by = async (promise) => (promise.catch(() => {}), await clock.advance(60_000), promise);
for (const transport of [undefined, bodyTransport(storage)]) {
  const browser = createFakeBrowser({ clock, server });
  const client = createClient({ environment: browser.openTab().environment, ...(transport && { transport }) });
  await by(client.signIn({ email: 'ada@example.com', password: 'pw' }));
  await clock.advance(86_400_000);
  assert.equal((await by(client.fetch('/api/x'))).status, 200);
  assert.ok(client.session.generation >= 100);
  await by(signOutEverywhere(client));
  await assert.rejects(by(client.getToken()), (error) => error instanceof AuthError && error.code === 'signed_out');
  assert.equal(kept.size, 0);
  client.dispose();
}
`,
);
run(project, process.execPath, 'day.js');
console.log('pack: 5 passed, 0 failed');
