/** A `cap` that is missing, or of which only the JavaScript is there: one line and exit code 3, before anything starts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requireCap } from '../../src/capture/libpcap/libpcap.ts';
import { explainFailure } from '../../src/cli/failure.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-cap-'));
  writeFileSync(join(folder, 'cap.node'), 'not a shared object'); // answers as one of another Node.js: ERR_DLOPEN_FAILED
  writeFileSync(join(folder, 'other-node.cjs'), "require('./cap.node');\n");
  writeFileSync(join(folder, 'not-built.cjs'), "require('./build/Release/cap.node');\n");
  writeFileSync(join(folder, 'whole.cjs'), 'exports.Cap = class {};\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

function failure(name: string): unknown {
  try {
    requireCap(name);
    return null;
  } catch (error) {
    return explainFailure(error, false);
  }
}

it.each([
  ['is not installed', () => 'cap-that-nobody-has', /needs the optional package cap/],
  ['was not built', () => join(folder, 'not-built.cjs'), /does not load.*npm rebuild cap/],
  ['was built for another Node.js', () => join(folder, 'other-node.cjs'), /does not load.*npm rebuild cap/],
])('refuses the source when cap %s', (_, name, text) => {
  expect(failure(name())).toEqual({ exitCode: 3, text: expect.stringMatching(text) as unknown });
});

it('has nothing to say of one that loads', () => {
  expect(failure(join(folder, 'whole.cjs'))).toBeNull();
});
