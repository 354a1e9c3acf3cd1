/**
 * An address outside while its HAVIP moves: does any packet go to the old holder after the transaction, how much longer is its gap than the HAVIP's
 * own, and what do 10,000 of them cost a start and a claim?
 *
 * Moves are planned: both guests have the addresses, and the other one announces one; each HAVIP moves once, so that nothing holds it back. A client
 * outside asks its EIP 1,250 times a second, one inside the HAVIP as often. What goes to each guest is captured at its tap; who holds it is the
 * kernel's announcement of the transaction.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { CLIENT, Outside, withEip } from '../native-fixtures/lab/outside.ts';
import { Ping, type Reply } from '../native-fixtures/lab/ping.ts';
import type { LabProcess } from '../native-fixtures/lab/process.ts';
import { SwitchWatch } from '../native-fixtures/lab/switch-watch.ts';
import { beWitness } from '../native-fixtures/lab/witness.ts';
import { systemClock } from '../src/base/clock.ts';
import { type Bench, median } from './bench.ts';
import { manyEips } from './eip-many.ts';

type Print = (line: string) => void;

const GUESTS = ['cvm-1', 'cvm-2'] as const;
const ASKING = { intervalMs: 0.8, limitMs: 20_000, realtime: true };
const LIMIT_MS = 20_000;
/** Around a move, where its gap is looked for. */
const BEFORE_MS = 20;
const AFTER_MS = 150;
const LOST_MS = 5000;

/** HAVIP i and its EIP. */
const havip = (i: number) => `172.17.16.${130 + i}`;
const eip = (i: number) => `203.0.113.${100 + i}`;

interface Moved {
  readonly havip: string;
  /** On the monotonic clock: the announcement, and the kernel's word of the transaction. */
  readonly sentMs: number;
  readonly seenMs: number;
  readonly outside: readonly Reply[];
  readonly inside: readonly Reply[];
}

interface Packet {
  readonly atMs: number;
  readonly guest: number;
}

export const bench: Bench = {
  name: 'eip',
  question: 'do packets to an EIP follow the holder at once, and what do 10,000 EIPs cost?',
  async run({ small, print }) {
    beWitness();
    await moves(small ? 3 : 100, print);
    await manyEips(small, print);
  },
};

async function moves(rounds: number, print: Print): Promise<void> {
  await using lab = await Lab.create({ guests: [...GUESTS, 'client'] });
  await using outside = await Outside.build(lab.name, [lab.host]);
  await lab.startAgent({ config: configOf(lab, rounds), realtime: true });
  const guests = GUESTS.map((name) => lab.guest(name));
  for (const { space } of guests) {
    // They say nothing but what is said here.
    await space.exec(['sysctl', '-q', '-w', 'net.ipv4.conf.all.arp_ignore=8', 'net.ipv4.conf.all.arp_announce=2']);
    for (let i = 0; i < rounds; i++) await space.ip(`addr add ${havip(i)}/32 dev eth0`);
  }
  const wires = guests.map((guest) => guest.openWire());
  const watch = new SwitchWatch(lab.host.path);
  const taps = guests.map(({ spec }) => capture(lab, spec.tap));
  const claim = (i: number, to: number) => {
    const { mac } = guests[to]!.spec;
    const sentMs = systemClock.nowNs() / 1e6;
    wires[to]!.send(arp({ source: mac, senderAddress: havip(i) }));
    for (;;) {
      const change = watch.next(LOST_MS);
      if (change === null) throw new Error(`eip: the claim of ${GUESTS[to]} was not taken`);
      if (change.flows.get(havip(i)) === mac) return { sentMs, seenMs: change.seenNs / 1e6 };
    }
  };
  try {
    for (const tap of taps) await tap.when('tcpdump', () => tap.stderr.some((line) => line.includes('listening')) || undefined);
    const moved: Moved[] = [];
    for (let i = 0; i < rounds; i++) {
      // Nobody but the switch tells the client of a move.
      await lab.guest('client').pinNeighbour(havip(i), guests[0]!.spec.mac);
      claim(i, 0);
      const pings = [new Ping(outside.client, eip(i), ASKING), lab.guest('client').ping(havip(i), ASKING)];
      await Promise.all(pings.map((ping) => ping.reply(LIMIT_MS)));
      await sleep(AFTER_MS);
      const at = claim(i, 1);
      await sleep(AFTER_MS + 50);
      const [outer, inner] = pings.map(({ replies }) => replies);
      await Promise.all(pings.map((ping) => ping.stop()));
      moved.push({ havip: havip(i), ...at, outside: outer!, inside: inner! });
    }
    for (const tap of taps) await tap.stop();
    report(moved, packetsOf(taps), print);
  } finally {
    for (const wire of wires) wire.close();
    watch.close();
  }
}

function configOf(lab: Lab, rounds: number): string {
  return lab.config((config) => {
    withEip(config);
    const all = Array.from({ length: rounds }, (_, i) => i);
    config.eips = all.map((i) => ({ id: `eip-${i}`, address: eip(i), havip: `move-${i}` }));
    for (const i of all) config.vpcs[0]!.havips.push({ id: `move-${i}`, subnet: 'subnet-a', address: havip(i) });
  });
}

/** What is sent into a guest for the EIP, and when, by the kernel's timestamp. */
function capture(lab: Lab, tap: string): LabProcess {
  const filter = `icmp[icmptype] = icmp-echo and src ${CLIENT}`;
  const options = ['-n', '-q', '-tt', '--time-stamp-precision=nano', '--immediate-mode', '-B', '8192', '-i', tap, '-Q', 'out'];
  return lab.host.spawn(['tcpdump', ...options, filter]);
}

/** By HAVIP, in the order of time, on the monotonic clock. */
function packetsOf(taps: readonly LabProcess[]): Map<string, Packet[]> {
  const offsetMs = wallAheadMs();
  const packets = new Map<string, Packet[]>();
  for (const [guest, { stdout }] of taps.entries())
    for (const line of stdout) {
      const [, time, to] = /^(\d+\.\d{9}) IP \S+ > ([\d.]+):/.exec(line) ?? [];
      if (time === undefined || to === undefined) continue;
      const list = packets.get(to) ?? [];
      packets.set(to, list);
      list.push({ atMs: Number(time) * 1000 - offsetMs, guest });
    }
  for (const list of packets.values()) list.sort((a, b) => a.atMs - b.atMs);
  return packets;
}

/** The wall clock tells whole milliseconds: right after a tick it is right. */
function wallAheadMs(): number {
  let aheadMs = -Infinity;
  for (const endNs = systemClock.nowNs() + 20e6; systemClock.nowNs() < endNs;)
    aheadMs = Math.max(aheadMs, Date.now() - systemClock.nowNs() / 1e6);
  return aheadMs;
}

function report(moved: readonly Moved[], packets: ReadonlyMap<string, readonly Packet[]>, print: Print): void {
  let [all, late, back, seconds] = [0, 0, 0, 0];
  for (const { havip: address, seenMs } of moved) {
    const list = packets.get(address) ?? [];
    all += list.length;
    seconds += ((list.at(-1)?.atMs ?? 0) - (list[0]?.atMs ?? 0)) / 1000;
    late += list.filter(({ atMs, guest }) => guest === 0 && atMs > seenMs).length;
    const first = list.findIndex(({ guest }) => guest === 1);
    if (first <= 0) throw new Error(`eip: ${address} did not go to one guest and then to the other`);
    back += list.slice(first).filter(({ guest }) => guest === 0).length;
  }
  print(`  ${moved.length} planned moves, ${all} packets for EIPs, ${Math.round(all / seconds)} a second`);
  print(`  to the old holder after the kernel told of the transaction ${late}, after the new holder's first one ${back}`);
  const gaps = moved.map((one) => ({ eip: gapAt(one, one.outside), havip: gapAt(one, one.inside) }));
  print(
    `  longest time without an answer: EIP ${column(gaps.map((one) => one.eip))}; HAVIP ${column(gaps.map((one) => one.havip))}`,
  );
  print(`  EIP above HAVIP, by pairs: ${column(gaps.map((one) => one.eip - one.havip))}`);
  if (late + back > 0) throw new Error('eip: packets went to the old holder after the transaction');
}

function column(ms: readonly number[]): string {
  return `median ${median(ms).toFixed(2)}, max ${Math.max(...ms).toFixed(2)} ms`;
}

/** The longest time between two replies around a move. */
function gapAt({ sentMs }: Moved, replies: readonly Reply[]): number {
  const near = replies.filter(({ atMs }) => atMs > sentMs - BEFORE_MS && atMs < sentMs + AFTER_MS);
  return Math.max(...near.map(({ atMs }, i) => atMs - (near[i - 1]?.atMs ?? atMs)));
}
