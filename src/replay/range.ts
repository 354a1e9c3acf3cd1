/**
 * Replay, the hot half: one range of a capture file -> counters and claims. Runs in workers (replay/worker.ts), or on the caller's
 * thread for small files; the same function either way.
 *
 *     walk -> port -> decode -> judge -> count -> claims in slots of a tape (lane/teller.ts)
 *
 * A range is judged from an assumed place: its predecessor has not been read yet, so the worker looks for a record to start at.
 * replay.ts checks the assumption when the predecessor is done and has the range judged again when it was wrong.
 */
import { PROTOCOLS, VERDICTS } from '../base/verdict.ts';
import { Window } from '../pcap/file.ts';
import { Batch, type Records, type Section } from '../pcap/section.ts';
import { findRecord, walk } from '../pcap/walk.ts';
import { decodeView } from '../decode/frame.ts';
import { PROTOCOL_BITS, Sighting } from '../decode/sighting.ts';
import type { Policy } from '../filter/policy.ts';
import { ABSORBED, TALLIES } from '../lane/lane.ts';
import * as SLOT from '../lane/slot.ts';
import { ClaimTape } from '../lane/tape.ts';
import { Teller } from '../lane/teller.ts';
import { kindOf } from '../lane/writer.ts';
import { batchJudge } from './batch.ts';
import { type MappedFile, PortFinder, type PortTables } from './ports.ts';

const { ADVERT, CAPTURED_NS, REFUSED, RESIGN, STREAM } = SLOT;

/** Interfaces of the file beyond so many share their streams: STREAM has 32 bits, the kernel's number most of them. */
const MOST_INTERFACES = 16;

export interface Range {
  readonly file: MappedFile;
  /** The section taken to be in force at `start`. */
  readonly section: Section;
  readonly start: number;
  readonly limit: number;
  /** `start` is known to be the start of a record. */
  readonly exact: boolean;
  /** The file is out of order: each port's budget by its own clock, for claims that will be sorted (replay/merge.ts). */
  readonly unordered?: boolean;
}

export interface JudgedRange {
  /** Where the first record was taken to start; null when none seemed to start in the range. */
  readonly start: number | null;
  /** Where the first record after the range starts, or what is no record stands. */
  readonly end: number;
  readonly frames: number;
  /** By index into PROTOCOLS and VERDICTS. */
  readonly protocols: Float64Array;
  readonly verdicts: Float64Array;
  /** A ClaimTape of claims in the order of the file. Times count from the file's base second; NaN: the file says none. */
  readonly claims: ArrayBuffer;
  /** Of the samples of refused frames among them, in their order: the second of the frame's own time. */
  readonly refusedSeconds: readonly number[];
  /** Claims that are not in there, since they exceed their budget whatever was said before the range. */
  readonly absorbed: number;
  /** The latest time of all claims, those included; that of the file's first frame when none is later. */
  readonly claimsUntilNs: number;
  /** Time of the last frame; NaN when the range has none that says one. */
  readonly lastNs: number;
  /** The section in force at the end, when it is another one. */
  readonly section: Section | null;
  /** Packets that could not be judged: Records.skipped. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Frames that say no time. */
  readonly untimed: number;
  readonly problem: string | null;
}

/** @returns the judge of ranges, for one thread: it keeps a window of the file and judges one range at a time */
export function rangeJudge(policy: Policy, ports: PortTables): (range: Range) => JudgedRange {
  const finder = new PortFinder(ports);
  const window = new Window();
  const { bytes, view } = window;
  const sighting = new Sighting();
  const batch = new Batch();
  const { offsets, captured } = batch;
  const judged = batchJudge(policy, view, finder, batch, sighting);
  const tape = new ClaimTape();
  const tallies = new Float64Array(TALLIES);
  const teller = new Teller({ urgent: tape, routine: tape, tallies }, sighting, null);
  teller.follow(policy);
  let current: Range | null = null;
  let refusedSeconds: number[] = [];
  // The clock is that of the claims and never runs backwards, as the ledger's (replay/history.ts). Not a number before the first range:
  // V8 then makes it a double from the start, and need not compile all anew when 2^31 ns are over.
  let nowNs = Number.NaN;

  const tell = (k: number, records: Records) => {
    const i = judged.told[k]!;
    const verdict = judged.toldVerdicts[k]!;
    const port = judged.toldPorts[k]!;
    const at = offsets[i]!;
    const kind = kindOf(verdict);
    // A frame without a time is as late as the claim before.
    const said = records.timeNs(batch, i);
    const ns = Number.isNaN(said) ? nowNs : said;
    const first = tape.used;
    // The sighting is that of the batch's last frame.
    sighting.havip = judged.toldHavips[k]!;
    if (kind === REFUSED) {
      refusedSeconds.push(Math.floor(said / 1e9) || 0);
      // It does not set the clock: the first of a range may be one that the range before has told already.
      teller.refusal(verdict, port, ns, bytes, at, captured[i]!, 0);
    } else {
      if (ns > nowNs) nowNs = ns;
      if (kind === ADVERT || kind === RESIGN) decodeView(view, at, captured[i]!, 0, sighting);
      const budgetNs = current?.unordered === true ? ns : nowNs;
      if (kind < 0) teller.evidence(verdict, port, budgetNs, bytes, at, captured[i]!);
      else teller.claim(kind, verdict, port, budgetNs, bytes, at, captured[i]!);
    }
    stamp(tape, first, batch.interfaces[i]! + (batch.directed ? batch.ifindexes[i]! * MOST_INTERFACES : 0), ns);
  };

  const onBatch = (_: Batch, records: Records) => {
    const count = judged.judge(records, finder.ofInterfaces(records.section, current?.file.any));
    for (let k = 0; k < count; k++) tell(k, records);
  };

  return (range) => {
    const { file, section, start: from, limit, exact } = (current = range);
    judged.reset();
    refusedSeconds = [];
    tallies.fill(0);
    teller.forget();
    nowNs = file.firstNs;
    const start = exact ? from : findRecord(file, section, from, limit, window);
    const walked = walk(file, section, start ?? limit, limit, window, onBatch, batch);
    return {
      ...walked,
      start,
      ...sumsOf(judged.counts),
      claims: tape.cut(),
      refusedSeconds,
      absorbed: tallies[ABSORBED]!,
      claimsUntilNs: nowNs,
      section: walked.section === section ? null : walked.section,
    };
  };
}

/** Slots from `first` on: in what stream they came, and when by their own clock. */
function stamp(tape: ClaimTape, first: number, stream: number, ns: number): void {
  for (let slot = first; slot < tape.used; slot = tape.after(slot)) {
    tape.words[(slot >> 2) + STREAM] = stream;
    tape.doubles[slot / 8 + CAPTURED_NS] = ns;
  }
}

function sumsOf(counts: Int32Array): Pick<JudgedRange, 'protocols' | 'verdicts'> {
  const protocols = new Float64Array(PROTOCOLS.length);
  const verdicts = new Float64Array(VERDICTS.length);
  for (const [i, count] of counts.entries()) {
    verdicts[i >> PROTOCOL_BITS]! += count;
    protocols[i & (2 ** PROTOCOL_BITS - 1)]! += count;
  }
  return { protocols, verdicts };
}
