/**
 * Sockets that hear ARP and ICMP errors, and nothing else, of interfaces, and speak there. Main thread: what came waits until it is asked for, and of
 * one interface few frames are taken at a time, so that a flood holds nobody up.
 */
import { Epoll } from '../abi/epoll.ts';
import * as libc from '../abi/libc.ts';
import { attachFilter, type BpfInstruction } from '../abi/socket-filter.ts';

const FRAME_MOST = 2048;
/** Interfaces, and frames of each, that are heard at a time. */
const READY_MOST = 64;
const FRAMES_MOST = 32;
const PACKET_IGNORE_OUTGOING = 23;
const SOL_PACKET = 263;
const ETH_P_ALL = 0x0300;

/** ARP, and IPv4 with ICMP of type 3, 4, 11 or 12; `LDX_HEADER_LENGTH` takes the IP header's length. */
const FILTER: readonly BpfInstruction[] = [
  { code: 0x28, jt: 0, jf: 0, k: 12 },
  { code: 0x15, jt: 9, jf: 0, k: 0x0806 },
  { code: 0x15, jt: 0, jf: 9, k: 0x0800 },
  { code: 0x30, jt: 0, jf: 0, k: 23 },
  { code: 0x15, jt: 0, jf: 7, k: 1 },
  { code: 0xb1, jt: 0, jf: 0, k: 14 },
  { code: 0x50, jt: 0, jf: 0, k: 14 },
  { code: 0x15, jt: 3, jf: 0, k: 3 },
  { code: 0x15, jt: 2, jf: 0, k: 4 },
  { code: 0x15, jt: 1, jf: 0, k: 11 },
  { code: 0x15, jt: 0, jf: 1, k: 12 },
  { code: 0x06, jt: 0, jf: 0, k: FRAME_MOST },
  { code: 0x06, jt: 0, jf: 0, k: 0 },
];

interface Ear {
  readonly fd: number;
  readonly ifindex: number;
}

export class Ears {
  readonly #onFrame: (name: string, frame: Buffer) => void;
  /** By interface. */
  readonly #ears = new Map<string, Ear>();
  /** Interfaces by their index. */
  readonly #names = new Map<number, string>();
  readonly #epoll = new Epoll(READY_MOST);
  readonly #frame = Buffer.alloc(FRAME_MOST);

  /** @param onFrame what it is handed is the next one's afterwards */
  constructor(onFrame: (name: string, frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** @param ifindex another than before: the interface was made anew */
  open(name: string, ifindex: number): void {
    const there = this.#ears.get(name);
    if (there?.ifindex === ifindex) return;
    if (there !== undefined) this.#drop(name, there);
    const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK, 0);
    attachFilter(fd, FILTER);
    libc.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    libc.bind(fd, linkAddress(ifindex, ETH_P_ALL));
    this.#epoll.add(fd, ifindex);
    this.#ears.set(name, { fd, ifindex });
    this.#names.set(ifindex, name);
  }

  /** Nothing more is heard of it, or said there. */
  shut(name: string): void {
    const ear = this.#ears.get(name);
    if (ear !== undefined) this.#drop(name, ear);
  }

  hear(): void {
    for (let i = this.#epoll.wait(0) - 1; i >= 0; i--) {
      const name = this.#names.get(this.#epoll.ready(i));
      const ear = name === undefined ? undefined : this.#ears.get(name);
      if (name !== undefined && ear !== undefined) this.#take(name, ear);
    }
  }

  send(name: string, frame: Uint8Array): void {
    const ear = this.#ears.get(name);
    // An interface that is gone refuses; it is looked for each second.
    if (ear !== undefined) libc.sendTo(ear.fd, frame, linkAddress(ear.ifindex, 0));
  }

  close(): void {
    for (const [name, ear] of this.#ears) this.#drop(name, ear);
    this.#epoll.close();
  }

  #take(name: string, { fd }: Ear): void {
    for (let frames = 0; frames < FRAMES_MOST; frames++) {
      const length = libc.recv(fd, this.#frame, libc.MSG_DONTWAIT);
      if (length <= 0) return;
      this.#onFrame(name, this.#frame.subarray(0, length));
    }
  }

  #drop(name: string, { fd, ifindex }: Ear): void {
    this.#epoll.remove(fd);
    libc.close(fd);
    this.#ears.delete(name);
    this.#names.delete(ifindex);
  }
}

/** struct sockaddr_ll (packet(7)): family, protocol, interface index. */
function linkAddress(ifindex: number, protocol: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(0, libc.AF_PACKET, true);
  address.setUint16(2, protocol, true);
  address.setInt32(4, ifindex, true);
  return new Uint8Array(address.buffer);
}
