/**
 * Moves from host to host through etcd, each awaited: from the frame's send(2) until the kernel of the new holder's host, of the old one's
 * and of a third one has announced it to this process. And the gap of a client on the third host whose ARP cache is pinned.
 */
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../native-fixtures/lab/ping.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { addressOf, HostsRig, type Move } from './hosts-rig.ts';
import { quantile } from './quantile.ts';

const PLACES = [
  ['disk', tmpdir()],
  ['tmpfs', '/dev/shm'],
] as const;
const GROUP = 50;
const PAUSE_MS = 10;
const PING_MS = 1;

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

async function run({ small, print }: BenchOptions): Promise<void> {
  const counts = small ? { moves: 10, gaps: 2, groups: 1, races: 5 } : { moves: 210, gaps: 40, groups: 20, races: 100 };
  for (const [place, below] of PLACES) {
    const { moves, gaps, groups, races } = counts;
    const total = moves + gaps + groups * GROUP + races;
    await using rig = await HostsRig.create(total, { below });
    await rig.prepare(range(0, moves + gaps + groups * GROUP));
    print(`  etcd's data on ${place}; milliseconds from the frame, p50 / p99 / most`);
    printMoves(await oneByOne(rig, range(0, moves)), print);
    const outages = await clientGaps(rig, range(moves, gaps));
    print(`    client with a pinned ARP cache, 1 request/ms: gap ${row(outages)}, ${gaps} moves`);
    const firstOf = (group: number) => moves + gaps + group * GROUP;
    const together = [];
    for (const group of range(0, groups)) {
      const havips = range(firstOf(group), GROUP);
      await sleep(PAUSE_MS * 10);
      const sentNs = rig.claim(havips, 1);
      const seenNs = await rig.has(havips, 1);
      together.push((Math.max(...seenNs.values()) - sentNs) / 1e6);
    }
    print(`    ${GROUP} HAVIPs at once, the last on the last host: ${row(together)}, ${groups} groups`);
    await raceAll(rig, range(firstOf(groups), races), print);
    for (const agent of rig.agents) await agent.stop();
  }
}

async function oneByOne(rig: HostsRig, havips: readonly number[]): Promise<Move[]> {
  const moves: Move[] = [];
  for (const havip of havips) {
    await sleep(PAUSE_MS);
    moves.push(await rig.move(havip));
  }
  return moves;
}

function printMoves(moves: readonly Move[], print: (line: string) => void): void {
  const of = (key: keyof Move) => row(moves.map((move) => move[key]));
  print(`    own host    ${of('own')}`);
  print(`    old host    ${of('old')}`);
  print(`    third host  ${of('third')}`);
  print(`    decision to the store's acknowledgement  ${of('store')}; ${moves.length} moves, each awaited`);
}

/** Both guests have the address, and the third host's client asks the one that its cache is pinned to. */
async function clientGaps(rig: HostsRig, havips: readonly number[]): Promise<number[]> {
  const { hosts } = rig;
  const client = hosts.guest('client');
  const gaps: number[] = [];
  for (const guest of ['cvm-1', 'cvm-2'])
    await hosts.guest(guest).space.ip(...havips.map((havip) => `addr add ${addressOf(havip)}/32 dev eth0`));
  for (const havip of havips) {
    const address = addressOf(havip);
    await client.space.ip(`route replace ${address}/32 dev eth0`);
    await client.pinNeighbour(address, rig.macOf(0));
    const ping = client.ping(address, { intervalMs: PING_MS, limitMs: 20_000 });
    await ping.reply(20_000);
    await sleep(100);
    const sinceMs = monotonicMs();
    rig.claim([havip], 1);
    await rig.has([havip], 1);
    // A reply of the time before may be read only now.
    const movedMs = monotonicMs();
    while ((await ping.reply(20_000)).atMs < movedMs);
    const outage = await ping.outageUntilReply(sinceMs, 20_000);
    gaps.push(outage?.durationMs ?? 0);
    await ping.stop();
  }
  return gaps;
}

async function raceAll(rig: HostsRig, havips: readonly number[], print: (line: string) => void): Promise<void> {
  let agreed = 0;
  const apartMs: number[] = [];
  for (const [round, havip] of havips.entries()) {
    const race = await rig.race(havip, round % 2 === 0 ? 0 : 1);
    apartMs.push(race.apartMs);
    if (race.holders.every((mac) => mac !== undefined && mac === race.holders[0])) agreed++;
  }
  const within = apartMs.filter((ms) => ms <= 1).length;
  print(
    `    two hosts claim, ${quantile(apartMs, 0.5).toFixed(2)} ms apart p50, ${within} within 1 ms: all kernels agree in ${agreed} of ${havips.length} rounds`,
  );
  if (agreed !== havips.length)
    throw new Error(`hosts: ${havips.length - agreed} of ${havips.length} races ended without one holder`);
}

function row(values: readonly number[]): string {
  return [0.5, 0.99, 1].map((q) => quantile(values, q).toFixed(1)).join(' / ');
}

export const bench: Bench = {
  name: 'hosts',
  question: 'how long until all hosts send packets to a new holder on another host, and do they agree?',
  run,
};
