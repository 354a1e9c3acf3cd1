/** A socket that speaks in lines, one question after the other: QEMU's monitor and the second serial line of a guest. */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { LabError } from '../lab/command.ts';
import { until } from '../lab/until.ts';

const CONNECT_MS = 20_000;

export class Lines {
  readonly #name: string;
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #ended = false;
  #wake = () => {};

  private constructor(name: string, socket: Socket) {
    this.#name = name;
    this.#socket = socket;
    socket.on('error', () => {}); // told by `close`
    createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Waits for whoever makes the socket. */
  static async connect(name: string, path: string): Promise<Lines> {
    return new Lines(name, await until(`socket of ${name}`, () => attempt(path), CONNECT_MS));
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  /** The lines up to the first that matches, that one included. */
  async upTo(pattern: RegExp, limitMs: number): Promise<string[]> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const at = this.#lines.findIndex((line) => pattern.test(line));
      if (at >= 0) return this.#lines.splice(0, at + 1);
      if (this.#ended) throw new LabError(`${this.#name}: ended before a line like ${String(pattern)}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new LabError(`${this.#name}: no line like ${String(pattern)} within ${limitMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

function attempt(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}
