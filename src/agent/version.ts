/**
 * The version in package.json, which lies above src/, which is itself compiled into dist/src/.
 */
import { existsSync, readFileSync } from 'node:fs';

const file = ['../../package.json', '../../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));

export const VERSION: string =
  file === undefined ? 'unknown' : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
