/**
 * Never worse than without us, on two hosts: the client's longest gap with agents and without, by turns in one lab. Needs root.
 *
 * Throws when an agent tells a wrong holder or cause afterwards; the gaps are compared by test/lab/uplinks.test.ts.
 */
import type { HavipView } from '../src/ledger/view.ts';
import { type Bench, type BenchOptions, median } from './bench.ts';
import { type Fault, FAULTS, type Gap, type Mode, MODES, UplinksRig } from './uplinks-rig.ts';

const ROUNDS = 3;
const CAUSES: Readonly<Record<Fault, readonly string[]>> = {
  'clean stop': ['resign'],
  'processes killed, address gone': ['silence'],
  'link down': ['link-down', 'resign'],
};

/** Gaps of some rounds, each mode and fault once in each. */
export async function measureGaps(rounds: number, modes: readonly Mode[], onGap: (gap: Gap) => void = () => {}): Promise<Gap[]> {
  await using rig = await UplinksRig.create();
  const gaps: Gap[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const mode of modes) {
      for (const fault of FAULTS) {
        const gap = await rig.run(mode, fault);
        const wrong = wrongIn(gap);
        if (wrong !== null) throw new Error(`${fault}, ${mode}: ${wrong}`);
        gaps.push(gap);
        onGap(gap);
      }
    }
  }
  return gaps;
}

const isOn = (view: HavipView, name: string) => view.holder?.instance === 'cvm-2' && view.holder.interface === name;

/** What is wrong with what the agents say afterwards; speed is not looked at. */
function wrongIn({ mode, fault, views }: Gap): string | null {
  if (views === null) return null;
  const [old, next] = views;
  if (!isOn(old, 'up0')) return `host-a says that ${JSON.stringify(old.holder)} holds it`;
  if (!isOn(next, 'tap13')) return `host-b says that ${JSON.stringify(next.holder)} holds it`;
  // Through a store the new holder's host tells the cause; of a link it knows what it heard: nothing more.
  const cause = (mode === 'agents, etcd' ? next : old).lastFailover?.cause ?? 'none';
  const expected = mode === 'agents, etcd' ? [...CAUSES[fault], 'silence'] : CAUSES[fault];
  return expected.includes(cause) ? null : `the cause was ${cause}`;
}

export function medianGapMs(gaps: readonly Gap[], mode: Mode, fault: Fault): number {
  return median(gaps.filter((gap) => gap.mode === mode && gap.fault === fault).map(({ gapMs }) => gapMs));
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(32) : cell.padStart(18))).join('');
}

async function run({ small, print }: BenchOptions): Promise<void> {
  const gaps = await measureGaps(small ? 1 : ROUNDS, MODES);
  print(row(['fault of the holder', ...MODES]));
  for (const fault of FAULTS)
    print(row([fault, ...MODES.map((mode) => `${(medianGapMs(gaps, mode, fault) / 1000).toFixed(2)} s`)]));
  print(`${gaps.length} failures, a gap each: from the last reply before to the first one after, pings 50 ms apart`);
}

export const bench: Bench = {
  name: 'uplinks',
  question:
    "how long does a client hear nothing when the holder fails and the other member is on another host, keepalived's reference configuration?",
  run,
};
