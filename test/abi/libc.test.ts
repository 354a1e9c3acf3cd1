import { describe, expect, it } from 'vitest';
import { pipe2 } from '../../native-fixtures/lab/libc.ts';
import { Epoll } from '../../src/abi/epoll.ts';
import * as libc from '../../src/abi/libc.ts';
import { ChildProcess } from '../../src/abi/spawn.ts';

const NO_FD = 1_000_000;

function errorOf(call: () => unknown): libc.SystemError {
  try {
    call();
  } catch (error) {
    if (error instanceof libc.SystemError) return error;
  }
  throw new Error('no SystemError');
}

describe('libc', () => {
  it('tells in one line which call failed and why', () => {
    const error = errorOf(() => libc.bind(NO_FD, new Uint8Array(20)));
    expect(error.message).toBe('bind: Bad file descriptor (EBADF)');
    expect(error).toMatchObject({ call: 'bind', code: 'EBADF' });
    expect(errorOf(() => libc.mmap(NO_FD, 4096)).code).toBe('EBADF');
    expect(errorOf(() => libc.close(NO_FD)).code).toBe('EBADF');
  });

  it('moves data through a pipe, and says what is refused with a negative error number', () => {
    const [readFd, writeFd] = pipe2(libc.SOCK_NONBLOCK);
    const to = Buffer.alloc(16);
    expect(libc.read(readFd, to)).toBe(-libc.EAGAIN);
    expect(libc.write(writeFd, Buffer.from('havip'))).toBe(5);
    expect(libc.read(readFd, to)).toBe(5);
    expect(to.toString('latin1', 0, 5)).toBe('havip');
    libc.close(writeFd);
    expect(libc.read(readFd, to), 'end of file').toBe(0);
    libc.close(readFd);
    expect(libc.send(NO_FD, to)).toBe(-9);
    expect(libc.recv(NO_FD, to)).toBe(-9);
    expect(libc.write(NO_FD, to)).toBe(-9);
  });

  it('reports by epoll what is ready, as the data it was added with', () => {
    const epoll = new Epoll(4);
    const [first, second] = [libc.eventfd(), libc.eventfd()];
    epoll.add(first, 7);
    epoll.add(second, -3);
    expect(epoll.wait(0)).toBe(0);
    libc.signalEvent(second);
    libc.signalEvent(second);
    expect(epoll.wait(5_000)).toBe(1);
    expect(epoll.ready(0)).toBe(-3);
    const count = new BigUint64Array(1);
    expect(libc.read(second, count)).toBe(8);
    expect(count[0]).toBe(2n);
    libc.signalEvent(first);
    epoll.remove(first);
    expect(epoll.wait(0)).toBe(0);
    expect(errorOf(() => epoll.remove(first)).call).toBe('epoll_ctl');
    for (const fd of [first, second]) libc.close(fd);
    epoll.close();
  });

  it('reads the clocks that Node reads', () => {
    const [seconds, nanoseconds] = process.hrtime();
    expect(libc.clockNs(libc.CLOCK_MONOTONIC)).toBeGreaterThanOrEqual(seconds * 1e9 + nanoseconds);
    expect(Math.abs(libc.clockNs(libc.CLOCK_REALTIME) / 1e6 - Date.now())).toBeLessThan(60_000);
  });

  it('knows interfaces by name, and sizes queues', () => {
    expect(libc.ifNametoindex('lo')).toBeGreaterThan(0);
    expect(libc.ifNametoindex('no-such-if')).toBe(0);
    const [one, other] = libc.socketpair(libc.AF_UNIX, libc.SOCK_STREAM);
    libc.setQueueBytes(one, 'send', 16_384);
    const value = new Int32Array(1);
    expect(libc.getsockopt(one, libc.SOL_SOCKET, 7, value)).toBe(4);
    expect(value[0]).toBe(32_768); // the kernel doubles it, for its own bookkeeping
    for (const fd of [one, other]) libc.close(fd);
  });

  it('starts a child that has one descriptor of ours, and reaps it', () => {
    const [ours, theirs] = libc.socketpair(libc.AF_UNIX, libc.SOCK_STREAM);
    const child = new ChildProcess(['/bin/sh', '-c', '[ -e /proc/self/fd/$0 ] || echo $1 >&3', `${ours}`, 'hello'], theirs);
    libc.close(theirs);
    expect(child.reap(true)).toBe(true);
    child.kill(); // nobody's process any more: does nothing
    const to = Buffer.alloc(256);
    const length = libc.recv(ours, to, libc.MSG_DONTWAIT);
    expect(to.toString('latin1', 0, length)).toBe('hello\n');
    libc.close(ours);
    expect(errorOf(() => new ChildProcess(['/nonexistent'], 0)).message).toBe('posix_spawn: No such file or directory (ENOENT)');
  });
});
