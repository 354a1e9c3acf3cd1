/** The capture bench in its short form: it fails when a sum is not exact; no figure is asserted. Needs root. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

const ROOT = process.getuid?.() === 0;

test.runIf(ROOT)('every source counts all that it received under a flood', () => {
  const program = join(projectRoot(), 'dist/bench/main.js');
  const run = spawnSync(process.execPath, [program, 'capture', '--small'], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  for (const source of ['ring policed', 'ring, 256 KiB', 'nft limit', 'libpcap', 'tcpdump']) expect(run.stdout).toContain(source);
});
