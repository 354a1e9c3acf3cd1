/** `npm run demo -- --json`: what it prints is what was observed. Needs root. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

interface Document {
  readonly ok: boolean;
  readonly failovers: readonly {
    readonly cause: string;
    readonly phasesMs: Record<string, number>;
    readonly clientOutageMs: number;
  }[];
  readonly drops: Record<string, number>;
}

test.skipIf(process.getuid?.() !== 0)('the demo observes four failovers and nine drops (needs root)', async () => {
  const demo = spawn(process.execPath, ['dist/native-fixtures/demo.js', '--json'], {
    cwd: projectRoot(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [[code], said] = await Promise.all([once(demo, 'exit'), text(demo.stdout)]);
  const document = JSON.parse(said) as Document;
  expect(document).toMatchObject({ ok: true, drops: { 'foreign-subnet': 3, 'not-havip': 3, 'not-member': 3 } });
  expect(code).toBe(0);
  expect(document.failovers.map(({ cause }) => cause)).toEqual(['link-down', 'resign', 'link-down', 'link-down']);
  const [unassisted, , assisted, hastened] = document.failovers;
  expect(assisted!.clientOutageMs).toBeLessThan(unassisted!.clientOutageMs);
  expect(hastened!.clientOutageMs).toBeLessThan(assisted!.clientOutageMs);
  for (const { phasesMs } of document.failovers) {
    const { total, ...phases } = phasesMs;
    expect(Object.values(phases).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(total!, 3);
  }
});

interface HostsDocument {
  readonly ok: boolean;
  readonly hosts: number;
  readonly moves: readonly {
    readonly cause: string;
    readonly spreadMs: number | null;
    readonly remoteMs: readonly number[];
    readonly clientOutageMs: number;
  }[];
}

test.skipIf(process.getuid?.() !== 0)(
  'the demo of many hosts observes five moves (needs root)',
  { timeout: 180_000 },
  async () => {
    const demo = spawn(process.execPath, ['dist/native-fixtures/demo.js', 'hosts', '--json'], {
      cwd: projectRoot(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [[code], said] = await Promise.all([once(demo, 'exit'), text(demo.stdout)]);
    const document = JSON.parse(said) as HostsDocument;
    expect(document).toMatchObject({ ok: true, hosts: 3 });
    expect(code).toBe(0);
    expect(document.moves).toHaveLength(5);
    for (const { remoteMs, clientOutageMs } of document.moves) {
      expect(remoteMs).toHaveLength(2);
      expect(clientOutageMs).toBeGreaterThanOrEqual(0);
    }
    // Without the store there is no spread.
    expect(document.moves.map(({ spreadMs }) => spreadMs !== null)).toEqual([true, true, true, false, true]);
  },
);
