/** The project's own files, for the checks. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Tree } from './source.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

/** All TypeScript below these folders. */
export function readTree(folders: readonly string[]): Tree {
  return read(folders, /\.c?ts$/);
}

export function read(folders: readonly string[], name: RegExp): Tree {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: folder !== '.', encoding: 'utf8' })
      .filter((file) => name.test(file) && !file.includes('node_modules'))
      .map((file) => join(folder, file)),
  );
  return new Map(paths.sort().map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]));
}
