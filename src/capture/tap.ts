/**
 * What a live source opens on one interface: the kernel's ring or a libpcap child. Synchronous, one thread, like FrameSource.
 */
import type { FrameSink } from './source.ts';

export interface Tap {
  /** Readable while frames wait, also those that a budget left over. */
  readonly fd: number;
  /** Hands over at most `budget` frames, as frames of `port`; returns how many. */
  drain(port: number, onFrame: FrameSink, budget: number): number;
  /** Frames lost since it was opened. */
  drops(): number;
  /** True once nothing will ever come from it any more, although its interface may still be there. */
  readonly broken: boolean;
  close(): void;
}

/** Opens one; throws SystemError. The interface may be down. */
export type OpenTap = (ifindex: number, name: string) => Tap;
