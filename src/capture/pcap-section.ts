/**
 * What a reader must know about a capture file before it can make sense of the bytes at some offset: the byte order and the
 * interfaces declared so far. A plain value, so that it travels between threads: a worker can start anywhere in a file when it is
 * given an offset and the section in force there.
 *
 * A pcap file has one section and one nameless interface; a pcapng file (draft-ietf-opsawg-pcapng) may change both on the way.
 */
export interface CapturedInterface {
  /** if_name, or '' when the file does not say. */
  readonly name: string;
  readonly linkType: number;
  /** Most bytes kept of a frame; 0: no limit. */
  readonly snapLength: number;
  /** Ticks of the timestamps. */
  readonly ticksPerSecond: bigint;
  /** if_tsoffset: to be added to every timestamp. */
  readonly offsetSeconds: bigint;
}

export interface Section {
  readonly format: 'pcap' | 'pcapng';
  readonly littleEndian: boolean;
  readonly interfaces: readonly CapturedInterface[];
}

/** LINKTYPE_ETHERNET, the only one in which guests' frames come. */
export const ETHERNET = 1;

/** tcpdump's MAXIMUM_SNAPLEN: a record that says more is garbage. */
export const MAX_FRAME_BYTES = 262_144;

/** `step` needs bytes beyond the end of the window. */
export const MORE = -1;
/** `step` met what no writer writes: see `problem`. */
export const BAD = -2;

/**
 * Steps over the records of one file format in a window of memory. Used by one thread; the fields describe the record that was
 * stepped over last and are overwritten by the next step.
 */
export interface Records {
  /** Where the frame's first byte is. */
  readonly offset: number;
  /** Bytes present; -1 when the record was not a frame. */
  readonly captured: number;
  /** Index of the interface in the section. */
  readonly interface: number;
  /** What was wrong, after BAD. */
  readonly problem: string;
  /** The section in force now. */
  readonly section: Section;
  /** @returns where the next record starts (may lie beyond `end`), or MORE, or BAD */
  step(at: number, end: number): number;
  /** Could a record start here? Asked only to find a place to start in the middle of a file. */
  plausible(at: number, end: number): boolean;
  /** Bytes that the frame had on the wire. */
  length(): number;
  /** Nanoseconds since the epoch second that the reader was built with; NaN when the record has no timestamp. */
  timeNs(): number;
}

export function nameLinkType(linkType: number): string {
  const known: Readonly<Record<number, string>> = {
    0: 'BSD loopback',
    101: 'raw IP',
    113: 'Linux cooked',
    276: 'Linux cooked v2',
  };
  return `link type ${linkType}${known[linkType] === undefined ? '' : ` (${known[linkType]})`}`;
}
