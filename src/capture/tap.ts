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
  /** Frames that exceeded a limit of rate since it was opened. */
  policed(protocol: number): number;
  /** Why nothing will ever come from it any more, although its interface may still be there; null as long as it works. */
  readonly broken: string | null;
}

export interface TapKind<T extends Tap> {
  /**
   * null: not yet; LiveSource.openWaiting() asks again. Throws SystemError.
   * @param isUplink it lets in what bpf.ts says of uplinks, not of guests
   */
  open(ifindex: number, name: string, isUplink: boolean): T | null;
  close(tap: T): void;
  /** May be opened, and stays open, while the interface is down. */
  readonly whileDown: boolean;
}
