import { readlinkSync } from 'node:fs';
import { expect, it } from 'vitest';
import { open, pipe2, pollReadable, sendMany, setns, SOCK_DGRAM } from '../../native-fixtures/lab/libc.ts';
import { AF_UNIX, close, EAGAIN, recv, SOCK_NONBLOCK, socketpair, SystemError, write } from '../../src/abi/libc.ts';

const NO_FD = 1_000_000;

it('tells in one line which call failed and why', () => {
  expect(() => open('/nonexistent')).toThrow(new SystemError('open /nonexistent', 2));
  expect(() => open('/nonexistent')).toThrow('open /nonexistent: No such file or directory (ENOENT)');
  expect(() => setns(NO_FD)).toThrow('setns: Bad file descriptor (EBADF)');
});

it('waits for a descriptor until there is something to read, or its other end is gone', () => {
  const [readFd, writeFd] = pipe2(SOCK_NONBLOCK);
  expect(pollReadable(readFd, 0)).toBe(false);
  write(writeFd, Buffer.from('havip'));
  expect(pollReadable(readFd, 5_000)).toBe(true);
  const [other, gone] = pipe2();
  close(gone);
  expect(pollReadable(other, 5_000)).toBe(true);
  for (const fd of [readFd, writeFd, other]) close(fd);
});

it('sends many messages in one call, each whole', () => {
  const [from, to] = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK);
  const messages = ['a', 'many', 'words'].map((text) => Buffer.from(text));
  expect(sendMany(from, messages)).toBe(3);
  const got = Buffer.alloc(16);
  for (const message of messages) expect(got.toString('latin1', 0, recv(to, got))).toBe(message.toString());
  expect(recv(to, got)).toBe(-EAGAIN);
  close(from);
  close(to);
  expect(sendMany(NO_FD, messages)).toBe(-9);
});

it('opens a namespace to go there', () => {
  const fd = open('/proc/thread-self/ns/net');
  expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe(readlinkSync('/proc/thread-self/ns/net'));
  close(fd);
});
