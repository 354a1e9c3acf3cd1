/** `npm run demo -- lb` and `-- db`: load balancers and databases as they are run, and what a client of theirs loses. Needs root. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

const LIMIT_MS = 120_000;
const NEEDS = { lb: ['/usr/sbin/haproxy', '/bin/busybox'], db: ['/usr/bin/psql', '/usr/lib/postgresql'] };
const wanting = (needs: readonly string[]) => {
  if (process.getuid?.() !== 0) return 'it needs root';
  const missing = needs.find((path) => !existsSync(path));
  return missing === undefined ? null : `${missing} is not there`;
};

async function demo(name: string): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, ['dist/native-fixtures/demo.js', name, '--json'], {
    cwd: projectRoot(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [[code], said] = await Promise.all([once(child, 'exit'), text(child.stdout)]);
  console.log(said.trim());
  expect(code).toBe(0);
  return JSON.parse(said) as Record<string, unknown>;
}

for (const [name, needs] of Object.entries(NEEDS)) {
  const why = wanting(needs);
  if (why !== null) console.warn(`the demo ${name}: skipped, ${why}`);
}

test.skipIf(wanting(NEEDS.lb) !== null)('a load balancer dies, and the other takes over', { timeout: LIMIT_MS }, async () => {
  const seen = await demo('lb');
  expect(seen).toMatchObject({ ok: true, failovers: 1, cause: 'resign' });
  expect(Number(seen['gapMs'])).toBeLessThanOrEqual(Number(seen['limitMs']));
});

test.skipIf(wanting(NEEDS.db) !== null)(
  'a primary dies, no commit is lost, and no row lands on it when it is back',
  { timeout: LIMIT_MS },
  async () => {
    const seen = await demo('db');
    expect(seen).toMatchObject({ ok: true, failovers: 1, cause: 'resign', lost: 0, landedOnOld: 0 });
    expect(Number(seen['landedOnNew'])).toBeGreaterThan(0);
    expect(Number(seen['gapMs'])).toBeLessThanOrEqual(Number(seen['limitMs']));
  },
);
