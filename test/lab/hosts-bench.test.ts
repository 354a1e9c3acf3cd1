/** The benches of many hosts in their short form: every move is seen on all hosts, and all agree; no figure is asserted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

const run = (name: string) =>
  spawnSync(process.execPath, [join(projectRoot(), 'dist/bench/main.js'), name, '--small'], { encoding: 'utf8' });

test.skipIf(process.getuid?.() !== 0).each([
  ['hosts', /etcd's data on disk[\s\S]*agree in 5 of 5[\s\S]*etcd's data on tmpfs[\s\S]*agree in 5 of 5/],
  ['store', /away: said after \d+ ms[\s\S]*leader killed: .* \d+ ms/],
])('%s (needs root: network namespaces)', { timeout: 180_000 }, (name, figures) => {
  const { stderr, status, stdout } = run(name);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(figures);
});

test('scale-hosts: every host of a VPC hears of each claim, and the same seed gives the same', () => {
  const { stderr, status, stdout } = run('scale-hosts');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(/ 100 +1 +4900 .* hash [0-9a-f]{8}/);
  expect(run('scale-hosts').stdout.match(/hash \w+/g)).toEqual(stdout.match(/hash \w+/g));
});
