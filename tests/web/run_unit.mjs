// Bundles tests/web/*.test.ts with the esbuild of web/node_modules (or of the folder HEADROOM_WEB_PACKAGES) and runs them with Node's own test runner.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const packages = process.env.HEADROOM_WEB_PACKAGES ?? join(here, '../../web');
const { buildSync } = createRequire(join(packages, 'package.json'))('esbuild');
const out = mkdtempSync(join(tmpdir(), 'headroom-web-unit-'));
let status = 1;
try {
  const tests = readdirSync(here).filter((name) => name.endsWith('.test.ts'));
  buildSync({
    entryPoints: tests.map((name) => join(here, name)),
    bundle: true, platform: 'node', format: 'esm', target: 'node18', outdir: out, outExtension: { '.js': '.mjs' }, logLevel: 'warning',
    jsx: 'automatic', jsxImportSource: 'preact', nodePaths: [join(packages, 'node_modules')],
  });
  const files = tests.map((name) => join(out, name.replace(/\.ts$/, '.mjs')));
  // Times of day are local: the tests choose the place.
  status = spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit', env: { ...process.env, TZ: 'Europe/Berlin' } }).status ?? 1;
} finally {
  rmSync(out, { recursive: true });
}
process.exit(status);
