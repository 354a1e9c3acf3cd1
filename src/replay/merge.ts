/**
 * Claims of a file that is out of order, put in order of time. Main thread; only for such files: dumpcap writes the frames of several
 * interfaces as they come to it, and files that were joined stand one behind the other.
 *
 * What one interface saw of one port is a stream, and a stream is in order by itself. So where a stream goes back in time, the clock was
 * set back; everything behind that place is another era, which starts when the one before ended, and frames of two eras change no places.
 *
 *     in the file   a1 b3 a2 b4 | a1' b1' a2'          a stream goes back from 2 to 1: the clock was set back by 2 seconds or so
 *     told          a1 a2 b3 b4   a1' b1' a2'
 */
import * as SLOT from '../lane/slot.ts';
import { ClaimTape } from '../lane/tape.ts';
import type { JudgedRange } from './range.ts';

const { CAPTURED_NS, KIND, PORT, REFUSED, STREAM } = SLOT;

/** What goes back by less is sorted: CPUs that take timestamps, and writers of files, are not in step. */
const STEP_NS = 100e6;
/** As many are kept and sorted, some 300 MB. */
export const MOST_SORTED = 2_000_000;

interface Told {
  readonly tape: ClaimTape;
  readonly slot: number;
  ns: number;
  readonly refused: boolean;
}

export interface ClockStep {
  /** When, by the clock before it. */
  readonly atNs: number;
  /** How far everything behind it was moved forward. */
  readonly byNs: number;
}

export interface Merged {
  /** The earliest time. */
  readonly firstNs: number;
  readonly steps: readonly ClockStep[];
  /** Claims that stand behind a later one. */
  readonly late: number;
  /** Tapes with one claim each, in order; of a refused sample also its second. */
  readonly claims: Iterable<{ readonly tape: ClaimTape; readonly slot: number; readonly second: number }>;
}

/** @param claims of the whole file, in its order */
export function mergeByTime({ claims }: Pick<JudgedRange, 'claims'>): Merged {
  const told: Told[] = [];
  const tape = new ClaimTape(claims);
  for (let slot = 0; slot < tape.bytes.length; slot = tape.after(slot)) {
    told.push({ tape, slot, ns: tape.doubles[slot / 8 + CAPTURED_NS]!, refused: tape.words[(slot >> 2) + KIND] === REFUSED });
  }
  let late = 0;
  let latestNs = -Infinity;
  for (const { ns } of told) {
    if (ns < latestNs) late++;
    else latestNs = ns;
  }
  const steps: ClockStep[] = [];
  const eras = erasOf(told);
  let endNs = Number.NaN;
  for (const era of eras) {
    era.sort((a, b) => a.ns - b.ns);
    const startNs = era[0]?.ns ?? 0;
    if (!Number.isNaN(endNs)) {
      const byNs = endNs - startNs;
      steps.push({ atNs: endNs, byNs });
      for (const one of era) one.ns += byNs;
    }
    endNs = era.at(-1)?.ns ?? endNs;
  }
  return { firstNs: eras[0]?.[0]?.ns ?? 0, steps, late, claims: inOrder(eras) };
}

function* inOrder(eras: readonly Told[][]): Generator<{ tape: ClaimTape; slot: number; second: number }> {
  for (const era of eras)
    for (const { tape, slot, ns, refused } of era) {
      tape.doubles[slot / 8 + CAPTURED_NS] = ns;
      yield { tape, slot, second: refused ? Math.floor(ns / 1e9) : 0 };
    }
}

/** Cut where the clock was set back. */
function erasOf(told: readonly Told[]): Told[][] {
  const eras: Told[][] = [];
  let latest = new Map<string, number>();
  let from = 0;
  for (const [i, one] of told.entries()) {
    const words = one.tape.words.subarray(one.slot >> 2);
    const stream = `${words[PORT]} ${words[STREAM]}`;
    const before = latest.get(stream);
    if (before !== undefined && one.ns < before - STEP_NS) {
      const cut = startOfEra(told, from, i);
      eras.push(told.slice(from, cut));
      from = cut;
      latest = new Map();
    }
    latest.set(stream, Math.max(one.ns, latest.get(stream) ?? one.ns));
  }
  eras.push(told.slice(from));
  return eras;
}

/** Streams that were silent until then may have spoken first by the new clock. */
function startOfEra(told: readonly Told[], from: number, found: number): number {
  let latestNs = -Infinity;
  for (let i = from; i < found; i++) latestNs = Math.max(latestNs, told[i]!.ns);
  let cut = found;
  while (cut > from + 1 && told[cut - 1]!.ns < latestNs - STEP_NS && told[cut - 1]!.ns <= told[found]!.ns) cut--;
  return cut;
}
