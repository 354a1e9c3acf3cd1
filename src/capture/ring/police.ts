/**
 * Policing in the kernel, before a frame costs user space anything: the socket filter of one port, as eBPF (ring/police-program.ts), with a
 * token bucket for each thing that the port can say. It lets the same frames through as GUEST_CLAIMS (bpf.ts) does, up to a rate,
 * and counts what exceeds it; so received = judged + ring drops + policed.
 *
 * Tried instead: `limit` in the kernel's guard. It spares the neighbours, not the agent: AF_PACKET hears a frame before the guard
 * does (npm run bench -- capture).
 */
import { createArrayMap, loadSocketFilter, MappedArray } from '../../abi/ebpf.ts';
import { close, setsockopt, SO_ATTACH_BPF, SOL_SOCKET, SystemError } from '../../abi/libc.ts';
import { PROTOCOLS } from '../../base/verdict.ts';
import { BUCKETS, POLICE_ENTRIES, policeProgram } from './police-program.ts';

/** Per bucket: a guest in order sends a handful; VRRP version 3 may send 100 adverts a second. */
const POLICE_PER_SECOND = 250;
export const POLICE_BURST = 128;

/** Gives a packet socket its filter. Returns the descriptor of what it counts in, for PoliceCounts. Throws SystemError. */
export function attachPolice(socketFd: number, perSecond = POLICE_PER_SECOND, burst = POLICE_BURST): number {
  const mapFd = createArrayMap(POLICE_ENTRIES);
  try {
    const programFd = loadSocketFilter(policeProgram(mapFd, 1e9 / perSecond, burst));
    try {
      setsockopt(socketFd, SOL_SOCKET, SO_ATTACH_BPF, programFd);
    } finally {
      close(programFd);
    }
    return mapFd;
  } catch (error) {
    close(mapFd);
    throw error;
  }
}

/** Why this process cannot police, in a line; null when it can. */
export function policeTrouble(): string | null {
  try {
    const mapFd = createArrayMap(POLICE_ENTRIES);
    try {
      close(loadSocketFilter(policeProgram(mapFd, 1e9 / POLICE_PER_SECOND, POLICE_BURST)));
    } finally {
      close(mapFd);
    }
    return null;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return error.message;
  }
}

/** The frames that were policed, in memory that the filter writes. */
export class PoliceCounts {
  readonly #map: MappedArray;

  /** @param mapFd taken over */
  constructor(mapFd: number) {
    this.#map = new MappedArray(mapFd, POLICE_ENTRIES);
  }

  /** @param protocol index into PROTOCOLS */
  policed(protocol: number): number {
    const at = (BUCKETS + protocol) * 2;
    return this.#map.words[at]! + this.#map.words[at + 1]! * 2 ** 32;
  }

  /** Full buckets and no frames, for the next port; nothing may run into the socket meanwhile. */
  reset(): void {
    this.#map.words.fill(0, 0, (BUCKETS + PROTOCOLS.length) * 2);
  }

  close(): void {
    this.#map.close();
  }
}
