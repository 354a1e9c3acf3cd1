/**
 * Which port a recorded frame came from: `--port`, else the interface that the file names, else the port that owns the source MAC.
 *
 * The last is asked for every run of frames of one sender (replay/batch.ts): an open-addressing table of integers, at most a quarter
 * full. Built by the main thread in shared memory, read by the workers.
 */
import { macHigh, macLow } from '../base/mac.ts';
import type { Network } from '../base/network.ts';
import type { Section } from '../pcap/section.ts';

export const NO_PORT = -1;
const SLOT_WORDS = 4;

/** Can be sent to a worker. */
export interface PortTables {
  /** 4 words a slot: MAC high | MAC low | port index, or -1 when empty | - */
  readonly macs: SharedArrayBuffer;
  readonly interfaces: ReadonlyMap<string, number>;
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
  return { macs: words.buffer, interfaces, fixed };
}

export class PortFinder {
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #interfaces: ReadonlyMap<string, number>;
  readonly #fixed: number;

  constructor(tables: PortTables) {
    this.#words = new Int32Array(tables.macs);
    this.#mask = this.#words.length / SLOT_WORDS - 1;
    this.#interfaces = tables.interfaces;
    this.#fixed = tables.fixed;
  }

  /** Per interface of a section: its port, or NO_PORT when the MAC has to say. */
  ofInterfaces(section: Section): Int32Array {
    const known = section.interfaces.map(({ name }) =>
      this.#fixed !== NO_PORT ? this.#fixed : (this.#interfaces.get(name) ?? NO_PORT),
    );
    return Int32Array.from(known);
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
