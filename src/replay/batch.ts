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
import { PROTOCOL_BITS, type Sighting } from '../decode/sighting.ts';
import { judgeView } from '../filter/judge.ts';
import type { Policy } from '../filter/policy.ts';
import { inlineTheJudge } from '../abi/inliner.ts';
import { REFUSED } from '../lane/slot.ts';
import { kindOf } from '../lane/writer.ts';
import { AWAY, senderOf } from './direction.ts';
import { type InterfacePorts, NO_PORT, type PortFinder } from './ports.ts';

const REASONS = VERDICTS.length;
const SILENT = 0;
const SAMPLED = 1;
const CLAIM = 2;
/** Refused, or cut short by the capture: to be looked at twice. */
const MAYBE_CUT = 3;
const CUT = V.cut;
const TOWARDS_GUEST = V['towards-guest'];
/** By verdict. */
const TELL = Uint8Array.from(VERDICTS, (_, i) => {
  if (kindOf(i) === REFUSED) return MAY_BE_CUT[i] === 1 ? MAYBE_CUT : SAMPLED;
  return kindOf(i) < 0 ? SILENT : CLAIM;
});

export interface BatchJudge {
  /** Judges the frames of the batch. @returns how many somebody wants to know of: see `told` and `toldPorts` */
  readonly judge: (records: Records, known: InterfacePorts) => number;
  /** Indices into the batch. */
  readonly told: Int32Array;
  /** Of each of those: its port, its verdict, and Sighting.havip. */
  readonly toldPorts: Int32Array;
  readonly toldVerdicts: Int32Array;
  readonly toldHavips: Int32Array;
  /** By verdict << PROTOCOL_BITS | protocol: frames since reset(), fewer than 2^31. */
  readonly counts: Int32Array;
  readonly reset: () => void;
}

export function batchJudge(policy: Policy, view: DataView, finder: PortFinder, batch: Batch, sighting: Sighting): BatchJudge {
  inlineTheJudge();
  const { offsets, captured, interfaces, seconds } = batch;
  const [told, toldPorts, toldVerdicts, toldHavips] = arrays(offsets.length);
  const counts = new Int32Array(REASONS << PROTOCOL_BITS);
  /** By port and verdict: the second of which a refused frame has been sampled since reset(). Samples (lane/budget.ts), inside the loop. */
  const sampledSeconds = new Int32Array(policy.portCount * REASONS);
  // Imports are loaded and checked at every call, these are not.
  const judgeFrame = judgeView;
  const protocolBits = PROTOCOL_BITS;

  const judge = (records: Records, known: InterfacePorts): number => {
    const portOfInterface = known.ports;
    const single = portOfInterface.length === 1;
    const only = single ? portOfInterface[0]! : NO_PORT;
    // Files without names and directions, most of all, need no second look at any frame.
    const twoWays = known.named || batch.directed;
    const sender = senderOf(batch, view, finder, known);
    let lastHigh = -1;
    let lastLow = -1;
    let lastPort = NO_PORT;
    let tells = 0;
    for (let i = 0, { count } = batch; i < count; i++) {
      const at = offsets[i]!;
      const length = captured[i]!;
      let port = single ? only : portOfInterface[interfaces[i]!]!;
      if (port < 0 && length >= 14) {
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
      if (twoWays && length >= 14) {
        port = sender(i, port);
        if (port === AWAY) {
          // For its protocol.
          judgeFrame(policy, view, at, length, 0, NO_PORT, sighting);
          counts[(TOWARDS_GUEST << protocolBits) | sighting.protocol]!++;
          continue;
        }
      }
      let verdict = judgeFrame(policy, view, at, length, 0, port, sighting);
      let tell = TELL[verdict]!;
      if (tell === MAYBE_CUT) {
        tell = wasCut(records, batch, i, view, verdict) ? CLAIM : SAMPLED;
        if (tell === CLAIM) verdict = CUT;
      }
      counts[(verdict << protocolBits) | sighting.protocol]!++;
      if (tell === SILENT) continue;
      const sample = port * REASONS + verdict;
      if (sampledSeconds[sample] === seconds[i]) continue;
      if (tell === SAMPLED) sampledSeconds[sample] = seconds[i]!;
      told[tells] = i;
      toldPorts[tells] = port;
      toldVerdicts[tells] = verdict;
      toldHavips[tells] = sighting.havip;
      tells++;
    }
    return tells;
  };

  const reset = () => {
    counts.fill(0);
    sampledSeconds.fill(-1);
  };
  return { judge, told, toldPorts, toldVerdicts, toldHavips, counts, reset };
}

function arrays(length: number): [Int32Array, Int32Array, Int32Array, Int32Array] {
  return [new Int32Array(length), new Int32Array(length), new Int32Array(length), new Int32Array(length)];
}

function wasCut(records: Records, batch: Batch, i: number, view: DataView, verdict: number): boolean {
  const length = records.lengthOf(batch, i);
  const captured = batch.captured[i]!;
  return length > captured && isCut(verdict, view, batch.offsets[i]!, captured, length);
}
