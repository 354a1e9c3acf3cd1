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

/** LINKTYPE_ETHERNET: how guests' frames come. */
export const ETHERNET = 1;
/** LINKTYPE_LINUX_SLL and its second version: how a capture on "any" comes (cooked.ts makes Ethernet of it). */
export const COOKED = 113;
export const COOKED_2 = 276;

export function isReadable(linkType: number): boolean {
  return linkType === ETHERNET || linkType === COOKED || linkType === COOKED_2;
}

/** `Batch.directions`: which way a frame went through its interface, as the host that captured it saw it. */
export const INBOUND = 1;
export const OUTBOUND = 2;

/** tcpdump's MAXIMUM_SNAPLEN: a record that says more is garbage. */
export const MAX_FRAME_BYTES = 262_144;

/** All is well; the batch is full, or the end is reached, or another section or interface is declared next. */
export const GOOD = 0;
/** The next record needs bytes beyond the end of the window. */
export const MORE = -1;
/** The next record is what no writer writes: see `problem`. */
export const BAD = -2;

const BATCH_FRAMES = 512;

/**
 * Frames that follow each other in a window, as parallel arrays. Two tight loops over a batch, one that finds the frames and one that
 * judges them, beat one loop that does both behind two calls per frame: 43 ns against 49 ns a frame, judgement included.
 */
export class Batch {
  count = 0;
  /** Where each frame's first byte is. */
  readonly offsets = new Int32Array(BATCH_FRAMES);
  /** Bytes present of each. */
  readonly captured = new Int32Array(BATCH_FRAMES);
  /** Index of each one's interface in the section. */
  readonly interfaces = new Int32Array(BATCH_FRAMES);
  /** Whole seconds of each one's time, counted from wherever the format likes: for telling one second from another. */
  readonly seconds = new Int32Array(BATCH_FRAMES);
  /** Where each one's timestamp is; -1: the record has none. */
  readonly timesAt = new Int32Array(BATCH_FRAMES);
  /** INBOUND or OUTBOUND, 0 where the file does not say; meant only while `directed`. */
  readonly directions = new Uint8Array(BATCH_FRAMES);
  /** The file says the direction of some frame of the batch. */
  directed = false;
  /** What the interface of a cooked frame is numbered on its host; 0 where the file does not say. Of other frames: anything. */
  readonly ifindexes = new Int32Array(BATCH_FRAMES);
  /** Where the first record after the batch starts; may lie beyond the window. */
  next = 0;
}

/** Finds the records of one file format in a window of memory. Used by one thread. */
export interface Records {
  /** What was wrong, after BAD. */
  readonly problem: string;
  /** The section in force now. */
  readonly section: Section;
  /** Packets that cannot be judged and were stepped over: why and of which interface -> how many. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Frames so far that say no time. */
  readonly untimed: number;
  /**
   * Describes the frames whose records start in [at, stop), as many as the batch holds, all of the section then in force.
   * @param end of the bytes in the window
   * @returns GOOD, MORE or BAD: what follows the batch
   */
  gather(at: number, stop: number, end: number, batch: Batch): number;
  /** Where the next record starts (may lie beyond `end`), or MORE, or BAD. */
  step(at: number, end: number): number;
  /** Could a record start here? Asked only to find a place to start in the middle of a file. */
  plausible(at: number, end: number): boolean;
  /** Nanoseconds since the epoch second that the reader was built with; NaN when the record has no timestamp. */
  timeNs(batch: Batch, index: number): number;
  /** Bytes that the frame had before the capture cut it. */
  lengthOf(batch: Batch, index: number): number;
}

export function nameLinkType(linkType: number): string {
  const known: Readonly<Record<number, string>> = {
    0: 'BSD loopback',
    101: 'raw IP',
    105: 'IEEE 802.11',
    127: 'IEEE 802.11 with radiotap',
    228: 'raw IPv4',
    239: 'netfilter log',
    253: 'netlink',
  };
  return `link type ${linkType}${known[linkType] === undefined ? '' : ` (${known[linkType]})`}`;
}
