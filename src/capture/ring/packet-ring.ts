/**
 * One interface's frames in memory that the kernel and this process share: the TPACKET_V2 ring of a packet socket (ring/socket.ts;
 * kernel Documentation/networking/packet_mmap.rst). Hot; run by the thread that made this object.
 *
 *     ring = blocks of one page, each with 7 slots of 576 bytes (64 bytes unused), used in order, without end:
 *       0 status u32 | 4 length u32 | 8 captured u32 | 12 mac u16 | 14 net u16 | 16 seconds u32 | 20 nanoseconds u32
 *      24 TCI u16 | 26 TPID u16 | 28 padding | 32 sockaddr_ll | 66 the frame, up to 504 bytes
 *
 * The status word hands a slot over: the kernel writes the slot, then sets TP_STATUS_USER; we read the slot, then store 0. Both
 * accesses here are Atomics on an aligned 32-bit word, so neither V8 nor a weakly ordered CPU (arm64) moves a read of the frame
 * across them. On x86 a plain store would do; the locked one costs some nanoseconds per frame.
 *
 * Version 2 wakes for every frame, 52 us median from timestamp to JavaScript; version 3 waits for its block timer, 1 ms at best,
 * and was left for that.
 */
import * as libc from '../../abi/libc.ts';
import { viewMemory } from '../../abi/native.ts';
import { attachFilter } from '../../abi/socket-filter.ts';
import { UPLINK_CLAIMS } from '../bpf.ts';
import { PoliceCounts } from './police.ts';
import { BLOCK_BYTES, closeRing, type RingSocket, SLOT_BYTES, SOL_PACKET } from './socket.ts';
import type { FrameSink } from '../source.ts';
import type { Tap } from '../tap.ts';

const PACKET_STATISTICS = 6;
const TP_STATUS_USER = 0x1;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ETH_P_ALL_BIG_ENDIAN = 0x0300;
const SO_ERROR = 4;

export class PacketRing implements Tap {
  readonly fd: number;
  readonly broken = null;
  readonly #address: bigint;
  readonly #length: number;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;
  readonly #police: PoliceCounts | null;
  /** Where the next slot begins. */
  #at = 0;
  #drops = 0;
  #isNarrow = false;
  /** Frames were taken since drops() last asked: without any the ring was never full. */
  #heard = true;

  /** @param socket taken over, also when this throws SystemError; the descriptor of its police is closed */
  constructor(socket: RingSocket) {
    const { fd, policeFd, ringBytes } = socket;
    this.fd = fd;
    this.#length = ringBytes;
    try {
      this.#address = libc.mmap(fd, ringBytes);
    } catch (error) {
      closeRing(socket);
      throw error;
    }
    const memory = viewMemory(this.#address, ringBytes);
    this.#words = new Uint32Array(memory);
    this.#halves = new Uint16Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#police = policeFd === null ? null : new PoliceCounts(policeFd);
  }

  /** Hears an interface from now on, which may be down: the kernel hooks it when it comes up. Counts from 0, with full budgets. */
  listen(ifindex: number): void {
    this.#police?.reset();
    libc.bind(this.fd, socketAddress(ifindex));
    this.#heard = true;
    this.drops();
    this.#drops = 0;
  }

  /** Before it listens: to an uplink, whose filter it has from now on, without limits of rate. It serves no port after that. */
  narrow(): void {
    attachFilter(this.fd, UPLINK_CLAIMS);
    this.#isNarrow = true;
  }

  /** Its interface is deleted (the kernel then says index -1) and all that it heard is taken: it may listen to another. */
  isReusable(): boolean {
    if (this.#isNarrow) return false;
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
    else this.#heard = true;
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

  /**
   * `struct tpacket_stats`: packets u32 | drops u32. Reading resets the kernel's count, so it is added up here. Not asked about quiet
   * ports: for a thousand of them that is most of an idle agent's work.
   */
  drops(): number {
    if (!this.#heard) return this.#drops;
    this.#heard = false;
    const statistics = new Uint32Array(2);
    libc.getsockopt(this.fd, SOL_PACKET, PACKET_STATISTICS, statistics);
    this.#drops += statistics[1] as number;
    return this.#drops;
  }

  policed(protocol: number): number {
    return this.#police?.policed(protocol) ?? 0;
  }

  /** Its memory is gone afterwards: nobody may call drain() any more. Returns the descriptor, which is still to be closed. */
  unmap(): number {
    libc.munmap(this.#address, this.#length);
    this.#police?.close();
    return this.fd;
  }
}

/** `struct sockaddr_ll`, all protocols. */
function socketAddress(ifindex: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(libc.AF_PACKET, 0);
  address.writeUInt16LE(ETH_P_ALL_BIG_ENDIAN, 2);
  address.writeInt32LE(ifindex, 4);
  return address;
}
