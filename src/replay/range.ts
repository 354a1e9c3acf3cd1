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
import { type CaptureFile, Window } from '../pcap/file.ts';
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
import { PortFinder, type PortTables } from './ports.ts';

const { ADVERT, REFUSED, RESIGN } = SLOT;

export interface Range {
  readonly file: CaptureFile;
  /** The section taken to be in force at `start`. */
  readonly section: Section;
  readonly start: number;
  readonly limit: number;
  /** `start` is known to be the start of a record. */
  readonly exact: boolean;
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
  const teller = new Teller({ urgent: tape, routine: tape, tallies }, sighting);
  teller.follow(policy);
  let known: Section | null = null;
  let interfacePorts: Int32Array = new Int32Array(0);
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
    const ns = records.timeNs(batch, i);
    // The sighting is that of the batch's last frame.
    sighting.havip = judged.toldHavips[k]!;
    if (kind === REFUSED) {
      refusedSeconds.push(Math.floor(ns / 1e9) || 0);
      // It does not set the clock: the first of a range may be one that the range before has told already.
      teller.refusal(verdict, port, ns > nowNs ? ns : nowNs, bytes, at, captured[i]!, 0);
    } else {
      if (ns > nowNs) nowNs = ns;
      if (kind === ADVERT || kind === RESIGN) decodeView(view, at, captured[i]!, 0, sighting);
      teller.claim(kind, verdict, port, nowNs, bytes, at, captured[i]!);
    }
  };

  const onBatch = (_: Batch, records: Records) => {
    if (records.section !== known) {
      known = records.section;
      interfacePorts = finder.ofInterfaces(known);
    }
    const count = judged.judge(batch.count, interfacePorts);
    for (let k = 0; k < count; k++) tell(k, records);
  };

  return ({ file, section, start: from, limit, exact }) => {
    judged.reset();
    refusedSeconds = [];
    tallies.fill(0);
    teller.forget();
    nowNs = file.firstNs;
    const start = exact ? from : findRecord(file, section, from, limit, window);
    const walked = walk(file, section, start ?? limit, limit, window, onBatch, batch);
    return {
      start,
      end: walked.end,
      frames: walked.frames,
      ...sumsOf(judged.counts),
      claims: tape.cut(),
      refusedSeconds,
      absorbed: tallies[ABSORBED]!,
      claimsUntilNs: nowNs,
      lastNs: walked.lastNs,
      section: walked.section === section ? null : walked.section,
      problem: walked.problem,
    };
  };
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
