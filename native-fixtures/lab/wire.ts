/**
 * A raw Ethernet socket on one interface of one namespace (man 7 packet): frames go out exactly as given, and come in as the
 * guest's kernel sees them, except that a VLAN tag which the kernel took off is gone from the bytes.
 *
 * No helper process: setns(2) moves the calling thread into the namespace for the moment of socket(2), and the socket stays
 * there. Between setns and its return nothing else can run on the thread.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AF_PACKET,
  bind,
  close,
  EAGAIN,
  ifNametoindex,
  recv,
  send,
  setsockopt,
  SOCK_NONBLOCK,
  SOCK_RAW,
  socket,
} from '../../src/abi/libc.ts';
import { LabError } from './command.ts';
import { open, pollReadable, sendMany, setns } from './libc.ts';

const ETH_P_ALL = 0x0003;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
/** Straight to the driver: the queue of a link that just came up swallows frames for up to a second and says they were sent. */
const PACKET_QDISC_BYPASS = 20;
const FRAME_MAX = 65_536;

export class Wire {
  readonly #fd: number;
  readonly #interface: string;
  readonly #buffer = Buffer.alloc(FRAME_MAX);

  /** @param namespacePath as in /run/netns */
  constructor(namespacePath: string, interfaceName: string) {
    this.#interface = interfaceName;
    this.#fd = inNamespace(namespacePath, () => openSocket(interfaceName));
  }

  /** Readable when a frame waits; for epoll. */
  get fd(): number {
    return this.#fd;
  }

  send(frame: Uint8Array): void {
    const sent = send(this.#fd, frame);
    if (sent !== frame.length) throw new LabError(`${this.#interface}: sending ${frame.length} bytes gave ${sent}`);
  }

  /** All in one system call: as closely after each other as the kernel sends them, whoever else wants this thread's CPU. */
  sendAll(frames: readonly Uint8Array[]): void {
    const sent = sendMany(this.#fd, frames);
    if (sent !== frames.length) throw new LabError(`${this.#interface}: sending ${frames.length} frames gave ${sent}`);
  }

  /** The next frame that came in, or null when none is waiting. */
  receive(): Buffer | null {
    const length = recv(this.#fd, this.#buffer);
    if (length === -EAGAIN) return null;
    if (length < 0) throw new LabError(`${this.#interface}: receiving failed with error ${-length}`);
    return Buffer.from(this.#buffer.subarray(0, length));
  }

  /** The same, but blocks until one comes; null when none does within the time. */
  receiveWithin(limitMs: number): Buffer | null {
    return this.receive() ?? (pollReadable(this.#fd, limitMs) ? this.receive() : null);
  }

  /** Resolves to the next frame that satisfies the predicate, or to null when none comes within the time. */
  async expect(predicate: (frame: Buffer) => boolean, limitMs: number): Promise<Buffer | null> {
    for (const deadline = performance.now() + limitMs; performance.now() < deadline; await sleep(1)) {
      for (let frame = this.receive(); frame !== null; frame = this.receive()) if (predicate(frame)) return frame;
    }
    return null;
  }

  close(): void {
    close(this.#fd);
  }
}

/** struct sockaddr_ll: family, protocol in network order, interface index; the rest is not needed to bind. */
function openSocket(interfaceName: string): number {
  const index = ifNametoindex(interfaceName);
  if (index === 0) throw new LabError(`no interface ${interfaceName} here`);
  const fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, 2);
  address.writeInt32LE(index, 4);
  bind(fd, address);
  return fd;
}

/** Runs `act` with this thread in that network namespace; descriptors that it opens stay there. */
export function inNamespace<T>(path: string, act: () => T): T {
  const home = open('/proc/thread-self/ns/net');
  const there = open(path);
  try {
    setns(there);
    try {
      return act();
    } finally {
      setns(home);
    }
  } finally {
    close(there);
    close(home);
  }
}
