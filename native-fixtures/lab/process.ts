/**
 * A long-running process of the lab: leads its own process group, so that a signal reaches its children too; its output is
 * kept as lines, and waiting for a line is waiting for an event, with a deadline that ends in a clear error.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { LabError } from './command.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const LINES_LIMIT = 1_000_000;
const DEFAULT_LIMIT_MS = 15_000;

export class LabProcess {
  readonly name: string;
  readonly pid: number;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #exit: Exit | null = null;

  constructor(name: string, argv: readonly string[]) {
    const [file = '', ...args] = argv;
    this.name = name;
    this.#child = spawn(file, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.#child.pid ?? 0;
    this.#child.stdin?.on('error', () => {}); // told by `exited`
    this.exited = this.#run();
    this.exited.catch(() => {}); // whoever waits is told; nobody has to wait
  }

  get running(): boolean {
    return this.#exit === null && this.pid !== 0;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Signals the whole process group; a group that is gone already is no error. */
  signal(signal: NodeJS.Signals): void {
    if (!this.running) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Asks the process to end and waits for it; SIGKILL when it has not ended within the limit. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', limitMs = 5_000): Promise<Exit> {
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), limitMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves to the first line so far or to come, on either stream, that matches. */
  line(pattern: RegExp, limitMs?: number): Promise<string> {
    const find = (lines: string[]) => lines.find((line) => pattern.test(line));
    return this.when(`a line like ${String(pattern)}`, () => find(this.stdout) ?? find(this.stderr), limitMs);
  }

  /** Asks anew with every line; rejects when the process ends or the time is over. `what` completes "no ... within N ms". */
  when<T>(what: string, find: () => T | undefined, limitMs = DEFAULT_LIMIT_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        act();
      };
      const look = () => {
        const found = find();
        if (found !== undefined) settle(() => resolve(found));
        else if (!this.running) settle(() => reject(this.#failure(`ended (${this.#how()}) before ${what}`)));
      };
      const timer = setTimeout(() => settle(() => reject(this.#failure(`no ${what} within ${limitMs} ms`))), limitMs);
      this.#watchers.add(look);
      look();
    });
  }

  async #run(): Promise<Exit> {
    const said = Promise.all([this.#collect(this.#child.stdout, this.stdout), this.#collect(this.#child.stderr, this.stderr)]);
    try {
      const [code, signal] = (await once(this.#child, 'exit')) as [number | null, NodeJS.Signals | null];
      await said; // the last lines come after the exit
      this.#exit = { code, signal };
      return this.#exit;
    } catch (error) {
      throw new LabError(`${this.name}: ${(error as Error).message}`);
    } finally {
      this.#notify();
    }
  }

  #how(): string {
    return this.#exit === null ? 'not started' : (this.#exit.signal ?? `exit code ${this.#exit.code}`);
  }

  #failure(what: string): LabError {
    const last = this.stderr.at(-1) ?? this.stdout.at(-1);
    return new LabError(`${this.name}: ${what}${last === undefined ? '' : `; last said: ${last}`}`);
  }

  #collect(stream: Readable | null, lines: string[]): Promise<void> {
    return new Promise((resolve) => {
      if (stream === null) return resolve();
      createInterface({ input: stream, crlfDelay: Infinity })
        .on('line', (line) => {
          if (lines.length < LINES_LIMIT) lines.push(line);
          this.#notify();
        })
        .once('close', resolve);
    });
  }

  #notify(): void {
    for (const look of this.#watchers) look();
  }
}
