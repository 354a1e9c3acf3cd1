/** What the agent says of a raw-socket that it cannot load. That it probes is a matter of test/lab. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Prober } from '../../src/agent/prober.ts';
import { systemClock } from '../../src/base/clock.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-prober-'));
  // The loader answers to a file that is no shared object as to one of another Node.js: ERR_DLOPEN_FAILED.
  writeFileSync(join(folder, 'raw.node'), 'not a shared object');
  writeFileSync(join(folder, 'other-node.cjs'), "require('./raw.node');\n");
  writeFileSync(join(folder, 'not-built.cjs'), "require('./build/Release/raw.node');\n");
  writeFileSync(join(folder, 'broken.cjs'), "throw new RangeError('a fault of the module');\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

const open = (module: string) => Prober.open({ clock: systemClock, onReachable: () => {}, onTrouble: () => {} }, module);

it.each([
  ['is not installed', () => 'raw-socket-that-nobody-has', /not installed/],
  ['was not built', () => join(folder, 'not-built.cjs'), /not installed, or was not built/],
  ['was built for another Node.js', () => join(folder, 'other-node.cjs'), /does not load.*npm rebuild/],
])('goes on without a raw-socket that %s', async (_, module, why) => {
  expect(await open(module())).toEqual({ unusable: expect.stringMatching(why) as unknown });
});

it('does not take a fault for a matter of the installation', async () => {
  await expect(open(join(folder, 'broken.cjs'))).rejects.toThrow('a fault of the module');
});
