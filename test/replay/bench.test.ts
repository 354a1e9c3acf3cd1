/** The benches in their short form, from the compiled program: answers are compared there, figures are not asserted anywhere. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

test.each([
  ['judge', /every path .* hash [0-9a-f]{8}\n.*heap .*\n.*flooded tap .* hash [0-9a-f]{8}\n.*heap /],
  ['replay', /1 worker .* hash ([0-9a-f]{8})\n.*2 workers .* hash \1\n/],
])('%s: every way of judging gives the same answers', (name, figures) => {
  const run = spawnSync(process.execPath, [join(projectRoot(), 'dist/bench/main.js'), name, '--small'], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  expect(run.stdout).toMatch(figures);
});
