/**
 * The store in trouble: it goes away and comes back, its leader is killed. Until when do three hosts say so, what do they cost meanwhile,
 * and how long until a move that was made without it is everywhere?
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../native-fixtures/lab/until.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { HostsRig } from './hosts-rig.ts';

const HAVIPS = 100;
/** Of Linux: clock ticks in a second. */
const TICKS = 100;

async function run({ small, print }: BenchOptions): Promise<void> {
  const rounds = small ? 1 : 5;
  const awayMs = small ? 2000 : 20_000;
  await using rig = await HostsRig.create(HAVIPS, { members: 3 });
  const { store } = rig.hosts;
  await rig.prepare(Array.from({ length: HAVIPS }, (_, i) => i));
  let next = 0;
  for (let round = 0; round < rounds; round++) {
    const beganMs = performance.now();
    for (const member of [0, 1, 2]) await store.kill(member);
    await connected(rig, 0);
    const noticedMs = performance.now() - beganMs;
    const [away, made] = [next++, next++];
    rig.claim([away, made], 1);
    await rig.has([away, made], 1, [1]);
    const before = cpuTicks(rig);
    await sleep(awayMs);
    const percent = ((cpuTicks(rig) - before) / TICKS / (awayMs / 1000) / 3) * 100;
    for (const member of [0, 1, 2]) store.run(member);
    await store.healthy();
    const backMs = performance.now();
    await connected(rig, 1);
    const synced = performance.now() - backMs;
    await until('nothing pending', async () => (await pendingOf(rig)) === 0, 30_000);
    await rig.has([away, made], 1);
    const caughtUp = performance.now() - backMs;
    print(
      `  away: said after ${noticedMs.toFixed(0)} ms, ${percent.toFixed(1)} % of a core an agent meanwhile; back: in touch ${synced.toFixed(0)} ms after etcd, moves made without it everywhere after ${caughtUp.toFixed(0)} ms`,
    );
  }
  for (let round = 0; round < rounds; round++) {
    const leader = await store.leader();
    const beganMs = performance.now();
    await store.kill(leader);
    const havip = next++;
    rig.claim([havip], 1);
    await rig.has([havip], 1);
    print(`  leader killed: a claim made then is on all hosts after ${(performance.now() - beganMs).toFixed(0)} ms`);
    store.run(leader);
    await store.healthy();
    await rig.synced();
  }
  for (const agent of rig.agents) await agent.stop();
}

async function connected(rig: HostsRig, value: 0 | 1): Promise<void> {
  for (const agent of rig.agents)
    await until(`store_connected ${value}`, async () => (await agent.metric('havip_store_connected')) === value, 30_000);
}

async function pendingOf(rig: HostsRig): Promise<number> {
  const counts = await Promise.all(rig.agents.map((agent) => agent.metric('havip_store_pending')));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Of all agents, user and system time. */
function cpuTicks({ agents }: HostsRig): number {
  return agents.reduce((sum, { process: { pid } }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + Number(fields[11]) + Number(fields[12]);
  }, 0);
}

export const bench: Bench = {
  name: 'store',
  question: 'what happens while the store is away, when it is back, and when its leader is killed?',
  run,
};
