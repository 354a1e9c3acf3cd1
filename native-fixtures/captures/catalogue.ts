/** Keeps captures.json: one entry per file, in alphabetical order, so that recording one capture again changes one entry. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Capture } from './capture.ts';

export function enterCapture(catalogue: string, capture: Capture): void {
  const entries = existsSync(catalogue) ? (JSON.parse(readFileSync(catalogue, 'utf8')) as Capture[]) : [];
  const others = entries.filter(({ file }) => file !== capture.file);
  const all = [...others, capture].sort((a, b) => (a.file < b.file ? -1 : 1));
  writeFileSync(catalogue, `${JSON.stringify(all, null, 2)}\n`);
}
