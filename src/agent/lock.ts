/**
 * One agent per table: two would undo each other's work in silence, each ready. Main thread.
 *
 * The lock is a listening socket with an abstract name (unix(7)): abstract names belong to a network namespace, as the tables do, and
 * the kernel frees them with the process, also at kill -9. A lock file would have to be judged by who died when.
 *
 * Any local user may take any abstract name. So who listens is asked of the kernel (SO_PEERCRED, as of listen()): root or our own user
 * is another agent; anybody else is somebody who wants to keep the agent from starting, and is not heeded.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import * as libc from '../abi/libc.ts';

export interface LockHolder {
  /** 0: in another PID namespace. */
  readonly pid: number;
  readonly uid: number;
}

/** Its queue of askers is full. An agent, even a stopped one, has room for 511: this one wants not to be known. */
const UNKNOWN: LockHolder = { pid: 0, uid: -1 };

const PATH_BYTES = 108;
/** A holder that ends just when it is asked for, so often in a row, is none. */
const TRIES = 5;

export type LockAttempt = { readonly lock: Server; readonly holder: null } | { readonly lock: null; readonly holder: LockHolder };

/** Takes the lock of this name, or says who has it. */
export async function takeLock(name: string): Promise<LockAttempt> {
  for (let attempt = 1; ; attempt++) {
    // Who connects wants to know our process number, and has it by then.
    const lock = createServer((asker) => asker.destroy());
    try {
      lock.listen({ path: abstract(name) });
      await once(lock, 'listening');
      lock.unref();
      return { lock, holder: null };
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') throw error;
    }
    const holder = lockHolder(name);
    // null: it has ended meanwhile.
    if (holder !== null) return { lock: null, holder };
    if (attempt === TRIES) return { lock: null, holder: UNKNOWN };
  }
}

/** Who has the lock; null: nobody. */
export function lockHolder(name: string): LockHolder | null {
  const address = Buffer.alloc(2 + Buffer.byteLength(abstract(name)));
  address.writeUInt16LE(libc.AF_UNIX, 0);
  address.write(abstract(name), 2);
  const fd = libc.socket(libc.AF_UNIX, libc.SOCK_STREAM | libc.SOCK_NONBLOCK, 0);
  try {
    const failed = libc.connect(fd, address);
    if (failed === -libc.EAGAIN) return UNKNOWN;
    if (failed < 0) return null;
    const credentials = new Int32Array(3); // struct ucred: pid, uid, gid
    libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_PEERCRED, credentials);
    return { pid: credentials[0] ?? 0, uid: credentials[1] ?? 0 };
  } finally {
    libc.close(fd);
  }
}

/** Root's, or our own user's. */
export function isAgent({ uid }: LockHolder, ownUid: number): boolean {
  return uid === 0 || uid === ownUid;
}

/** `another agent (pid 4711) has table havip` */
export function describeHolder({ pid }: LockHolder, name: string): string {
  return `another agent${pid > 0 ? ` (pid ${pid})` : ''} has ${name}`;
}

/** All 108 bytes of sockaddr_un's path: some versions of Node pad a shorter name with zeros, which is another name. */
function abstract(name: string): string {
  return `\0${`havip-agent ${name}`.padEnd(PATH_BYTES - 1)}`;
}
