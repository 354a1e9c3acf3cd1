/**
 * Tells programs and webhooks of events (`notify`). Main thread: it makes a text of each event and hands it to a process that does the rest
 * (child.ts), which it starts, and starts again when it ended. What that process does not take is kept up to a bound, and then the oldest
 * goes and is counted: nothing here ever waits.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Logger, OnceLog } from '../../base/log.ts';
import type { LedgerEvent } from '../../ledger/effects.ts';
import { type Counts, keyOf, PUSH_LIMITS, type PushLimits, nameOf, type Pushed, type Report, type Target } from './message.ts';

export interface PushOptions {
  readonly host: string;
  readonly log: Logger;
  readonly isRoot: boolean;
  readonly limits?: PushLimits;
  /** The compiled child.js; the one beside this file unless told. */
  readonly childFile?: string;
}

/** A receiver, and what came of what it was to hear. */
interface Told {
  readonly target: Target;
  /** Of earlier processes, what was lost with them among it. */
  before: Counts;
  now: Counts;
  trouble: string | null;
  /** To the process that runs. */
  handed: number;
}

const NONE: Counts = { delivered: 0, retried: 0, dropped: 0, waiting: 0 };
/** What the process has not read yet. */
const UNREAD_MOST = 1 << 20;
const AGAIN_MS = 1000;

/**
 * As an ordinary thread, without capabilities, and so that none can be had again: an agent that is root must give them up for its children
 * too, which needs the privilege that any other agent does not have.
 */
function unprivileged(isRoot: boolean): [string, ...string[]] {
  const bounding = isRoot ? ['--bounding-set=-all'] : [];
  return ['chrt', '--other', '0', 'setpriv', '--no-new-privs', '--inh-caps=-all', '--ambient-caps=-all', ...bounding];
}

export class Push {
  readonly #options: PushOptions;
  readonly #once: OnceLog;
  readonly #boot = randomUUID().slice(0, 8);
  readonly #waiting: string[] = [];
  #told: readonly Told[] = [];
  #child: ChildProcess | null = null;
  #again: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: PushOptions) {
    this.#options = options;
    this.#once = new OnceLog(options.log);
  }

  configure(targets: readonly Target[]): void {
    const before = new Map(this.#told.map((told) => [keyOf(told.target), told]));
    const isSame = targets.length === before.size && targets.every((target) => before.has(keyOf(target)));
    if (isSame) return;
    this.#told = targets.map(
      (target) => before.get(keyOf(target)) ?? { target, before: NONE, now: NONE, trouble: null, handed: 0 },
    );
    if (targets.length === 0) this.#end();
    else if (this.#child !== null) this.#sayTargets(this.#child);
    else if (this.#again === null) this.#start();
  }

  tell(event: LedgerEvent & { readonly seq: number }): void {
    if (this.#told.length === 0) return;
    this.#waiting.push(`${JSON.stringify({ event: this.#pushed(event) })}\n`);
    this.#handOver();
    if (this.#waiting.length <= (this.#options.limits ?? PUSH_LIMITS).waiting) return;
    this.#waiting.shift();
    for (const told of this.#told) told.before = { ...told.before, dropped: told.before.dropped + 1 };
  }

  /** By receiver, in the configuration's order. */
  counts(): (Counts & { readonly target: string })[] {
    return this.#told.map((told, i) => ({
      target: `${i}-${'exec' in told.target ? 'exec' : 'webhook'}`,
      delivered: told.before.delivered + told.now.delivered,
      retried: told.before.retried + told.now.retried,
      dropped: told.before.dropped + told.now.dropped,
      waiting: this.#waiting.length + underWay(told),
    }));
  }

  /** Why a receiver does not get what it should, one line each. */
  get troubles(): string[] {
    return this.#told.flatMap(({ trouble }) => (trouble === null ? [] : [`notify: ${trouble}`]));
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  #pushed(event: LedgerEvent & { readonly seq: number }): Pushed {
    const { host } = this.#options;
    const { kind, at, havip, vpc, epoch, from, to, cause, seq, text, phasesMs } = event;
    const body = {
      specversion: '1.0',
      id: `${host}/${epoch}/${this.#boot}-${seq}`,
      source: `/havip-agent/${host}`,
      type: `havip.${kind}`,
      subject: `${vpc}/${havip}`,
      time: at,
      datacontenttype: 'application/json',
      data: { host, kind, vpc, havip, epoch, from, to, cause, phasesMs, text },
    };
    const words = {
      HAVIP_HOST: host,
      HAVIP_EVENT: kind,
      HAVIP_VPC: vpc,
      HAVIP_ID: havip,
      HAVIP_EPOCH: String(epoch),
      HAVIP_FROM: from ?? '',
      HAVIP_TO: to ?? '',
      HAVIP_CAUSE: cause ?? '',
    };
    return { key: `${vpc}/${havip}`, atMs: Date.parse(at), words, body: JSON.stringify(body) };
  }

  #start(): void {
    const { isRoot, childFile = fileURLToPath(new URL('./child.js', import.meta.url)) } = this.#options;
    const [program, ...args] = [...unprivileged(isRoot), process.execPath, childFile];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, cwd: '/' });
    this.#child = child;
    let said = '';
    child.on('error', (error) => this.#ended(child, error.message));
    child.on('exit', (code, signal) => this.#ended(child, said.trim().split('\n').at(-1) || (signal ?? `exit code ${code}`)));
    child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-1000)));
    child.stdin.on('error', () => {}); // told by `exit`
    child.stdin.on('drain', () => this.#handOver());
    createInterface({ input: child.stdout }).on('line', (line) => {
      const report: Report = JSON.parse(line);
      this.#take(child, report);
    });
    this.#sayTargets(child);
    this.#handOver();
  }

  #sayTargets({ stdin }: ChildProcess): void {
    const order = { targets: this.#told.map(({ target }) => target), limits: this.#options.limits ?? PUSH_LIMITS };
    stdin?.write(`${JSON.stringify(order)}\n`);
  }

  #take(child: ChildProcess, report: Report): void {
    if (child !== this.#child) return;
    this.#once.worked('push');
    for (const told of this.#told) {
      const [said, name] = [report[keyOf(told.target)], nameOf(told.target)];
      if (said === undefined) continue;
      told.now = said.counts;
      told.trouble = said.trouble;
      if (said.trouble === null) this.#once.worked(`notify ${name}`);
      else this.#once.failed(`notify ${name}`, `notify: ${said.trouble}`);
    }
  }

  #handOver(): void {
    const stdin = this.#child?.stdin;
    if (stdin === undefined || stdin === null) return;
    while (this.#waiting.length > 0 && stdin.writableLength < UNREAD_MOST) {
      stdin.write(this.#waiting.shift());
      for (const told of this.#told) told.handed++;
    }
  }

  #ended(child: ChildProcess, why: string): void {
    if (child !== this.#child) return;
    this.#child = null;
    // What it did counts on, and what it had is lost.
    for (const told of this.#told) {
      const { delivered, retried, dropped } = told.now;
      const { before } = told;
      told.before = {
        delivered: before.delivered + delivered,
        retried: before.retried + retried,
        dropped: before.dropped + dropped + underWay(told),
        waiting: 0,
      };
      Object.assign(told, { now: NONE, handed: 0 });
    }
    if (this.#closed || this.#told.length === 0) return;
    this.#once.failed('push', `notify: the process that pushes has ended: ${why}`);
    this.#again = setTimeout(() => {
      this.#again = null;
      if (!this.#closed && this.#told.length > 0) this.#start();
    }, AGAIN_MS);
    this.#again.unref();
  }

  #end(): void {
    const child = this.#child;
    this.#child = null;
    child?.stdin?.end();
    if (this.#again !== null) clearTimeout(this.#again);
    this.#again = null;
  }
}

/** Handed over, and not heard of since. */
function underWay({ handed, now }: Told): number {
  return Math.max(0, handed - now.delivered - now.dropped);
}
