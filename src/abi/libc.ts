/**
 * libc's system calls, named and ordered as in their manual pages, run by whichever thread calls them. File descriptors belong to
 * the whole process: any thread may use or close one.
 *
 * Two manners of failing. Calls that set something up throw SystemError. Calls that move data, where a refusal is ordinary
 * (EAGAIN, ENOBUFS, EPIPE), return the count, or the negative error number as the kernel itself does. EINTR is never seen
 * outside. Structures are little-endian, as on every machine koffi's prebuilt modules and this agent run on.
 */
import { errno, errnoName, openLibrary } from './native.ts';

/** A system call that was expected to work did not. The message is one line for a person. */
export class SystemError extends Error {
  override name = 'SystemError';
  readonly failure = 'system-call';
  readonly call: string;
  /** `EPERM`, `ENODEV`, ... */
  readonly code: string;
  constructor(call: string, number: number) {
    super(`${call}: ${C.strerror(number)} (${errnoName(number)})`);
    this.call = call;
    this.code = errnoName(number);
  }
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_PEERCRED = 17;
export const SO_PEERGROUPS = 59;
export const SO_ATTACH_FILTER = 26;
export const SO_ATTACH_BPF = 50;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_TRUNC = 0x20;
export const EPERM = 1;
export const ENOENT = 2;
export const ENODEV = 19;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOBUFS = 105;
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;

const library = openLibrary('libc.so.6');
type Bytes = ArrayBufferView;

const C = {
  strerror: library.bind<(number: number) => string>('const char *strerror(int number)'),
  socket: library.bind<(domain: number, type: number, protocol: number) => number>(
    'int socket(int domain, int type, int protocol)',
  ),
  socketpair: library.bind<(domain: number, type: number, protocol: number, pair: Bytes) => number>(
    'int socketpair(int domain, int type, int protocol, void *pair)',
  ),
  bind: library.bind<(fd: number, address: Bytes, length: number) => number>('int bind(int fd, void *address, uint32_t length)'),
  connect: library.bind<(fd: number, address: Bytes, length: number) => number>(
    'int connect(int fd, void *address, uint32_t length)',
  ),
  getsockname: library.bind<(fd: number, address: Bytes, length: Bytes) => number>(
    'int getsockname(int fd, void *address, void *length)',
  ),
  setsockopt: library.bind<(fd: number, level: number, name: number, value: Bytes, length: number) => number>(
    'int setsockopt(int fd, int level, int name, void *value, uint32_t length)',
  ),
  getsockopt: library.bind<(fd: number, level: number, name: number, value: Bytes, length: Bytes) => number>(
    'int getsockopt(int fd, int level, int name, void *value, void *length)',
  ),
  mmap: library.bind<(at: null, length: number, prot: number, flags: number, fd: number, offset: number) => number | bigint>(
    'uintptr_t mmap(void *at, size_t length, int prot, int flags, int fd, int64_t offset)',
  ),
  munmap: library.bind<(address: bigint, length: number) => number>('int munmap(uintptr_t address, size_t length)'),
  close: library.bind<(fd: number) => number>('int close(int fd)'),
  flock: library.bind<(fd: number, operation: number) => number>('int flock(int fd, int operation)'),
  eventfd: library.bind<(initial: number, flags: number) => number>('int eventfd(uint32_t initial, int flags)'),
  poll: library.bind<(fds: Bytes, count: number, timeoutMs: number) => number>(
    'int poll(void *fds, unsigned long count, int timeout)',
  ),
  read: library.bind<(fd: number, to: Bytes, length: number) => number>('int64_t read(int fd, void *to, size_t length)'),
  write: library.bind<(fd: number, from: Bytes, length: number) => number>('int64_t write(int fd, void *from, size_t length)'),
  recv: library.bind<(fd: number, to: Bytes, length: number, flags: number) => number>(
    'int64_t recv(int fd, void *to, size_t length, int flags)',
  ),
  send: library.bind<(fd: number, from: Bytes, length: number, flags: number) => number>(
    'int64_t send(int fd, void *from, size_t length, int flags)',
  ),
  sendto: library.bind<(fd: number, from: Bytes, length: number, flags: number, to: Bytes, toLength: number) => number>(
    'int64_t sendto(int fd, void *from, size_t length, int flags, void *to, uint32_t to_length)',
  ),
  bpf: library.bind<(number: number, command: number, attributes: Bytes, length: number) => number>(
    'int64_t syscall(long number, int command, void *attributes, uint32_t length)',
  ),
  clockGettime: library.bind<(clock: number, time: Bytes) => number>('int clock_gettime(int clock, void *time)'),
  ioctl: library.bind<(fd: number, request: number, argument: Bytes) => number>(
    'int ioctl(int fd, unsigned long request, void *argument)',
  ),
  ifNametoindex: library.bind<(name: string) => number>('uint32_t if_nametoindex(const char *name)'),
  mallocTrim: library.bind<(keep: number) => number>('int malloc_trim(size_t keep)'),
};

export function socket(domain: number, type: number, protocol: number): number {
  return checked('socket', C.socket(domain, type | SOCK_CLOEXEC, protocol));
}

export function socketpair(domain: number, type: number): [fd: number, fd: number] {
  const pair = new Int32Array(2);
  checked('socketpair', C.socketpair(domain, type | SOCK_CLOEXEC, 0, pair));
  return [pair[0] ?? -1, pair[1] ?? -1];
}

export function bind(fd: number, address: Uint8Array): void {
  checked('bind', C.bind(fd, address, address.length));
}

/** Returns 0, or the negative error number: that nobody listens there is ordinary. */
export function connect(fd: number, address: Uint8Array): number {
  return C.connect(fd, address, address.length) < 0 ? -errno() : 0;
}

/** Fills `address` with what the socket is bound to now. */
export function getsockname(fd: number, address: Uint8Array): void {
  checked('getsockname', C.getsockname(fd, address, Uint32Array.of(address.length)));
}

/** The value is an int when given as a number, else the bytes of the option's structure. */
export function setsockopt(fd: number, level: number, name: number, value: number | ArrayBufferView): void {
  const bytes = typeof value === 'number' ? Int32Array.of(value) : value;
  checked('setsockopt', C.setsockopt(fd, level, name, bytes, bytes.byteLength));
}

const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** Queue of a socket; without CAP_NET_ADMIN no larger than net.core.rmem_max or wmem_max. */
export function setQueueBytes(fd: number, direction: 'receive' | 'send', bytes: number): void {
  const [force, ask] = direction === 'send' ? [SO_SNDBUFFORCE, SO_SNDBUF] : [SO_RCVBUFFORCE, SO_RCVBUF];
  try {
    setsockopt(fd, SOL_SOCKET, force, bytes);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EPERM') throw error;
    setsockopt(fd, SOL_SOCKET, ask, bytes);
  }
}

/** Fills `value`; returns the bytes that the kernel wrote. */
export function getsockopt(fd: number, level: number, name: number, value: ArrayBufferView): number {
  const length = Uint32Array.of(value.byteLength);
  checked('getsockopt', C.getsockopt(fd, level, name, value, length));
  return length[0] ?? 0;
}

/** Maps a descriptor's memory, readable, writable and shared. The address is for viewMemory() and munmap(). */
export function mmap(fd: number, length: number): bigint {
  const address = BigInt.asIntN(64, BigInt(C.mmap(null, length, 0x1 | 0x2, 0x1, fd, 0)));
  if (address === -1n) throw new SystemError('mmap', errno());
  return address;
}

export function munmap(address: bigint, length: number): void {
  checked('munmap', C.munmap(address, length));
}

/** Linux frees the descriptor even when it reports EINTR: never retried. */
export function close(fd: number): void {
  if (C.close(fd) < 0 && errno() !== EINTR) throw new SystemError('close', errno());
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Locks an open file or folder against others that do the same, until it is closed or the process ends; false: somebody has it. */
export function tryFlock(fd: number): boolean {
  if (C.flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  if (errno() === EAGAIN || errno() === EINTR) return false;
  throw new SystemError('flock', errno());
}

/** Gives what C libraries have freed back to the kernel (man 3 malloc_trim). */
export function trimMemory(): void {
  C.mallocTrim(0);
}

/** A counter to wake a thread with, non-blocking: write 8 bytes to add, read 8 bytes to take all. */
export function eventfd(): number {
  return checked('eventfd', C.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

const ONE = BigUint64Array.of(1n);

/** Wakes whoever waits for this eventfd. A full counter has woken it already. */
export function signalEvent(fd: number): void {
  const written = write(fd, ONE);
  if (written < 0 && written !== -EAGAIN) throw new SystemError('write to eventfd', -written);
}

/** True when `fd` may be written now, or refuses at once, within the time; false also when a signal came first. */
export function pollWritable(fd: number, timeoutMs: number): boolean {
  const pollfd = new DataView(new ArrayBuffer(8));
  pollfd.setInt32(0, fd, true);
  pollfd.setInt16(4, 0x4, true); // POLLOUT
  const count = C.poll(pollfd, 1, timeoutMs);
  if (count < 0 && errno() !== EINTR) throw new SystemError('poll', errno());
  return count > 0;
}

export function read(fd: number, to: ArrayBufferView): number {
  for (;;) {
    const count = C.read(fd, to, to.byteLength);
    if (count >= 0) return count;
    if (errno() !== EINTR) return -errno();
  }
}

export function write(fd: number, from: ArrayBufferView): number {
  for (;;) {
    const count = C.write(fd, from, from.byteLength);
    if (count >= 0) return count;
    if (errno() !== EINTR) return -errno();
  }
}

export function recv(fd: number, to: ArrayBufferView, flags = 0): number {
  for (;;) {
    const count = C.recv(fd, to, to.byteLength, flags);
    if (count >= 0) return count;
    if (errno() !== EINTR) return -errno();
  }
}

export function send(fd: number, from: ArrayBufferView, flags = 0): number {
  for (;;) {
    const count = C.send(fd, from, from.byteLength, flags);
    if (count >= 0) return count;
    if (errno() !== EINTR) return -errno();
  }
}

export function sendTo(fd: number, from: ArrayBufferView, to: Uint8Array): number {
  for (;;) {
    const count = C.sendto(fd, from, from.byteLength, 0, to, to.length);
    if (count >= 0) return count;
    if (errno() !== EINTR) return -errno();
  }
}

/** bpf(2), which libc does not wrap; its number is 321 on x86-64 and 280 on arm64. */
export function bpf(command: number, attributes: ArrayBufferView): number {
  const number = process.arch === 'x64' ? 321 : 280;
  return checked('bpf', C.bpf(number, command, attributes, attributes.byteLength));
}

/** Nanoseconds of a clock; CLOCK_REALTIME rounds to 256 ns in a double, differences of both clocks' readings likewise. */
export function clockNs(clock: number): number {
  const time = new BigInt64Array(2);
  checked('clock_gettime', C.clockGettime(clock, time));
  return Number(time[0]) * 1e9 + Number(time[1]);
}

/** Index of the interface, 0 when there is none of that name. */
export function ifNametoindex(name: string): number {
  return C.ifNametoindex(name);
}

/** Returns what the request does, or the negative error number. */
export function ioctl(fd: number, request: number, argument: ArrayBufferView): number {
  const result = C.ioctl(fd, request, argument);
  return result < 0 ? -errno() : result;
}

function checked(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, errno());
  return result;
}
