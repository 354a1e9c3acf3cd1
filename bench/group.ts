/**
 * A sync group moves: 50 HAVIPs of one guest are announced by the other at once, five times each, in rounds as keepalived does. The
 * agent's figure is the time from the capture of the last HAVIP's first claim to its acknowledged transaction, which is the last; the
 * witness' goes from the send(2) of that claim until this process, which sends the repetitions meanwhile, has read the kernel's
 * announcement. Every round moves other HAVIPs, so that nothing holds them back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, median } from './bench.ts';
import type { FlowChange } from '../native-fixtures/lab/switch-watch.ts';
import { addressOf, Takeovers } from './takeovers.ts';

const GROUP = 50;
const ANNOUNCEMENTS = 5;
const PAUSE_MS = 50;

interface Move {
  readonly ms: number;
  readonly transactions: number;
}

export const bench: Bench = {
  name: 'group',
  question: 'how long until the last of 50 HAVIPs that move at once is programmed, and in how many transactions?',
  async run({ small, print }) {
    const rounds = small ? 3 : 20;
    using rig = await Takeovers.create(rounds * GROUP);
    const moves: Move[] = [];
    for (let round = 0; round < rounds; round++) {
      const group = Array.from({ length: GROUP }, (_, i) => round * GROUP + i);
      for (const havip of group) rig.claim(havip, 0);
      await sleep(PAUSE_MS);
      moves.push(moveGroup(rig, group));
    }
    const failovers = await rig.failovers(rounds * GROUP);
    const own = moves.map((_move, round) => {
      const { verdict, programming = Infinity } = failovers.get(round * GROUP + GROUP - 1)!;
      return verdict + programming;
    });
    print(`  ${moves.length} groups of ${GROUP}, ${failovers.size} failovers`);
    print(`  last claim to last programmed, ms: agent ${spread(own)}; witness ${spread(moves.map((move) => move.ms))}`);
    print(`  transactions: ${spread(moves.map((move) => move.transactions))}`);
  },
};

function spread(values: readonly number[]): string {
  return `p50 ${hundredths(median(values))}, most ${hundredths(Math.max(...values))}`;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function moveGroup(rig: Takeovers, group: readonly number[]): Move {
  const claims = group.map((havip) => rig.frame(havip, 1));
  const left = new Set(group.map(addressOf));
  let transactions = 0;
  let seenNs = 0;
  const note = (change: FlowChange | null) => {
    if (change === null) return;
    transactions++;
    seenNs = change.seenNs;
    for (const [address, mac] of change.flows) if (mac === rig.macOf(1)) left.delete(address);
  };
  const lastSentNs = rig.burst(claims, 1);
  for (let again = 1; again < ANNOUNCEMENTS; again++) {
    for (let at = 0; at < claims.length; at += 10) {
      note(rig.nextChange(0));
      rig.burst(claims.slice(at, at + 10), 1);
    }
  }
  while (left.size > 0) {
    const change = rig.nextChange();
    if (change === null) throw new Error(`group: ${left.size} of ${group.length} HAVIPs were not moved`);
    note(change);
  }
  return { ms: (seenNs - lastSentNs) / 1e6, transactions };
}
