/**
 * Replay, the hot half: one range of a capture file -> counters and claims. Runs in workers (replay-worker.ts), or on the caller's
 * thread for small files; the same function either way.
 *
 *     walk -> port -> decode -> judge -> count -> claims in slots of shared memory (lane/ring.ts)
 *
 * A range is judged from an assumed place: its predecessor has not been read yet, so the worker looks for a record to start at.
 * replay.ts checks the assumption when the predecessor is done and has the range judged again when it was wrong.
 */
import { PROTOCOLS, VERDICTS } from './base/verdict.ts';
import { type CaptureFile, Window } from './capture/pcap-file.ts';
import { Batch, type Records, type Section } from './capture/pcap-section.ts';
import { findRecord, walk } from './capture/pcap-walk.ts';
import { decodeFrame } from './decode/frame.ts';
import { OTHER, PROTOCOL_BITS, Sighting, VRRP } from './decode/sighting.ts';
import { eachAdvertisedHavip, judgeView } from './filter/judge.ts';
import { HAVIP_WORDS, Policy } from './filter/policy.ts';
import { ClaimRing } from './lane/ring.ts';
import { ADVERT, kindOf, pushClaim, REFUSED, RELEASE } from './lane/writer.ts';
import { batchJudge } from './replay-batch.ts';
import { PortFinder, type PortTables } from './replay-ports.ts';

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
  /** Claims in the order of the file, in rings of CLAIM_SLOTS. Times count from the file's base second; NaN: the file says none. */
  readonly claims: readonly SharedArrayBuffer[];
  /** Time of the last frame; NaN when the range has none that says one. */
  readonly lastNs: number;
  /** The section in force at the end, when it is another one. */
  readonly section: Section | null;
  readonly problem: string | null;
}

/** Slots of one ring of claims: 64 KiB. */
export const CLAIM_SLOTS = 128;

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
  let log = new ClaimLog(policy, bytes, sighting);
  let known: Section | null = null;
  let interfacePorts: Int32Array = new Int32Array(0);

  const tell = (i: number, port: number, records: Records) => {
    const at = offsets[i]!;
    // Once more: the sighting is that of the batch's last frame.
    const verdict = judgeView(policy, view, at, captured[i]!, 0, port, sighting);
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
    for (let k = 0; k < count; k++) tell(judged.told[k]!, judged.toldPorts[k]!, records);
  };

  return ({ file, section, start: from, limit, exact }) => {
    judged.reset();
    log = new ClaimLog(policy, bytes, sighting);
    const start = exact ? from : findRecord(file, section, from, limit, window);
    const walked = walk(file, section, start ?? limit, limit, window, onBatch, batch);
    return {
      start,
      end: walked.end,
      frames: walked.frames,
      ...sumsOf(judged.counts),
      claims: log.blocks,
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

/** Claims of one range: rings that nobody reads before the range is done, so a full one is followed by another. */
class ClaimLog {
  readonly blocks: SharedArrayBuffer[] = [];
  readonly tallies = new Float64Array(3);
  readonly #policy: Policy;
  readonly #bytes: Uint8Array;
  readonly #sighting: Sighting;
  #ring: ClaimRing | null = null;

  constructor(policy: Policy, bytes: Uint8Array, sighting: Sighting) {
    this.#policy = policy;
    this.#bytes = bytes;
    this.#sighting = sighting;
  }

  take(kind: number, verdict: number, port: number, at: number, captured: number, ns: number): void {
    if (kind === ADVERT || kind === RELEASE) {
      const { words, havipsAt } = this.#policy;
      eachAdvertisedHavip(this.#policy, this.#bytes, at, port, this.#sighting, (havip) => {
        this.#push(kind, verdict, port, havip, words[havipsAt + havip * HAVIP_WORDS + 2]!, ns, at, captured);
      });
    } else {
      decodeFrame(this.#bytes, at, captured, 0, this.#sighting);
      this.#push(kind, verdict, port, this.#sighting.havip, this.#sighting.senderAddress, ns, at, captured);
    }
  }

  /** A sample of what was dropped, as worker.ts takes them. */
  refuse(verdict: number, port: number, at: number, captured: number, ns: number): void {
    const s = this.#sighting;
    decodeFrame(this.#bytes, at, captured, 0, s);
    const address = s.protocol === VRRP ? s.ipSource : s.protocol === OTHER ? 0 : s.senderAddress;
    this.#push(REFUSED, verdict, port, s.havip, address, ns, at, captured);
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
    if (this.#ring === null || this.#ring.reserve() < 0) {
      const block = new SharedArrayBuffer(ClaimRing.bytesFor(CLAIM_SLOTS));
      this.blocks.push(block);
      this.#ring = new ClaimRing(block, 0, CLAIM_SLOTS);
    }
    pushClaim(this, this.#ring, kind, verdict, port, havip, address, ns, this.#sighting, this.#bytes, at, captured);
  }
}
