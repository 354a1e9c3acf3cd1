/**
 * A netlink socket (RFC 3549; man 7 netlink), run by the thread that opened it: requests with their answers, or multicast
 * events. One socket does one of the two, so that an event never stands between a request and its answer.
 *
 *     nlmsghdr: length u32 | type u16 | flags u16 | sequence u32 | port u32, then the body, padded to 4 bytes
 *     nlattr:   length u16 | type u16, then the value, padded to 4 bytes
 */
import * as libc from './libc.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_CREATE = 0x400;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER_BYTES = 16;
/** The kernel packs dumps into parts of up to 32 KiB; one message of an interface with many virtual functions can be larger. */
const RECEIVE_BYTES = 256 * 1024;

/** The body is the socket's own memory and changes after the call returns. */
export type MessageSink = (type: number, body: Buffer) => void;

export class NetlinkSocket {
  readonly fd: number;
  readonly #received = Buffer.alloc(RECEIVE_BYTES);
  #sequence = 0;

  /** @param groups bit mask of multicast groups, 0 for a socket that asks */
  constructor(protocol: number, groups = 0) {
    this.fd = libc.socket(libc.AF_NETLINK, libc.SOCK_RAW, protocol);
    const address = Buffer.alloc(12);
    address.writeUInt16LE(libc.AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    libc.bind(this.fd, address);
  }

  /** The socket's own address (nl_pid), which the kernel chose. */
  get port(): number {
    const address = Buffer.alloc(12);
    libc.getsockname(this.fd, address);
    return address.readUInt32LE(4);
  }

  /**
   * Sends one request and reads to the end of its answer. A dump during which the kernel's tables changed is asked for again:
   * the sink then sees some messages twice. Returns 0, or the negative error number of the kernel's answer.
   */
  request(type: number, flags: number, body: Uint8Array, onMessage: MessageSink = () => {}): number {
    for (;;) {
      this.#send(type, flags, body);
      const answer = this.#answer(onMessage);
      if (answer !== 'interrupted') return answer;
    }
  }

  #send(type: number, flags: number, body: Uint8Array): void {
    const message = Buffer.alloc(HEADER_BYTES + body.length);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt16LE(type, 4);
    message.writeUInt16LE(flags | NLM_F_REQUEST | NLM_F_ACK, 6);
    message.writeUInt32LE(++this.#sequence, 8);
    message.set(body, HEADER_BYTES);
    const sent = libc.send(this.fd, message);
    if (sent < 0) throw new libc.SystemError('send to netlink', -sent);
  }

  #answer(onMessage: MessageSink): number | 'interrupted' {
    let interrupted = false;
    for (;;) {
      const length = libc.recv(this.fd, this.#received, libc.MSG_TRUNC);
      if (length < 0) throw new libc.SystemError('receive from netlink', -length);
      let end: number | null = null;
      this.#walk(length, (type, body, flags, sequence) => {
        if (sequence !== this.#sequence) return; // the rest of an answer that an error cut short
        if ((flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (type === NLMSG_DONE || type === NLMSG_ERROR) end = body.length >= 4 ? body.readInt32LE(0) : 0;
        else onMessage(type, body);
      });
      if (end !== null) return interrupted && end === 0 ? 'interrupted' : end;
    }
  }

  /** Hands over the events that wait, without blocking. False: the kernel had more than it could queue, and some are lost. */
  receive(onMessage: MessageSink): boolean {
    for (;;) {
      const length = libc.recv(this.fd, this.#received, libc.MSG_DONTWAIT | libc.MSG_TRUNC);
      if (length === -libc.EAGAIN) return true;
      if (length === -libc.ENOBUFS || length > RECEIVE_BYTES) return false;
      if (length < 0) throw new libc.SystemError('receive from netlink', -length);
      this.#walk(length, onMessage);
    }
  }

  #walk(length: number, onMessage: (type: number, body: Buffer, flags: number, sequence: number) => void): void {
    const bytes = this.#received;
    for (let at = 0; at + HEADER_BYTES <= length;) {
      const size = bytes.readUInt32LE(at);
      if (size < HEADER_BYTES || at + size > length) break;
      const body = bytes.subarray(at + HEADER_BYTES, at + size);
      onMessage(bytes.readUInt16LE(at + 4), body, bytes.readUInt16LE(at + 6), bytes.readUInt32LE(at + 8));
      at += (size + 3) & ~3;
    }
  }

  close(): void {
    libc.close(this.fd);
  }
}

/** The value of the first attribute of this type, null without one. `at`: where the attributes begin in the body. */
export function attribute(body: Buffer, at: number, type: number): Buffer | null {
  while (at + 4 <= body.length) {
    const size = body.readUInt16LE(at);
    if (size < 4 || at + size > body.length) return null;
    if ((body.readUInt16LE(at + 2) & 0x3fff) === type) return body.subarray(at + 4, at + size);
    at += (size + 3) & ~3;
  }
  return null;
}

/** One attribute, padded. */
export function encodeAttribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}
