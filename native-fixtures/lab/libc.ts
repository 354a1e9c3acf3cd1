/** System calls that only the lab, tests and benches make; else as src/abi/libc.ts. */
import { SOCK_CLOEXEC, SystemError } from '../../src/abi/libc.ts';
import { addressOf, errno, openLibrary } from '../../src/abi/native.ts';

export const SOCK_DGRAM = 2;
const EINTR = 4;

const library = openLibrary('libc.so.6');
type Bytes = ArrayBufferView;

const C = {
  open: library.bind<(path: string, flags: number) => number>('int open(const char *path, int flags)'),
  ioctl: library.bind<(fd: number, request: number, argument: Bytes) => number>(
    'int ioctl(int fd, unsigned long request, void *argument)',
  ),
  sendmmsg: library.bind<(fd: number, messages: Bytes, count: number, flags: number) => number>(
    'int sendmmsg(int fd, void *messages, uint32_t count, int flags)',
  ),
  pipe2: library.bind<(pair: Bytes, flags: number) => number>('int pipe2(void *pair, int flags)'),
  poll: library.bind<(fds: Bytes, count: number, timeoutMs: number) => number>(
    'int poll(void *fds, unsigned long count, int timeout)',
  ),
  setns: library.bind<(fd: number, type: number) => number>('int setns(int fd, int type)'),
};

/** Read-only unless `flags` say otherwise. */
export function open(path: string, flags = 0): number {
  return checked(`open ${path}`, C.open(path, flags | SOCK_CLOEXEC));
}

export function ioctl(fd: number, request: number, argument: ArrayBufferView): void {
  checked('ioctl', C.ioctl(fd, request, argument));
}

/** Both ends close on exec; `flags` as SOCK_NONBLOCK. */
export function pipe2(flags = 0): [readFd: number, writeFd: number] {
  const pair = new Int32Array(2);
  checked('pipe2', C.pipe2(pair, flags | SOCK_CLOEXEC));
  return [pair[0] ?? -1, pair[1] ?? -1];
}

/** True when `fd` became readable (or was closed by its peer) within the time; false also when a signal came first. */
export function pollReadable(fd: number, timeoutMs: number): boolean {
  return pollReadableAny([fd], timeoutMs);
}

/** The same of any of these. */
export function pollReadableAny(fds: readonly number[], timeoutMs: number): boolean {
  const pollfds = new DataView(new ArrayBuffer(8 * fds.length));
  for (const [i, fd] of fds.entries()) {
    pollfds.setInt32(8 * i, fd, true);
    pollfds.setInt16(8 * i + 4, 0x1, true); // POLLIN
  }
  const count = C.poll(pollfds, fds.length, timeoutMs);
  if (count < 0 && errno() !== EINTR) throw new SystemError('poll', errno());
  return count > 0;
}

/** struct mmsghdr and struct iovec, on 64-bit machines. */
const MMSGHDR_BYTES = 64;
const IOVEC_BYTES = 16;

/** Sends each as a message of its own, in one system call; returns how many went out, or a negative error number when none did. */
export function sendMany(fd: number, messages: readonly ArrayBufferView[]): number {
  const vectors = Buffer.alloc(messages.length * IOVEC_BYTES);
  const headers = Buffer.alloc(messages.length * MMSGHDR_BYTES);
  const vectorsAt = addressOf(vectors);
  for (const [i, message] of messages.entries()) {
    vectors.writeBigUInt64LE(addressOf(message), i * IOVEC_BYTES);
    vectors.writeBigUInt64LE(BigInt(message.byteLength), i * IOVEC_BYTES + 8);
    headers.writeBigUInt64LE(vectorsAt + BigInt(i * IOVEC_BYTES), i * MMSGHDR_BYTES + 16);
    headers.writeBigUInt64LE(1n, i * MMSGHDR_BYTES + 24);
  }
  for (;;) {
    const count = C.sendmmsg(fd, headers, messages.length, 0);
    if (count >= 0) return count;
    if (errno() !== EINTR) return -errno();
  }
}

/** Moves the calling thread into the network namespace behind `fd`. */
export function setns(fd: number): void {
  checked('setns', C.setns(fd, 0x4000_0000));
}

function checked(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, errno());
  return result;
}
