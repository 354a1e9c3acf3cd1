/**
 * Frames of uplinks, in the worker that captures them: frames -> judge -> count -> tell, as worker.ts does with those of ports. A sink
 * of their own, so that a frame of a port is not even asked where it came from.
 */
import { VERDICTS } from '../base/verdict.ts';
import type { FrameSink } from '../capture/source.ts';
import { Sighting } from '../decode/sighting.ts';
import { type Elsewhere, judgeElsewhere } from '../filter/elsewhere.ts';
import type { Policy } from '../filter/policy.ts';
import { FarTeller, type ToldFlags } from '../lane/far.ts';
import type { Lane } from '../lane/lane.ts';
import { kindOf } from '../lane/writer.ts';

export class Uplinks {
  readonly onFrame: FrameSink;
  readonly #teller: FarTeller;
  #policy: Policy | null = null;
  #table: Elsewhere | null = null;

  /**
   * @param toCaptured a frame's time on the monotonic clock
   * @param flags set when something was told
   */
  constructor(
    lane: Lane,
    placeVerdicts: Float64Array,
    toCaptured: (seconds: number, nanoseconds: number) => number,
    flags: ToldFlags,
  ) {
    const sighting = new Sighting();
    const teller = new FarTeller(lane, sighting, flags);
    this.#teller = teller;
    this.onFrame = (bytes, offset, captured, _length, place, tag, seconds, nanoseconds) => {
      if (this.#policy === null || this.#table === null) return;
      const verdict = judgeElsewhere(this.#table, this.#policy, bytes, offset, captured, tag, place, sighting);
      lane.frames[sighting.protocol]!++;
      lane.verdicts[verdict]!++;
      placeVerdicts[place * VERDICTS.length + verdict]!++;
      const kind = kindOf(verdict);
      if (kind >= 0) teller.tell(kind, verdict, place, toCaptured(seconds, nanoseconds), bytes, offset, captured);
    };
  }

  follow(policy: Policy, table: Elsewhere | null): void {
    this.#policy = policy;
    this.#table = table;
    this.#teller.follow(policy, table);
  }
}
