/** The benches of the claim path in their short form: every takeover must be seen, by the agent and in the kernel; no figure is asserted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

test.skipIf(process.getuid?.() !== 0).each([
  ['claim', /idle +20 of 20 seen[\s\S]*another port's flood +20 of 20 seen[\s\S]*its own refreshes/],
  ['amplify', /flooded +us: p50 \d+/],
  ['group', /3 groups of 50, 150 failovers/],
])('%s: all takeovers are seen (needs root: network namespaces)', { timeout: 60_000 }, (name, figures) => {
  const run = spawnSync(process.execPath, [join(projectRoot(), 'dist/bench/main.js'), name, '--small'], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  expect(run.stdout).toMatch(figures);
});
