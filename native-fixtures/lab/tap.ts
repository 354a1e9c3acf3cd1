/**
 * A guest's tap as QEMU holds it: frames written to the descriptor come from the guest, and when the process ends, that is when the
 * descriptor is closed, the tap is gone; or, if it was made to stay, it has no carrier any more. A process of its own holds it too, so that
 * it is that process' death, not a call of this one, which lasts as long as the kernel takes to remove an interface.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { AF_INET, close, read, socket, write } from '../../src/abi/libc.ts';
import { LabError } from './command.ts';
import { ioctl, open, SOCK_DGRAM } from './libc.ts';
import type { Namespace } from './namespace.ts';
import { inNamespace } from './wire.ts';

/** Should whoever made it not end it. */
const LONGEST_S = '900';
const O_RDWR = 2;
const TUNSETIFF = 0x4004_54ca;
const TUNSETPERSIST = 0x4004_54cb;
const TUNSETCARRIER = 0x4004_54e2;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 0x1;
const FRAME_MOST = 65_536;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;

export class HeldTap {
  readonly name: string;
  readonly #holder: ChildProcess;
  /** A socket in the host's namespace. */
  readonly #control: number;
  #fd: number;

  /** Made, or taken again if it stayed; the caller sets it up. */
  constructor(host: Namespace, name: string, stays: boolean) {
    this.name = name;
    this.#fd = inNamespace(host.path, () => {
      const fd = open('/dev/net/tun', O_RDWR);
      const ifreq = Buffer.alloc(40);
      ifreq.write(name, 'latin1');
      ifreq.writeUInt16LE(IFF_TAP | IFF_NO_PI, 16);
      ioctl(fd, TUNSETIFF, ifreq);
      return fd;
    });
    this.#control = inNamespace(host.path, () => socket(AF_INET, SOCK_DGRAM, 0));
    const fd = this.#fd;
    this.#holder = spawn('sleep', [LONGEST_S], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    // The argument is a number, not memory: any address but 0 says yes.
    if (stays) ioctl(this.#fd, TUNSETPERSIST, Buffer.alloc(8));
  }

  /** The guest sends. */
  send(frame: Uint8Array): void {
    const sent = write(this.#fd, frame);
    if (sent !== frame.length) throw new LabError(`${this.name}: sending ${frame.length} bytes gave ${sent}`);
  }

  /** Readable when a frame for the guest waits; for epoll. */
  get fd(): number {
    return this.#fd;
  }

  /** The next frame for the guest; blocks while none waits. */
  receive(): Buffer {
    const frame = Buffer.alloc(FRAME_MOST);
    const length = read(this.#fd, frame);
    if (length < 0) throw new LabError(`${this.name}: receiving failed with error ${-length}`);
    return frame.subarray(0, length);
  }

  /** Of the link that the guest gives it, as QEMU's `set_link`. */
  setCarrier(on: boolean): void {
    ioctl(this.#fd, TUNSETCARRIER, Uint32Array.of(on ? 1 : 0));
  }

  /** Sets the interface down and up again, in two system calls. */
  flap(): void {
    const ifreq = Buffer.alloc(40);
    ifreq.write(this.name, 'latin1');
    for (const flags of [0, IFF_UP]) {
      ifreq.writeUInt16LE(flags, 16);
      ioctl(this.#control, SIOCSIFFLAGS, ifreq);
    }
  }

  /** Its process is killed; not more than once. */
  die(): void {
    if (this.#fd < 0) return;
    close(this.#fd);
    close(this.#control);
    this.#fd = -1;
    this.#holder.kill('SIGKILL');
  }
}
