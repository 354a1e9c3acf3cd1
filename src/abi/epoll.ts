/**
 * epoll (man 7 epoll), level-triggered, used by one thread. `struct epoll_event` is packed on x86-64 (12 bytes, data at 4) and
 * 16 bytes with data at 8 elsewhere.
 */
import * as libc from './libc.ts';
import { errno, openLibrary } from './native.ts';

const EPOLLIN = 0x1;
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_AT = process.arch === 'x64' ? 4 : 8;

const library = openLibrary('libc.so.6');
const epollCreate1 = library.bind<(flags: number) => number>('int epoll_create1(int flags)');
const epollCtl = library.bind<(epoll: number, operation: number, fd: number, event: DataView | null) => number>(
  'int epoll_ctl(int epoll, int operation, int fd, void *event)',
);
const epollWait = library.bind<(epoll: number, events: DataView, most: number, timeoutMs: number) => number>(
  'int epoll_wait(int epoll, void *events, int most, int timeout)',
);

export class Epoll {
  readonly #fd: number;
  readonly #most: number;
  readonly #events: DataView;

  /** @param most events that one wait() can report; the rest stay for the next */
  constructor(most: number) {
    this.#most = most;
    this.#events = new DataView(new ArrayBuffer(most * EVENT_BYTES));
    this.#fd = epollCreate1(libc.SOCK_CLOEXEC);
    if (this.#fd < 0) throw new libc.SystemError('epoll_create1', errno());
  }

  /** Reports `fd` as `data` (32 bits) while it is readable or its peer is gone. */
  add(fd: number, data: number): void {
    const event = new DataView(new ArrayBuffer(EVENT_BYTES));
    event.setUint32(0, EPOLLIN, true);
    event.setInt32(DATA_AT, data, true);
    this.#control(1, fd, event);
  }

  /** Before the descriptor is closed: a copy in another process would keep it here. */
  remove(fd: number): void {
    this.#control(2, fd, null);
  }

  #control(operation: number, fd: number, event: DataView | null): void {
    if (epollCtl(this.#fd, operation, fd, event) < 0) throw new libc.SystemError('epoll_ctl', errno());
  }

  /** Returns how many are ready: 0 when the time is over or a signal came first. -1 waits without end. */
  wait(timeoutMs: number): number {
    const count = epollWait(this.#fd, this.#events, this.#most, timeoutMs);
    if (count >= 0) return count;
    if (errno() !== libc.EINTR) throw new libc.SystemError('epoll_wait', errno());
    return 0;
  }

  /** The `data` of the i-th descriptor that the last wait() found ready. */
  ready(i: number): number {
    return this.#events.getInt32(i * EVENT_BYTES + DATA_AT, true);
  }

  close(): void {
    libc.close(this.#fd);
  }
}
