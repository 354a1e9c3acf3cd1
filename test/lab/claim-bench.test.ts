/** Benches in their short form: every takeover must be seen, by the agent and in the kernel, and no spoof pass; no figure is asserted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

test.skipIf(process.getuid?.() !== 0).each([
  ['claim', /idle +20 of 20 seen[\s\S]*another port's flood +20 of 20 seen[\s\S]*its own refreshes/],
  ['badday', /0 of \d+ spoofs passed[\s\S]*, 0 of them when no flush was under way/],
  ['amplify', /flooded +us: p50 \d+/],
  ['group', /3 groups of 50, 150 failovers/],
])('%s: as it shall be (needs root: network namespaces)', { timeout: 60_000 }, (name, figures) => {
  const run = spawnSync(process.execPath, [join(projectRoot(), 'dist/bench/main.js'), name, '--small'], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  expect(run.stdout).toMatch(figures);
});
