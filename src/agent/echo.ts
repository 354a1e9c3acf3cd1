/**
 * Raw ICMP sockets, each bound to an interface: by `raw-socket` where that loads (this is the one door to it; it has a default loop only),
 * else by the kernel's own calls. Main thread.
 *
 * `raw-socket` is an optional dependency and built for one Node.js. Without a loop that waits for a descriptor of its own making, the other
 * way asks every millisecond while an answer may come and rarely afterwards; the kernel's timestamp says when it came.
 */
import * as libc from '../abi/libc.ts';
import { receiveStamped } from '../abi/stamped.ts';
import { formatIpv4, parseIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { codeOf } from '../base/failure.ts';

export interface EchoSocket {
  /** @param done null: sent; else why not, in one line */
  send(packet: Buffer, address: string, done: (trouble: string | null) => void): void;
  close(): void;
}

export interface EchoEvents {
  /** @param packet with the IP header in front; the socket's own memory, which changes after the call */
  readonly onMessage: (packet: Buffer, source: string, atNs: number) => void;
  readonly onTrouble: (message: string) => void;
}

/** Throws what socket(2) and setsockopt(2) refuse. */
export type OpenEcho = (device: string, events: EchoEvents) => EchoSocket;

const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const SO_TIMESTAMPNS = 35;
const IPPROTO_ICMP = 1;

/** The part of raw-socket that is used; the package has no types. */
interface RawSocket {
  setOption(level: number, option: number, value: Buffer, length: number): void;
  send(packet: Buffer, offset: number, length: number, address: string, done: (error: Error | null) => void): void;
  on(event: 'message', listener: (packet: Buffer, source: string) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  close(): void;
}

interface RawSocketModule {
  createSocket(options: { protocol: number }): RawSocket;
  readonly Protocol: { readonly ICMP: number };
}

/** Errors of import() and require() that say something of the installation, not of the program. */
const UNUSABLE = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED']);

/** @param module for tests: what to load in raw-socket's place */
export async function findEcho(module: string = 'raw-socket'): Promise<OpenEcho> {
  try {
    const loaded: { readonly default: RawSocketModule } = await import(module);
    return (device, events) => openRaw(loaded.default, device, events);
  } catch (error) {
    if (!UNUSABLE.has(codeOf(error) ?? '')) throw error;
    return openNative;
  }
}

function openRaw(raw: RawSocketModule, device: string, { onMessage, onTrouble }: EchoEvents): EchoSocket {
  const socket = raw.createSocket({ protocol: raw.Protocol.ICMP });
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`), device.length + 1);
  // The time is the main thread's own: it includes its wake-up, tens of microseconds.
  socket.on('message', (packet, source) => onMessage(packet, source, systemClock.nowNs()));
  socket.on('error', (error) => onTrouble(error.message));
  return {
    send: (packet, address, done) =>
      socket.send(packet, 0, packet.length, address, (error) => done(error === null ? null : error.message)),
    close: () => socket.close(),
  };
}

/** An answer comes within the first of these times, or hardly matters to the millisecond. */
const ASK_EACH_MS = 1;
const ASK_OFTEN_MS = 50;
const ASK_RARELY_MS = 200;
/** sockaddr_in: family, port, address. */
const ADDRESS_BYTES = 16;
const PACKET_BYTES = 2048;

export function openNative(device: string, events: EchoEvents): EchoSocket {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_RAW | libc.SOCK_NONBLOCK, IPPROTO_ICMP);
  try {
    libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    libc.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return new NativeEcho(fd, events);
}

class NativeEcho implements EchoSocket {
  readonly #fd: number;
  readonly #events: EchoEvents;
  readonly #packet = Buffer.alloc(PACKET_BYTES);
  readonly #to = Buffer.alloc(ADDRESS_BYTES);
  #timer: NodeJS.Timeout | null = null;
  #sentMs = 0;

  constructor(fd: number, events: EchoEvents) {
    this.#fd = fd;
    this.#events = events;
    this.#to.writeUInt16LE(libc.AF_INET, 0);
  }

  send(packet: Buffer, address: string, done: (trouble: string | null) => void): void {
    this.#to.writeUInt32BE(must(parseIpv4(address), 'an address of the configuration'), 4);
    const sent = libc.sendTo(this.#fd, packet, this.#to);
    done(sent < 0 ? new libc.SystemError('sendto', -sent).message : null);
    this.#sentMs = performance.now();
    this.#timer ??= setTimeout(() => this.#ask(), ASK_EACH_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    libc.close(this.#fd);
  }

  /** Until what was sent last is that old that an answer would be of no use. */
  #ask(): void {
    this.#timer = null;
    this.#receive();
    const ageMs = performance.now() - this.#sentMs;
    if (ageMs > 5 * ASK_RARELY_MS) return;
    this.#timer = setTimeout(() => this.#ask(), ageMs < ASK_OFTEN_MS ? ASK_EACH_MS : ASK_RARELY_MS).unref();
  }

  #receive(): void {
    for (;;) {
      const { length, wallNs } = receiveStamped(this.#fd, this.#packet);
      if (length === -libc.EAGAIN) return;
      if (length < 0) return this.#events.onTrouble(new libc.SystemError('recvmsg', -length).message);
      if (length < 20) continue;
      // Its age on the wall clock, counted back on the monotonic one.
      const ageNs = wallNs === null ? 0 : Math.max(0, libc.clockNs(libc.CLOCK_REALTIME) - wallNs);
      this.#events.onMessage(
        this.#packet.subarray(0, length),
        formatIpv4(this.#packet.readUInt32BE(12)),
        systemClock.nowNs() - ageNs,
      );
    }
  }
}
