/** Runs the test and ends with a plain count. */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const count = { passed: 0, failed: 0 };
const tests = run({ files: [fileURLToPath(new URL('app.test.js', import.meta.url))] });
const isTest = (data) => data.details?.type !== 'suite';
tests.on('test:pass', (data) => (count.passed += isTest(data)));
tests.on('test:fail', (data) => (count.failed += isTest(data)));
tests.compose(spec).pipe(process.stdout);
tests.on('end', () => {
  process.on('exit', () => console.log(`react-app: ${count.passed} passed, ${count.failed} failed`));
  process.exitCode = count.failed || !count.passed ? 1 : 0;
});
