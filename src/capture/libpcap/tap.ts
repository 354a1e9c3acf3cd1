/** The worker's side of one libpcap child: its records as frames. Run by the thread that captures. */
import * as libc from '../../abi/libc.ts';
import { ChildProcess } from '../../abi/spawn.ts';
import { RECORD_BYTES, RECORD_FRAME_AT } from './record.ts';
import type { FrameSink } from '../source.ts';
import type { Tap } from '../tap.ts';

const BATCH = 64;
const QUEUE_BYTES = 1024 * 1024;

export class LibpcapTap implements Tap {
  readonly fd: number;
  readonly child: ChildProcess;
  broken: string | null = null;
  readonly #records = Buffer.alloc(BATCH * RECORD_BYTES);
  #drops = 0;

  /** @param childFile child.js, compiled: Node 20 runs no TypeScript */
  constructor(childFile: string, name: string, isUplink = false) {
    const [ours, theirs] = libc.socketpair(libc.AF_UNIX, libc.SOCK_STREAM);
    this.fd = ours;
    try {
      libc.setQueueBytes(theirs, 'send', QUEUE_BYTES);
      this.child = new ChildProcess([process.execPath, childFile, name, ...(isUplink ? ['uplink'] : [])], theirs);
    } catch (error) {
      libc.close(ours);
      throw error;
    } finally {
      libc.close(theirs);
    }
  }

  drain(port: number, onFrame: FrameSink, budget: number): number {
    let count = 0;
    while (count < budget && this.broken === null) {
      const room = Math.min(BATCH, budget - count) * RECORD_BYTES;
      const length = libc.recv(
        this.fd,
        room === this.#records.length ? this.#records : this.#records.subarray(0, room),
        libc.MSG_DONTWAIT,
      );
      if (length === -libc.EAGAIN) break;
      if (length <= 0) this.broken = 'its libpcap process ended';
      for (let at = 0; at < length; at += RECORD_BYTES) count += this.#take(at, port, onFrame);
    }
    return count;
  }

  #take(at: number, port: number, onFrame: FrameSink): number {
    const records = this.#records;
    const captured = records.readUInt32LE(at + 8);
    const length = records.readUInt32LE(at + 12);
    this.#drops = Math.max(this.#drops, records.readUInt32LE(at + 16));
    const frameAt = at + RECORD_FRAME_AT;
    if (length === 0) {
      this.broken = records.toString('utf8', frameAt, frameAt + captured);
      return 0;
    }
    onFrame(records, frameAt, captured, length, port, 0, records.readUInt32LE(at), records.readUInt32LE(at + 4));
    return 1;
  }

  /** libpcap has no limits. */
  policed(): number {
    return 0;
  }

  /**
   * Frames that the child could not hand over because the worker was behind, as told with the frame that came next. What libpcap
   * itself lost is not known: cap does not ask it.
   */
  drops(): number {
    return this.#drops;
  }

  /** The child ends by itself when its socket has no other end; it is killed because a flood may keep it from noticing. */
  close(): void {
    libc.close(this.fd);
    this.child.kill();
  }
}
