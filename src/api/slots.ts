/**
 * Connections at a time. One that waits for its next request, or never sent one, gives way to a new one, the longest idle first; so a
 * local user who opens many keeps nobody out. Many that are being answered leave some for health alone. Main thread.
 */
import type { Socket } from 'node:net';

const MOST = 64;
const FOR_HEALTH = 8;

export class Slots {
  /** Longest idle first. */
  readonly #idle = new Set<Socket>();
  readonly #busy = new Set<Socket>();

  /** A new connection. */
  admit(socket: Socket): void {
    if (this.#idle.size + this.#busy.size >= MOST + FOR_HEALTH) {
      const [longestIdle] = this.#idle;
      if (longestIdle === undefined) {
        socket.destroy();
        return;
      }
      this.#forget(longestIdle);
      longestIdle.destroy();
    }
    this.#idle.add(socket);
    socket.once('close', () => this.#forget(socket));
  }

  /** It sent a request. False: of that many at a time only health is answered. */
  begin(socket: Socket): boolean {
    this.#idle.delete(socket);
    this.#busy.add(socket);
    return this.#busy.size <= MOST;
  }

  /** It has its answer. */
  end(socket: Socket): void {
    this.#busy.delete(socket);
    if (!socket.destroyed) this.#idle.add(socket);
  }

  #forget(socket: Socket): void {
    this.#idle.delete(socket);
    this.#busy.delete(socket);
  }
}
