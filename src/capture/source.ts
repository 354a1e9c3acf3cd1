/**
 * FrameSource, one of the seams: where a worker's frames come from. All calls are synchronous and belong to one thread.
 *
 * Two sources of frames, each in a folder: ring/ maps the kernel's own memory, libpcap/ runs wherever libpcap does. Both are live.ts over
 * a tap per port (tap.ts), which follows links (links.ts) and lets in what bpf.ts says; open.ts picks one.
 */

import type { LinkState } from '../base/network.ts';
import type { RingSocket } from './ring/socket.ts';

/**
 * Called once per frame, in place: the bytes are the source's own memory and change after the call returns.
 * @param bytes memory that holds the frame
 * @param offset of the destination MAC in it
 * @param captured bytes present
 * @param length bytes on the wire, >= captured
 * @param port index of the port, as given to attach()
 * @param tag VLAN tag that the kernel took off the frame: TPID << 16 | TCI, or 0 for none
 * @param seconds kernel timestamp, CLOCK_REALTIME
 */
export type FrameSink = (
  bytes: Uint8Array,
  offset: number,
  captured: number,
  length: number,
  port: number,
  tag: number,
  seconds: number,
  nanoseconds: number,
) => void;

/** An interface of interest changed: see LinkChange. */
export type LinkSink = (port: number, state: LinkState, ifindex: number, carriers: number) => void;

export interface FrameSource {
  /** Starts to follow an interface by name, whether it exists yet or not; a port, or an uplink by its place (base/elsewhere.ts). */
  attach(port: number, name: string): void;
  detach(port: number): void;
  /** Blocks until frames, a link event or a wake-up arrive, or the time is over. Returns at once when frames are left over. */
  wait(timeoutMs: number): void;
  /**
   * Hands over waiting frames, at most `budgetPerPort` of each port, and link changes first. Returns the number of frames.
   * @param onUplinkFrame for those of uplinks
   */
  drain(onFrame: FrameSink, onLink: LinkSink, budgetPerPort: number, onUplinkFrame?: FrameSink): number;
  /** Frames that the kernel had to drop for this port since attach (ring full). */
  drops(port: number): number;
  /**
   * Frames that the kernel kept back since attach because they came faster than any guest in order sends: not judged.
   * @param protocol index into PROTOCOLS
   */
  policed(port: number, protocol: number): number;
  /** For sources that asked for rings (RingNeeds): those made, and how many could not be. */
  supply?(rings: readonly RingSocket[], failed: number): void;
  close(): void;
}

/** What a source wants of the thread that makes and closes its rings. */
export interface RingNeeds {
  /** How many more; answered by supply(). */
  readonly rings: number;
  /** Descriptors to close. */
  readonly discarded: readonly number[];
}
