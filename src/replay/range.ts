/**
 * Replay, the hot half: one range of a capture file -> counters and claims. Runs in workers (replay/worker.ts), or on the caller's
 * thread for small files; the same function either way.
 *
 *     walk -> port -> decode -> judge -> count -> claims in slots of shared memory (lane/ring.ts)
 *
 * A range is judged from an assumed place: its predecessor has not been read yet, so the worker looks for a record to start at.
 * replay.ts checks the assumption when the predecessor is done and has the range judged again when it was wrong.
 */
import { PROTOCOLS, VERDICTS } from '../base/verdict.ts';
import { type CaptureFile, Window } from '../pcap/file.ts';
import { Batch, type Records, type Section } from '../pcap/section.ts';
import { findRecord, walk } from '../pcap/walk.ts';
import { decodeView } from '../decode/frame.ts';
import { OTHER, PROTOCOL_BITS, Sighting, VRRP } from '../decode/sighting.ts';
import { eachAdvertisedHavip } from '../filter/judge.ts';
import { HAVIP_WORDS, Policy } from '../filter/policy.ts';
import { newAdvertBudget, newClaimBudget } from '../lane/budget.ts';
import { ClaimTape } from '../lane/tape.ts';
import { ADVERT, kindOf, pushClaim, REFUSED, RELEASE } from '../lane/writer.ts';
import { batchJudge } from './batch.ts';
import { PortFinder, type PortTables } from './ports.ts';

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
export function rangeJudge(policyMemory: SharedArrayBuffer, ports: PortTables): (range: Range) => JudgedRange {
  const policy = new Policy(policyMemory);
  const finder = new PortFinder(ports);
  const window = new Window();
  const { bytes, view } = window;
  const sighting = new Sighting();
  const batch = new Batch();
  const { offsets, captured } = batch;
  const judged = batchJudge(policy, view, finder, batch, sighting);
  const log = new ClaimLog(policy, bytes, sighting);
  let known: Section | null = null;
  let interfacePorts: Int32Array = new Int32Array(0);

  const tell = (k: number, records: Records) => {
    const i = judged.told[k]!;
    const verdict = judged.toldVerdicts[k]!;
    const port = judged.toldPorts[k]!;
    const at = offsets[i]!;
    // The sighting is that of the batch's last frame.
    decodeView(view, at, captured[i]!, 0, sighting);
    sighting.havip = judged.toldHavips[k]!;
    const kind = kindOf(verdict);
    const ns = records.timeNs(batch, i);
    if (kind >= 0) log.take(kind, verdict, port, at, captured[i]!, ns);
    else log.refuse(verdict, port, at, captured[i]!, ns);
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
    log.reset(file.firstNs);
    const start = exact ? from : findRecord(file, section, from, limit, window);
    const walked = walk(file, section, start ?? limit, limit, window, onBatch, batch);
    return {
      start,
      end: walked.end,
      frames: walked.frames,
      ...sumsOf(judged.counts),
      claims: log.tape.cut(),
      refusedSeconds: log.refusedSeconds,
      absorbed: log.absorbed,
      claimsUntilNs: log.nowNs,
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

/** What is told of a range. Its clock is that of its claims and never runs backwards, as the ledger's (replay/history.ts). */
class ClaimLog {
  readonly tape = new ClaimTape();
  refusedSeconds: number[] = [];
  absorbed = 0;
  /** Not a number before the first range: V8 then makes it a double from the start, and need not compile all anew when 2^31 ns are over. */
  nowNs = Number.NaN;
  readonly #claimBudget = newClaimBudget();
  readonly #advertBudget = newAdvertBudget();
  readonly tallies = new Float64Array(3);
  readonly #policy: Policy;
  readonly #bytes: Uint8Array;
  readonly #sighting: Sighting;

  constructor(policy: Policy, bytes: Uint8Array, sighting: Sighting) {
    this.#policy = policy;
    this.#bytes = bytes;
    this.#sighting = sighting;
  }

  reset(nowNs: number): void {
    this.refusedSeconds = [];
    this.absorbed = 0;
    this.nowNs = nowNs;
    this.#claimBudget.refill();
    this.#advertBudget.refill();
  }

  /** The sighting is the frame’s. */
  take(kind: number, verdict: number, port: number, at: number, captured: number, ns: number): void {
    if (ns > this.nowNs) this.nowNs = ns;
    if (kind === ADVERT || kind === RELEASE) {
      const { words, havipsAt } = this.#policy;
      eachAdvertisedHavip(this.#policy, this.#bytes, at, port, this.#sighting, (havip) => {
        this.#claim(kind, verdict, port, havip, words[havipsAt + havip * HAVIP_WORDS + 2]!, at, captured);
      });
    } else {
      this.#claim(kind, verdict, port, this.#sighting.havip, this.#sighting.senderAddress, at, captured);
    }
  }

  #claim(kind: number, verdict: number, port: number, havip: number, address: number, at: number, captured: number): void {
    const budget = kind === ADVERT ? this.#advertBudget : this.#claimBudget;
    if (budget.take(port, havip, kind, this.nowNs)) this.#push(kind, verdict, port, havip, address, this.nowNs, at, captured);
    else this.absorbed++;
  }

  /** A sample of what was dropped, as worker.ts takes them. The sighting is the frame's. */
  refuse(verdict: number, port: number, at: number, captured: number, ns: number): void {
    const s = this.#sighting;
    const address = s.protocol === VRRP ? s.ipSource : s.protocol === OTHER ? 0 : s.senderAddress;
    this.refusedSeconds.push(Math.floor(ns / 1e9) || 0);
    // It does not set the clock: the first of a range may be one that the range before has told already.
    this.#push(REFUSED, verdict, port, s.havip, address, ns > this.nowNs ? ns : this.nowNs, at, captured);
  }

  #push(
    kind: number,
    verdict: number,
    port: number,
    havip: number,
    address: number,
    ns: number,
    at: number,
    captured: number,
  ): void {
    pushClaim(this, this.tape, kind, verdict, port, havip, address, ns, this.#sighting, this.#bytes, at, captured);
  }
}
