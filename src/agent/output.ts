/**
 * The descriptor that log lines go to, written so that no reader and no full disk can hold up who writes. Main thread.
 *
 * A line goes out at once and in order, while the reader takes it; a pipe or socket that is full is never waited for. What does not go out
 * is kept up to a bound and tried again; what is beyond that, or what the descriptor refuses (a full disk, a reader that left), is counted.
 *
 * How: poll(2) for no time, then at most PIPE_BUF bytes, which a pipe or stream socket that polls as writable takes without waiting
 * (pipe(7)). Tried and lost: asynchronous writes (the end of the process joins the thread that waits in write(2), so a stuck reader kept the
 * agent from ending); O_NONBLOCK (the flag belongs to everybody who shares the descriptor, the operator's shell included).
 */
import { EAGAIN, pollWritable, write } from '../abi/libc.ts';

/** Lines that wait for the reader, in bytes. */
const MOST_BYTES = 1024 * 1024;
/** PIPE_BUF of Linux. */
const PIECE_BYTES = 4096;
const RETRY_MS = 50;
const NEWLINE = Buffer.from('\n');

export interface Descriptor {
  /** May a piece be written now? Waits at most so long. */
  poll(timeoutMs: number): boolean;
  /** Bytes taken, or a negative error number. */
  write(bytes: Uint8Array): number;
}

export function descriptorOf(fd: number): Descriptor {
  return { poll: (timeoutMs) => pollWritable(fd, timeoutMs), write: (bytes) => write(fd, bytes) };
}

export class Output {
  readonly #to: Descriptor;
  readonly #mostBytes: number;
  /** Oldest first. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  /** A part of the line that waits in front went out. */
  #begun = false;
  /** A line was lost in its middle: what comes next begins with a newline. */
  #torn = false;
  /** The descriptor refused the last line. */
  #refused = false;
  #told = 0;
  /** Lines that nobody will read. */
  dropped = 0;
  /** Called when lines go out again after some were dropped, with their number. */
  onRecovered: (dropped: number) => void = () => {};

  constructor(to: Descriptor, mostBytes = MOST_BYTES) {
    this.#to = to;
    this.#mostBytes = mostBytes;
  }

  /** @param line with its newline */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > this.#mostBytes) {
      this.dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waiting.length === 1) this.#drain(0);
    else this.#tryAgain();
  }

  /** Waits at most so long for the reader; returns whether all went out. For the end of the process. */
  flush(timeoutMs: number): boolean {
    const untilMs = performance.now() + timeoutMs;
    do this.#drain(Math.max(0, untilMs - performance.now()));
    while (this.#waiting.length > 0 && performance.now() < untilMs);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    return this.#waiting.length === 0;
  }

  #drain(timeoutMs: number): void {
    while (this.#waiting.length > 0 && this.#to.poll(Math.ceil(timeoutMs))) if (!this.#writeFirst()) break;
    if (this.#waiting.length > 0) return this.#tryAgain();
    const lost = this.dropped - this.#told;
    if (lost === 0 || this.#refused) return;
    this.#told = this.dropped;
    this.onRecovered(lost);
  }

  /** A piece of the oldest line; false: not now. */
  #writeFirst(): boolean {
    const [first] = this.#waiting;
    if (first === undefined) return false;
    const piece = this.#torn ? NEWLINE : first.subarray(0, PIECE_BYTES);
    const count = this.#to.write(piece);
    if (count === -EAGAIN) return false;
    if (count < 0) return this.#loseFirst(first);
    if (this.#torn) {
      this.#torn = count === 0;
      return count > 0;
    }
    this.#waitingBytes -= count;
    this.#begun = count < first.length;
    if (this.#begun) this.#waiting[0] = first.subarray(count);
    else this.#waiting.shift();
    this.#refused = false;
    return count > 0;
  }

  /** The descriptor refuses it. Those behind it are tried too: a disk may have room for a shorter one. */
  #loseFirst(first: Buffer): boolean {
    this.#waiting.shift();
    this.#waitingBytes -= first.length;
    this.#torn ||= this.#begun;
    this.#begun = false;
    this.#refused = true;
    this.dropped++;
    return true;
  }

  #tryAgain(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#drain(0);
    }, RETRY_MS).unref();
  }
}
