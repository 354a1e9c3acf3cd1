/**
 * Which port a recorded frame came from: `--port`, else the interface that the file names, else the port that owns the source MAC; and
 * whether it came from there at all: a capture of a tap holds both directions, and what goes to a guest is not judged as if it had
 * said it.
 *
 * The direction is the file's where it says one. Seen from the host, what is inbound on a tap comes from the guest; in a capture taken
 * inside a guest it is the reverse. Where the file says none, a frame with another port's MAC as source, or with this port's as
 * destination, is on its way to the guest.
 *
 * The last is asked for every run of frames of one sender (replay/batch.ts): an open-addressing table of integers, at most a quarter
 * full. Built by the main thread in shared memory, read by the workers.
 */
import { macHigh, macLow } from '../base/mac.ts';
import type { Network } from '../base/network.ts';
import type { CaptureFile } from '../pcap/file.ts';
import { COOKED, COOKED_2, INBOUND, OUTBOUND, type Section } from '../pcap/section.ts';

export const NO_PORT = -1;
/** The number that the kernel gave the interface has to say. */
export const BY_IFINDEX = -2;

/** A capture on "any": what its frames say of the interfaces, by number (replay/any.ts). */
export interface AnyInterfaces {
  /** ifindex -> port. */
  readonly ports: ReadonlyMap<number, number>;
  /** Taken inside a guest. */
  readonly inside: boolean;
}

export interface MappedFile extends CaptureFile {
  readonly any?: AnyInterfaces;
}

/** Of a section's interfaces, by index. */
export interface InterfacePorts {
  readonly section: Section;
  /** Its port, NO_PORT when the MAC has to say, or BY_IFINDEX. */
  readonly ports: Int32Array;
  readonly any: AnyInterfaces | undefined;
  /** INBOUND or OUTBOUND: which of them is from a guest. */
  readonly from: Uint8Array;
  /** Some interface is known to be a port's, so that frames without a direction must be looked at twice. */
  readonly named: boolean;
}
const SLOT_WORDS = 4;

/** Can be sent to a worker. */
export interface PortTables {
  /** 4 words a slot: MAC high | MAC low | port index, or -1 when empty | - */
  readonly macs: SharedArrayBuffer;
  readonly interfaces: ReadonlyMap<string, number>;
  /** By port: the two halves of its MAC. */
  readonly ownMacs: readonly (readonly [high: number, low: number])[];
  /** Every frame is this port's; or NO_PORT. */
  readonly fixed: number;
}

export function buildPortTables(network: Network, fixed = NO_PORT): PortTables {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(8, network.ports.length * 4)));
  const words = new Int32Array(new SharedArrayBuffer(slots * SLOT_WORDS * 4)).fill(NO_PORT);
  const interfaces = new Map<string, number>();
  for (const port of network.ports) {
    if (port === null) continue;
    interfaces.set(port.interface, port.index);
    let slot = hash(macHigh(port.mac), macLow(port.mac)) & (slots - 1);
    while (words[slot * SLOT_WORDS + 2] !== NO_PORT) slot = (slot + 1) & (slots - 1);
    words.set([macHigh(port.mac), macLow(port.mac), port.index], slot * SLOT_WORDS);
  }
  const ownMacs = network.ports.map((port) => [macHigh(port?.mac ?? 0), macLow(port?.mac ?? 0)] as const);
  return { macs: words.buffer, interfaces, ownMacs, fixed };
}

export class PortFinder {
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #macs: readonly (readonly [high: number, low: number])[];
  readonly #interfaces: ReadonlyMap<string, number>;
  readonly #fixed: number;
  #known: InterfacePorts | null = null;

  constructor(tables: PortTables) {
    this.#words = new Int32Array(tables.macs);
    this.#mask = this.#words.length / SLOT_WORDS - 1;
    this.#macs = tables.ownMacs;
    this.#interfaces = tables.interfaces;
    this.#fixed = tables.fixed;
  }

  ofInterfaces(section: Section, any?: AnyInterfaces): InterfacePorts {
    if (this.#known?.section !== section || this.#known.any !== any) this.#known = this.#mapInterfaces(section, any);
    return this.#known;
  }

  #mapInterfaces(section: Section, any: AnyInterfaces | undefined): InterfacePorts {
    const ports = section.interfaces.map(({ name, linkType }) => {
      if (this.#fixed !== NO_PORT) return this.#fixed;
      return linkType === COOKED_2 && any !== undefined ? BY_IFINDEX : (this.#interfaces.get(name) ?? NO_PORT);
    });
    const from = section.interfaces.map(({ name, linkType }) => {
      if (linkType === COOKED || linkType === COOKED_2) return any?.inside === true ? OUTBOUND : INBOUND;
      const onHost = this.#interfaces.has(name) || (name === '' && this.#fixed !== NO_PORT);
      return onHost ? INBOUND : OUTBOUND;
    });
    const named = ports.some((port) => port !== NO_PORT);
    return { section, any, ports: Int32Array.from(ports), from: Uint8Array.from(from), named };
  }

  /**
   * Of a frame of which nothing says the direction: whether it is on its way to the port.
   * @param at offset of its destination MAC, of which 14 bytes are there
   */
  isTowards(port: number, view: DataView, at: number): boolean {
    const [high, low] = this.#macs[port]!;
    const sourceHigh = view.getUint16(at + 6);
    const sourceLow = view.getInt32(at + 8);
    if (sourceLow === low && sourceHigh === high) return false;
    if (view.getInt32(at + 2) === low && view.getUint16(at) === high) return true;
    return this.ofSource(sourceHigh, sourceLow) !== NO_PORT;
  }

  /** By the source MAC of a frame: upper 16 and lower 32 bits; virtual, multicast and strange ones are nobody's. */
  ofSource(high: number, low: number): number {
    for (let slot = hash(high, low) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * SLOT_WORDS;
      const port = this.#words[at + 2]!;
      if (port === NO_PORT || (this.#words[at + 1] === low && this.#words[at] === high)) return port;
    }
  }
}

function hash(high: number, low: number): number {
  const mixed = Math.imul(low ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
}
