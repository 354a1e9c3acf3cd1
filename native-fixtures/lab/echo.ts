/**
 * ICMP echo at a steady short interval (RFC 792), as a process of its own in a guest's namespace:
 *
 *     node echo.js ADDRESS INTERVAL_MS COUNT
 *
 * One line per reply: sequence number and its time on the monotonic clock in nanoseconds. iputils ping was tried and lost: while
 * a request is unanswered it sends only every 10 ms, whatever its interval, so an outage came out up to 10 ms too long.
 */
import { writeSync } from 'node:fs';
import { AF_INET, recv, send, setsockopt, SOCK_NONBLOCK, SOCK_RAW, socket } from '../../src/abi/libc.ts';
import { pollReadable } from './libc.ts';
import { openLibrary } from '../../src/abi/native.ts';
import { systemClock } from '../../src/base/clock.ts';

const IPPROTO_ICMP = 1;
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const ONLY_ECHO_REPLY = ~1; // a set bit blocks its ICMP type; echo reply is type 0
const ECHO = 8;
/** Header, and the sequence number again: the header's 16 bits are used up after 65 s at 1 ms. */
const REQUEST_BYTES = 12;
/** How long replies may follow the last request. */
const LINGER_NS = 1e9;

const connect = openLibrary('libc.so.6').bind<(fd: number, address: Buffer, length: number) => number>(
  'int connect(int fd, void *address, uint32_t length)',
);
const identifier = process.pid & 0xffff;
const nowNs = () => systemClock.nowNs();

const [address = '', intervalMs = '', count = ''] = process.argv.slice(2);
run(openSocket(address), Number(intervalMs) * 1e6, Number(count));

function run(fd: number, intervalNs: number, limit: number): void {
  const endNs = nowNs() + limit * intervalNs + LINGER_NS;
  const reply = Buffer.alloc(2048);
  let sent = 0;
  for (let nextNs = nowNs(); nowNs() < endNs;) {
    const waitNs = (sent < limit ? nextNs : endNs) - nowNs();
    if (waitNs > 0) {
      pollReadable(fd, Math.ceil(waitNs / 1e6));
    } else {
      send(fd, request(++sent)); // a refusal (no route, no neighbour) is a lost request: that is what is measured
      nextNs += intervalNs;
    }
    while (recv(fd, reply) > 0) {
      const icmp = (reply[0]! & 15) * 4;
      if (reply.readUInt16BE(icmp + 4) === identifier) writeSync(1, `${reply.readUInt32BE(icmp + 8)} ${nowNs()}\n`);
    }
  }
}

function openSocket(to: string): number {
  const fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
  setsockopt(fd, SOL_RAW, ICMP_FILTER, ONLY_ECHO_REPLY);
  const there = Buffer.alloc(16); // struct sockaddr_in
  there.writeUInt16LE(AF_INET);
  there.set(to.split('.').map(Number), 4);
  if (connect(fd, there, there.length) !== 0) throw new Error(`no route to ${to}`);
  return fd;
}

function request(sequence: number): Buffer {
  const echo = Buffer.alloc(REQUEST_BYTES);
  echo[0] = ECHO;
  echo.writeUInt16BE(identifier, 4);
  echo.writeUInt16BE(sequence & 0xffff, 6);
  echo.writeUInt32BE(sequence, 8);
  let sum = 0;
  for (let i = 0; i < REQUEST_BYTES; i += 2) sum += echo.readUInt16BE(i);
  sum = (sum & 0xffff) + (sum >>> 16);
  echo.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 2);
  return echo;
}
