/**
 * What is known about one capture: where it comes from, and what a reader of it must find. Kept in captures.json, beside the files.
 */
export interface Capture {
  /** `NAME.pcap` or `NAME.pcapng`, in this folder. */
  readonly file: string;
  /** What happens in it, in one sentence. */
  readonly shows: string;
  /** `recorded`: from a real sender in the lab. `built`: from its documented format, because no such sender runs here. */
  readonly origin: 'recorded' | 'built';
  /** Program and version; for a built one the document. */
  readonly sender: string;
  /** How it was sent; keepalived's options over the reference configuration. */
  readonly command: string;
  /** ISO date. */
  readonly recordedAt: string;
  /** Interfaces whose inbound frames were recorded. pcapng names them itself; a pcap has exactly one. */
  readonly interfaces: readonly string[];
  readonly frames: FrameCounts;
  readonly expected: Expected;
}

/** Counted by tshark, not by this project's decoder. */
export interface FrameCounts {
  readonly total: number;
  readonly arp: number;
  readonly rarp: number;
  /** All of IP protocol 112, CARP too. */
  readonly protocol112: number;
}

/** With the lab's own configuration (lab/topology.ts). */
export interface Expected {
  /** Instances that hold havip-1, one after the other. */
  readonly holders: readonly string[];
  /**
   * Moves from one instance to another, and why the first one happened. `atLeast`: there may be more, because in the absence of
   * adverts nobody can tell a refresh from a new claim before its period is known.
   */
  readonly failovers: { readonly count: number; readonly cause: Cause | null; readonly atLeast?: boolean };
  /** Drop reasons that must occur; every other frame is accepted. */
  readonly drops: readonly string[];
}

type Cause = 'resign' | 'silence' | 'preempt' | 'takeover';
