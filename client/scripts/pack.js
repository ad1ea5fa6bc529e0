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
run(project, process.execPath, '--input-type=module', '--eval', "const { createClient } = await import('relatch'); createClient().dispose();");
console.log('pack: 5 passed, 0 failed');
