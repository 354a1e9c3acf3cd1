/** The Debian packages that `npm run package` makes, made once for all labs of a run. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project.ts';

/** What `npm run package -- ARGUMENTS` makes, anew. */
export function makePackages(...args: readonly string[]): string[] {
  const build = join(projectRoot(), 'dist/packaging/build.js');
  return execFileSync(process.execPath, [build, ...args], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

/** Both, of this version: those that are there, if nothing that goes into them is newer. */
export function packages(): string[] {
  const folder = join(projectRoot(), 'build');
  const made = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.deb') && !name.includes('_999.'))
        .map((name) => join(folder, name))
    : [];
  const newest = Math.max(
    ...['dist/src', 'packaging', 'package-lock.json', 'docs'].map((path) => changedMs(join(projectRoot(), path))),
  );
  const isFresh = made.length === 2 && made.every((path) => statSync(path).mtimeMs > newest);
  return isFresh ? made : makePackages();
}

function changedMs(path: string): number {
  const files = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : [''];
  return Math.max(...files.map((file) => statSync(join(path, file)).mtimeMs));
}
