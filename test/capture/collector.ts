/** Drains a source until enough came; waits for events, never for a time to pass. */
import type { FrameSource } from '../../src/capture/source.ts';

export interface Collected {
  readonly port: number;
  readonly bytes: Buffer;
  readonly captured: number;
  readonly length: number;
  readonly tag: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A source that says nothing for this long will not say it any more; only a failing test waits so long. */
const PATIENCE_MS = 5_000;

export class Collector {
  readonly frames: Collected[] = [];
  /** As told, in order: `3 up`. */
  readonly changes: string[] = [];
  readonly #source: FrameSource;

  constructor(source: FrameSource) {
    this.#source = source;
  }

  drain(budget = 1_000): number {
    return this.#source.drain(
      (bytes, offset, captured, length, port, tag, seconds, nanoseconds) => {
        const copy = Buffer.from(bytes.subarray(offset, offset + captured));
        this.frames.push({ port, bytes: copy, captured, length, tag: tag >>> 0, seconds, nanoseconds });
      },
      (port, state) => this.changes.push(`${port} ${state}`),
      budget,
    );
  }

  until(done: () => boolean): void {
    const deadline = performance.now() + PATIENCE_MS;
    for (this.drain(); !done(); this.drain()) {
      if (performance.now() > deadline)
        throw new Error(`waited in vain: ${this.frames.length} frames, changes ${this.changes.join(', ')}`);
      this.#source.wait(PATIENCE_MS);
    }
  }

  of(port: number): Collected[] {
    return this.frames.filter((frame) => frame.port === port);
  }
}
