/**
 * Makes and closes rings for the workers, many at a time (abi/graceful.ts), so that no worker ever waits for the kernel's grace periods
 * and captures nothing meanwhile. Main thread.
 */
import { setImmediate } from 'node:timers/promises';
import { closeLater, setsockoptLater } from '../../abi/graceful.ts';
import * as libc from '../../abi/libc.ts';
import {
  descriptorsOf,
  openRingSocket,
  PACKET_RX_RING,
  ringRequest,
  type RingShape,
  type RingSocket,
  SOL_PACKET,
} from './socket.ts';

/** Calls in a batch, of which two are under way at once; what exceeds libuv's pool waits in its queue. koffi refuses more than 256. */
const TOGETHER = 64;

export class RingSupply {
  readonly #shape: RingShape;
  readonly #closing: number[] = [];
  readonly #closers = new Set<Promise<void>>();

  constructor(shape: RingShape) {
    this.#shape = shape;
  }

  /** Yields batches; fewer rings in all than asked for when the kernel refused some. */
  async *make(count: number): AsyncGenerator<readonly RingSocket[]> {
    let before: Promise<(RingSocket | null)[]> | null = null;
    for (let left = count; left > 0; left -= TOGETHER) {
      const making: Promise<RingSocket | null>[] = [];
      for (let i = 0; i < Math.min(left, TOGETHER); i++) {
        making.push(this.#makeOne());
        await setImmediate(); // 0.4 ms each: the loop turns in between
      }
      // Handed over when the next ones are under way: the kernel's wait for RCU costs the start of 1,000 ports no time of its own.
      if (before !== null) yield (await before).filter((made) => made !== null);
      before = Promise.all(making);
    }
    if (before !== null) yield (await before).filter((made) => made !== null);
  }

  async #makeOne(): Promise<RingSocket | null> {
    let socket: RingSocket;
    try {
      socket = openRingSocket(this.#shape);
    } catch (error) {
      if (error instanceof libc.SystemError) return null;
      throw error;
    }
    if (await setsockoptLater(socket.fd, SOL_PACKET, PACKET_RX_RING, ringRequest(socket))) return socket;
    this.close(descriptorsOf(socket));
    return null;
  }

  /** Closes descriptors, soon. */
  close(fds: readonly number[]): void {
    this.#closing.push(...fds);
    while (this.#closing.length > 0 && this.#closers.size < TOGETHER) {
      const closer: Promise<void> = this.#closeWaiting().then(() => void this.#closers.delete(closer));
      this.#closers.add(closer);
    }
  }

  async #closeWaiting(): Promise<void> {
    for (let fd = this.#closing.pop(); fd !== undefined; fd = this.#closing.pop()) await closeLater(fd);
  }

  /** Resolves when all that was given to close() is closed. */
  async closed(): Promise<void> {
    while (this.#closers.size > 0) await Promise.all(this.#closers);
  }
}
