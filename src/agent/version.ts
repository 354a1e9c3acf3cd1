/**
 * The version in package.json, which lies above src/, which is itself compiled into dist/src/.
 */
import { existsSync, readFileSync } from 'node:fs';

const file = ['../../package.json', '../../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));

const { version }: { readonly version: string } =
  file === undefined ? { version: 'unknown' } : JSON.parse(readFileSync(file, 'utf8'));
export const VERSION = version;
