/**
 * Replay's innermost loop: a batch of frames -> ports, verdicts, counters, and which few of them somebody wants to know of.
 *
 * All that the loop uses is constant in its closure, which each thread makes once: V8 then compiles addresses and bounds of views,
 * tables and policy into the loop. What is told of a frame is told after the loop: inside it, those cold functions took the inliner's
 * budget, and the judge was called, in some threads and runs but not in others.
 */
import { V, VERDICTS } from '../base/verdict.ts';
import type { Batch, Records } from '../pcap/section.ts';
import { isCut, MAY_BE_CUT } from '../decode/cut.ts';
import * as S from '../decode/sighting.ts';
import type { Sighting } from '../decode/sighting.ts';
import { judgeView } from '../filter/judge.ts';
import type { Policy } from '../filter/policy.ts';
import { compileWholeLoops, inlineTheJudge } from '../abi/inliner.ts';
import { REFUSED } from '../lane/slot.ts';
import { markOf, Samples } from '../lane/samples.ts';
import { kindOf } from '../lane/writer.ts';
import { AWAY, senderOf } from './direction.ts';
import { type InterfacePorts, NO_PORT, type PortFinder } from './ports.ts';

const { ARP, PROTOCOL_BITS, VRRP } = S;
const REASONS = VERDICTS.length;
const SILENT = 0;
/** Refused, by an EtherType that says no address: one in a second is told. */
const BLIND = 1;
const CLAIM = 2;
/** Refused: one of each address. */
const SAMPLED = 3;
/** Refused, or cut short by the capture. */
const MAYBE_CUT = 4;
/** Plain IP, among which may be VRRP over IPv6, and what is left of VRRP behind AH. */
const PLAIN = 5;
const AH = 51;
const PROTOCOL_VRRP = 112;
/** Of the loop's sieve before Samples. */
const SIEVE_WORDS = 3;
const ENOUGH = 2;
const BLIND_REASONS: ReadonlySet<string> = new Set(['tagged', 'encapsulated', 'ethertype', 'link-control']);
const CUT = V.cut;
const OTHER_IP = V['other-ip'];
const TOWARDS_GUEST = V['towards-guest'];
/** By verdict. */
const TELL = Uint8Array.from(VERDICTS, ({ name }, i) => {
  if (kindOf(i) === REFUSED) return MAY_BE_CUT[i] === 1 ? MAYBE_CUT : BLIND_REASONS.has(name) ? BLIND : SAMPLED;
  if (i === OTHER_IP) return PLAIN;
  return kindOf(i) < 0 ? SILENT : CLAIM;
});

/** Of what somebody wants to know, as parallel arrays. */
export interface Told {
  /** Indices into the batch. */
  readonly told: Int32Array;
  /** Of each of those: its port, its verdict, and Sighting.havip. */
  readonly toldPorts: Int32Array;
  readonly toldVerdicts: Int32Array;
  readonly toldHavips: Int32Array;
}

export interface BatchJudge extends Told {
  /** Judges the frames of the batch. @returns how many somebody wants to know of */
  readonly judge: (records: Records, known: InterfacePorts) => number;
  /** By verdict << PROTOCOL_BITS | protocol: frames since reset(), fewer than 2^31. */
  readonly counts: Int32Array;
  readonly reset: () => void;
}

export function batchJudge(policy: Policy, view: DataView, finder: PortFinder, batch: Batch, sighting: Sighting): BatchJudge {
  inlineTheJudge();
  compileWholeLoops();
  const { offsets, captured, interfaces, seconds } = batch;
  const places = offsets.length;
  const [told, toldPorts] = [new Int32Array(places), new Int32Array(places)];
  const [toldVerdicts, toldHavips] = [new Int32Array(places), new Int32Array(places)];
  const given = new Int32Array(places);
  const counts = new Int32Array(REASONS << PROTOCOL_BITS);
  /** By port and verdict, of refused frames since reset(): second and ARP sender of the last, and the second of which enough are told. */
  const sieve = new Int32Array(policy.portCount * REASONS * SIEVE_WORDS);
  const samples = new Samples(policy.portCount);
  // Imports are loaded and checked at every call, these are not.
  const [judgeFrame, protocolBits] = [judgeView, PROTOCOL_BITS];

  const cold = new Cold({ told, toldPorts, toldVerdicts, toldHavips }, { policy, view, batch, sighting, counts, samples, sieve });

  // One call of the judge, and nothing that few files need.
  const judge = (records: Records, known: InterfacePorts): number => {
    const { ports: portOfInterface } = known;
    const single = portOfInterface.length === 1;
    const only = single ? portOfInterface[0]! : NO_PORT;
    // Files without names and directions, most of all, need no second look at any frame.
    const twoWays = known.named || batch.directed;
    if (twoWays) cold.givePorts(finder, known, given);
    let [lastHigh, lastLow, lastPort, tells, unsorted] = [-1, -1, NO_PORT, 0, 0];
    for (let i = 0, { count } = batch; i < count; i++) {
      const at = offsets[i]!;
      const length = captured[i]!;
      let port = twoWays ? given[i]! : single ? only : portOfInterface[interfaces[i]!]!;
      if (port === AWAY) continue;
      if (port < 0 && length >= 14 && !twoWays) {
        const high = view.getUint16(at + 6);
        const low = view.getInt32(at + 8);
        // Frames come in runs of one sender.
        if (low !== lastLow || high !== lastHigh) {
          lastHigh = high;
          lastLow = low;
          lastPort = finder.ofSource(high, low);
        }
        port = lastPort;
      }
      const verdict = judgeFrame(policy, view, at, length, 0, port, sighting);
      counts[(verdict << protocolBits) | sighting.protocol]!++;
      const tell = TELL[verdict]!;
      if (tell === SILENT || (tell === PLAIN && sighting.protocol !== VRRP && view.getUint8(at + 23) !== AH)) continue;
      if (tell === SAMPLED || tell === BLIND) {
        const last = (port * REASONS + verdict) * SIEVE_WORDS;
        if (sieve[last + ENOUGH] === seconds[i]) continue;
        // 0: a probe's, which speaks for its target, or no ARP.
        const sender = tell === SAMPLED && sighting.protocol === ARP ? view.getInt32(at + 28) : 0;
        if (sieve[last] === seconds[i] && sieve[last + 1] === sender && (sender !== 0 || tell === BLIND)) continue;
        sieve[last] = seconds[i]!;
        sieve[last + 1] = sender;
      }
      unsorted |= Number(tell > CLAIM);
      told[tells] = i;
      toldPorts[tells] = port;
      toldVerdicts[tells] = verdict;
      toldHavips[tells] = sighting.havip;
      tells++;
    }
    return unsorted === 0 ? tells : cold.sortOut(records, tells);
  };

  const reset = () => {
    counts.fill(0);
    sieve.fill(-1);
    samples.forget();
  };
  return { judge, told, toldPorts, toldVerdicts, toldHavips, counts, reset };
}

interface Loop {
  readonly policy: Policy;
  readonly view: DataView;
  readonly batch: Batch;
  readonly sighting: Sighting;
  readonly counts: Int32Array;
  readonly samples: Samples;
  readonly sieve: Int32Array;
}

/** What few files need, apart from the loop: in it, calls took the inliner's budget from the judge. */
class Cold {
  readonly #told: Told;
  readonly #loop: Loop;

  constructor(told: Told, loop: Loop) {
    this.#told = told;
    this.#loop = loop;
  }

  /** Ports of a batch whose interfaces are named, or whose frames have directions. What was on its way to a guest is counted. */
  givePorts(finder: PortFinder, known: InterfacePorts, given: Int32Array): void {
    const { batch, view } = this.#loop;
    const { captured, count, interfaces, offsets } = batch;
    const sender = senderOf(batch, view, finder, known);
    for (let i = 0; i < count; i++) {
      let port = known.ports[interfaces[i]!]!;
      if (captured[i]! >= 14) {
        const at = offsets[i]!;
        port = sender(i, port < 0 ? finder.ofSource(view.getUint16(at + 6), view.getInt32(at + 8)) : port);
      }
      given[i] = port;
      if (port === AWAY) this.#countAs(TOWARDS_GUEST, i, NO_PORT);
    }
  }

  /** What may have been cut short is told for what it is, our view's fault or the sender's; and of what is refused, samples. */
  sortOut(records: Records, tells: number): number {
    const { told, toldPorts, toldVerdicts, toldHavips } = this.#told;
    const { batch, view, samples, sieve } = this.#loop;
    const { captured, offsets, seconds } = batch;
    let kept = 0;
    for (let k = 0; k < tells; k++) {
      const i = told[k]!;
      const port = toldPorts[k]!;
      let verdict = toldVerdicts[k]!;
      if (TELL[verdict]! > CLAIM) {
        const at = offsets[i]!;
        const has = captured[i]!;
        const length = TELL[verdict] === SAMPLED ? has : records.lengthOf(batch, i);
        if (length > has && isCut(verdict, view, at, has, length)) {
          this.#countAs(CUT, i, port, verdict);
          verdict = CUT;
        } else if (verdict === OTHER_IP) {
          if (view.getUint16(at + 12) !== 0x86dd || view.getUint8(at + 20) !== PROTOCOL_VRRP) continue;
        } else if (!samples.take(port, verdict, markOf(view, at, has, toldHavips[k]!), seconds[i]!)) {
          if (samples.isFull(port, verdict)) sieve[(port * REASONS + verdict) * SIEVE_WORDS + ENOUGH] = seconds[i]!;
          continue;
        }
      }
      told[kept] = i;
      toldPorts[kept] = port;
      toldVerdicts[kept] = verdict;
      toldHavips[kept] = toldHavips[k]!;
      kept++;
    }
    return kept;
  }

  /** @param counted the verdict that it was counted as before */
  #countAs(verdict: number, i: number, port: number, counted = -1): void {
    const { policy, view, batch, sighting, counts } = this.#loop;
    judgeView(policy, view, batch.offsets[i]!, batch.captured[i]!, 0, port, sighting);
    counts[(verdict << PROTOCOL_BITS) | sighting.protocol]!++;
    if (counted >= 0) counts[(counted << PROTOCOL_BITS) | sighting.protocol]!--;
  }
}
