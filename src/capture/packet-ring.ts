/**
 * One interface's frames in memory that the kernel and this process share: an AF_PACKET socket with a TPACKET_V2 ring (kernel
 * Documentation/networking/packet_mmap.rst). Hot; run by the thread that opened it.
 *
 *     ring = blocks of one page, each with 12 slots of 336 bytes (64 bytes unused), used in order, without end:
 *       0 status u32 | 4 length u32 | 8 captured u32 | 12 mac u16 | 14 net u16 | 16 seconds u32 | 20 nanoseconds u32
 *      24 TCI u16 | 26 TPID u16 | 28 padding | 32 sockaddr_ll | 66 the frame, up to 270 bytes
 *
 * The status word hands a slot over: the kernel writes the slot, then sets TP_STATUS_USER; we read the slot, then store 0. Both
 * accesses here are Atomics on an aligned 32-bit word, so neither V8 nor a weakly ordered CPU (arm64) moves a read of the frame
 * across them. On x86 a plain store would do; the locked one costs some nanoseconds per frame.
 *
 * Version 2 wakes for every frame, 52 us median from timestamp to JavaScript; version 3 waits for its block timer, 1 ms at best,
 * and was left for that. Blocks larger than a page would need contiguous memory that a busy host may not have.
 */
import * as libc from '../abi/libc.ts';
import { addressOf, viewMemory } from '../abi/native.ts';
import { assert } from '../base/assert.ts';
import { type BpfInstruction, encodeBpf, SNAP_BYTES } from './bpf.ts';
import type { FrameSink } from './source.ts';
import type { Tap } from './tap.ts';

const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_IGNORE_OUTGOING = 23;
const TPACKET_V2 = 1;
const TP_STATUS_USER = 0x1;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ETH_P_ALL_BIG_ENDIAN = 0x0300;
const SO_ERROR = 4;

const BLOCK_BYTES = 4096;
const SLOT_BYTES = 336;
const FRAME_AT = 66;
assert(SLOT_BYTES % 16 === 0 && FRAME_AT + SNAP_BYTES <= SLOT_BYTES, 'a ring slot has room for a whole snap');

export class PacketRing implements Tap {
  readonly fd: number;
  readonly broken = null;
  readonly #address: bigint;
  readonly #length: number;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;
  /** Where the next slot begins. */
  #at = 0;
  #drops = 0;

  /** Makes a ring of at least `ringKib` that hears nothing yet. */
  constructor(ringKib: number, program: readonly BpfInstruction[]) {
    this.#length = Math.ceil((ringKib * 1024) / BLOCK_BYTES) * BLOCK_BYTES;
    this.fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0); // protocol 0: deaf until listen()
    try {
      attachFilter(this.fd, program);
      libc.setsockopt(this.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
      libc.setsockopt(this.fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
      const blocks = this.#length / BLOCK_BYTES;
      const slots = blocks * Math.floor(BLOCK_BYTES / SLOT_BYTES);
      libc.setsockopt(this.fd, SOL_PACKET, PACKET_RX_RING, Uint32Array.of(BLOCK_BYTES, blocks, SLOT_BYTES, slots));
      this.#address = libc.mmap(this.fd, this.#length);
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
    const memory = viewMemory(this.#address, this.#length);
    this.#words = new Uint32Array(memory);
    this.#halves = new Uint16Array(memory);
    this.#bytes = new Uint8Array(memory);
  }

  /** Hears an interface from now on, which may be down: the kernel hooks it when it comes up. Counts drops from 0. */
  listen(ifindex: number): void {
    libc.bind(this.fd, socketAddress(ifindex));
    this.drops();
    this.#drops = 0;
  }

  /** Its interface is deleted (the kernel then says index -1) and all that it heard is taken: it may listen to another. */
  isReusable(): boolean {
    const address = socketAddress(0);
    libc.getsockname(this.fd, address);
    return address.readInt32LE(4) === -1 && (Atomics.load(this.#words, this.#at >> 2) & TP_STATUS_USER) === 0;
  }

  drain(port: number, onFrame: FrameSink, budget: number): number {
    const words = this.#words;
    let at = this.#at;
    let count = 0;
    for (; count < budget; count++) {
      const word = at >> 2;
      const status = Atomics.load(words, word);
      if ((status & TP_STATUS_USER) === 0) break;
      const offset = at + this.#half(at + 12);
      const captured = words[word + 2] as number;
      const tag = (status & TP_STATUS_VLAN_VALID) === 0 ? 0 : this.#tag(at, status);
      const length = words[word + 1] as number;
      onFrame(this.#bytes, offset, captured, length, port, tag, words[word + 4] as number, words[word + 5] as number);
      Atomics.store(words, word, 0);
      at += SLOT_BYTES;
      if (at % BLOCK_BYTES > BLOCK_BYTES - SLOT_BYTES) at += BLOCK_BYTES - (at % BLOCK_BYTES);
      if (at === this.#length) at = 0;
    }
    this.#at = at;
    if (count === 0) this.#takeError();
    return count;
  }

  #half(at: number): number {
    return this.#halves[at >> 1] as number;
  }

  #tag(at: number, status: number): number {
    const tpid = (status & TP_STATUS_VLAN_TPID_VALID) === 0 ? 0x8100 : this.#half(at + 26);
    return (tpid << 16) | this.#half(at + 24);
  }

  /** Readable without frames: the interface went down, and epoll would say so for ever if nobody took the ENETDOWN. */
  #takeError(): void {
    libc.getsockopt(this.fd, libc.SOL_SOCKET, SO_ERROR, new Int32Array(1));
  }

  /** `struct tpacket_stats`: packets u32 | drops u32. Reading resets the kernel's count, so it is added up here. */
  drops(): number {
    const statistics = new Uint32Array(2);
    libc.getsockopt(this.fd, SOL_PACKET, PACKET_STATISTICS, statistics);
    this.#drops += statistics[1] as number;
    return this.#drops;
  }

  /** The ring's memory is gone afterwards: nobody may call drain() any more. */
  close(): void {
    libc.munmap(this.#address, this.#length);
    libc.close(this.fd);
  }
}

function attachFilter(fd: number, program: readonly BpfInstruction[]): void {
  const instructions = encodeBpf(program);
  const fprog = Buffer.alloc(16); // struct sock_fprog: length u16, padding, pointer
  fprog.writeUInt16LE(program.length, 0);
  fprog.writeBigUInt64LE(addressOf(instructions), 8);
  libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_ATTACH_FILTER, fprog);
  assert(instructions.length > 0, 'the program outlives the call that reads it'); // keeps it referenced until here
}

/** `struct sockaddr_ll`, all protocols. */
function socketAddress(ifindex: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(libc.AF_PACKET, 0);
  address.writeUInt16LE(ETH_P_ALL_BIG_ENDIAN, 2);
  address.writeInt32LE(ifindex, 4);
  return address;
}
