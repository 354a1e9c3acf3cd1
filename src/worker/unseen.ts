/**
 * Frames that reached a port and never a worker, added to its counts: what a full ring dropped, and what the kernel policed. So
 * frames = judged + policed, verdicts add up to frames, and received = frames + ring drops. Run by the worker, twice a second.
 */
import { PROTOCOLS, V, VERDICTS } from '../base/verdict.ts';
import type { FrameSource } from '../capture/source.ts';
import { KERNEL_DROPS, type Lane } from '../lane/lane.ts';

const RATE_LIMITED = V['rate-limited'];

/** What has been counted of a port. */
interface Counted {
  drops: number;
  readonly policed: number[];
}

export class Unseen {
  readonly #source: FrameSource;
  readonly #lane: Lane;
  readonly #portVerdicts: Float64Array;
  readonly #ports = new Map<number, Counted>();

  constructor(source: FrameSource, lane: Lane, portVerdicts: Float64Array) {
    this.#source = source;
    this.#lane = lane;
    this.#portVerdicts = portVerdicts;
  }

  /** The port has been attached. */
  follow(port: number): void {
    this.#ports.set(port, { drops: 0, policed: PROTOCOLS.map(() => 0) });
  }

  /** The port is about to be detached. */
  forget(port: number): void {
    const counted = this.#ports.get(port);
    if (counted !== undefined) this.#count(port, counted);
    this.#ports.delete(port);
  }

  count(): void {
    for (const [port, counted] of this.#ports) this.#count(port, counted);
  }

  #count(port: number, counted: Counted): void {
    const drops = this.#source.drops(port);
    this.#lane.tallies[KERNEL_DROPS]! += drops - counted.drops;
    counted.drops = drops;
    for (let protocol = 0; protocol < PROTOCOLS.length; protocol++) {
      const policed = this.#source.policed(port, protocol);
      const more = policed - counted.policed[protocol]!;
      counted.policed[protocol] = policed;
      this.#lane.frames[protocol]! += more;
      this.#lane.verdicts[RATE_LIMITED]! += more;
      this.#portVerdicts[port * VERDICTS.length + RATE_LIMITED]! += more;
    }
  }
}
