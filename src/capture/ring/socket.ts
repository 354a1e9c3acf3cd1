/**
 * AF_PACKET sockets with a TPACKET_V2 ring (kernel Documentation/networking/packet_mmap.rst), deaf until they are bound: what can be
 * made ahead of the port that will need it, on one thread, and used on another. ring/packet-ring.ts reads them.
 */
import * as libc from '../../abi/libc.ts';
import { attachFilter } from '../../abi/socket-filter.ts';
import { assert } from '../../base/assert.ts';
import { SNAP_BYTES } from '../../base/snap.ts';
import { GUEST_CLAIMS } from '../bpf.ts';
import { attachPolice } from './police.ts';

export const SOL_PACKET = 263;
export const PACKET_RX_RING = 5;
const PACKET_VERSION = 10;
const PACKET_IGNORE_OUTGOING = 23;
const TPACKET_V2 = 1;

/** A page: larger ones would need contiguous memory that a busy host may not have. */
export const BLOCK_BYTES = 4096;
export const SLOT_BYTES = 576;
const FRAME_AT = 66;
assert(SLOT_BYTES % 16 === 0 && FRAME_AT + SNAP_BYTES <= SLOT_BYTES, 'a ring slot has room for a whole snap');

export interface RingShape {
  readonly ringKib: number;
  /** The filter limits the rate (police.ts); else all of GUEST_CLAIMS comes through. */
  readonly policed: boolean;
}

/** Descriptors, which any thread of the process may use. */
export interface RingSocket {
  readonly fd: number;
  /** For PoliceCounts; null when it is not policed. */
  readonly policeFd: number | null;
  readonly ringBytes: number;
}

/** A socket with its filter, still without a ring. Throws SystemError. */
export function openRingSocket({ ringKib, policed }: RingShape): RingSocket {
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0); // protocol 0: deaf
  try {
    libc.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    libc.setsockopt(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
    if (!policed) attachFilter(fd, GUEST_CLAIMS);
    return {
      fd,
      policeFd: policed ? attachPolice(fd) : null,
      ringBytes: Math.ceil((ringKib * 1024) / BLOCK_BYTES) * BLOCK_BYTES,
    };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** The ring of a socket, as `struct tpacket_req` for PACKET_RX_RING. */
export function ringRequest({ ringBytes }: RingSocket): Uint32Array {
  const blocks = ringBytes / BLOCK_BYTES;
  return Uint32Array.of(BLOCK_BYTES, blocks, SLOT_BYTES, blocks * Math.floor(BLOCK_BYTES / SLOT_BYTES));
}

/** A socket with its ring; waits 8 to 18 ms for the kernel. Throws SystemError. */
export function makeRing(shape: RingShape): RingSocket {
  const socket = openRingSocket(shape);
  try {
    libc.setsockopt(socket.fd, SOL_PACKET, PACKET_RX_RING, ringRequest(socket));
    return socket;
  } catch (error) {
    closeRing(socket);
    throw error;
  }
}

/** Waits 15 to 32 ms for the kernel when there is a ring. */
export function closeRing(socket: RingSocket): void {
  for (const fd of descriptorsOf(socket)) libc.close(fd);
}

export function descriptorsOf({ fd, policeFd }: RingSocket): number[] {
  return policeFd === null ? [fd] : [fd, policeFd];
}
