/**
 * Tells the service manager what the agent does: sd_notify(3), datagrams on a unix socket. Main thread. libsystemd is not needed for it, and
 * a manager that does not read is never waited for: what the socket refuses is not said, and whoever says it says it again.
 */
import * as libc from '../abi/libc.ts';

/** What the manager put into the environment (sd_notify(3), sd_watchdog_enabled(3)). */
export interface Supervision {
  /** NOTIFY_SOCKET: a path, or `@` and an abstract name. */
  readonly socket: string;
  /** WATCHDOG_USEC: it wants to hear of us at least so often; null: never. */
  readonly watchdogUs: number | null;
}

/** struct sockaddr_un without its final zero: sun_path has 108 bytes. */
const PATH_BYTES = 107;

export class Notifier {
  readonly #fd: number;
  readonly #to: Uint8Array | null;

  /** Without an address, and for one that is none, nothing is ever told. */
  constructor(address: string | null) {
    this.#to = address === null ? null : socketAddress(address);
    this.#fd = this.#to === null ? -1 : libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK, 0);
  }

  /** Lines of `NAME=value`. False: it was not taken. */
  tell(...state: readonly string[]): boolean {
    return this.#to === null || libc.sendTo(this.#fd, Buffer.from(state.join('\n')), this.#to) >= 0;
  }

  close(): void {
    if (this.#fd >= 0) libc.close(this.#fd);
  }
}

function socketAddress(address: string): Uint8Array | null {
  const path = Buffer.from(address.replace(/^@/, '\0'));
  if (!/^[/@]./.test(address) || path.length > PATH_BYTES) return null;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(libc.AF_UNIX);
  return Buffer.concat([family, path]);
}
