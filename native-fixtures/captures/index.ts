/** The captures, for tests and tools. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../lab/project.ts';
import type { Capture } from './capture.ts';

const capturesDirectory = join(projectRoot(), 'native-fixtures/captures');

export const captures = JSON.parse(readFileSync(join(capturesDirectory, 'captures.json'), 'utf8')) as readonly Capture[];

export function capturePath(capture: Capture): string {
  return join(capturesDirectory, capture.file);
}
