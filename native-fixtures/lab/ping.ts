/**
 * A client that sends ICMP echo at short intervals and tells how long it got no answer. Bounded by its time limit.
 */
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import type { Namespace } from './namespace.ts';
import type { LabProcess } from './process.ts';
import { projectRoot } from './project.ts';

export interface PingOptions {
  readonly intervalMs?: number;
  /** Ends by itself after this time. */
  readonly limitMs?: number;
  /** SCHED_RR: a client that gets no CPU sends nothing, and would call that an outage. */
  readonly realtime?: boolean;
}

export interface Reply {
  readonly sequence: number;
  /** On the monotonic clock, as monotonicMs() tells it. */
  readonly atMs: number;
}

/** A window in which requests were lost, from the last reply before it to the first one after it. */
export interface Outage {
  readonly startMs: number;
  readonly durationMs: number;
  readonly lost: number;
}

/** Milliseconds on the clock that all processes of this machine share (CLOCK_MONOTONIC). */
export function monotonicMs(): number {
  return systemClock.nowNs() / 1e6;
}

export class Ping {
  readonly process: LabProcess;
  readonly #replies: Reply[] = [];
  readonly #outages: Outage[] = [];
  #linesRead = 0;

  constructor(space: Namespace, address: string, options: PingOptions = {}) {
    const { intervalMs = 2, limitMs = 60_000, realtime = false } = options;
    const program = join(projectRoot(), 'dist/native-fixtures/lab/echo.js');
    const argv = [process.execPath, program, address, String(intervalMs), String(Math.ceil(limitMs / intervalMs))];
    this.process = space.spawn(realtime ? ['chrt', '--rr', '1', ...argv] : argv);
  }

  /** In order of sequence; a reply that was overtaken by a later one is left out. */
  get replies(): readonly Reply[] {
    const lines = this.process.stdout;
    for (; this.#linesRead < lines.length; this.#linesRead++) {
      const [sequence = 0, atNs = 0] = (lines[this.#linesRead] ?? '').split(' ').map(Number);
      this.#take({ sequence, atMs: atNs / 1e6 });
    }
    return this.#replies;
  }

  /** Resolves to the next reply from now on. */
  async reply(limitMs?: number): Promise<Reply> {
    const seen = this.replies.length;
    return this.process.when('echo reply', () => this.replies[seen], limitMs);
  }

  /** Resolves to the longest outage that ended at or after `sinceMs`, as soon as there is one. */
  async outage(sinceMs: number, limitMs?: number): Promise<Outage> {
    const ended = () => this.outages().filter(({ startMs, durationMs }) => startMs + durationMs >= sinceMs);
    return this.process.when('end of an outage', () => ended().sort((a, b) => b.durationMs - a.durationMs)[0], limitMs);
  }

  /** Waits for a reply from now on; resolves to the longest outage that ended at or after `sinceMs`, undefined if there was none. */
  async outageUntilReply(sinceMs: number, limitMs?: number): Promise<Outage | undefined> {
    await this.reply(limitMs);
    const ended = this.outages().filter(({ startMs, durationMs }) => startMs + durationMs >= sinceMs);
    return ended.sort((a, b) => b.durationMs - a.durationMs)[0];
  }

  /** All outages so far that are over. */
  outages(): readonly Outage[] {
    void this.replies;
    return this.#outages;
  }

  /** Ends it and resolves to all outages. */
  async stop(): Promise<readonly Outage[]> {
    await this.process.stop();
    return this.outages();
  }

  #take(reply: Reply): void {
    const before = this.#replies.at(-1);
    if (before !== undefined) {
      const lost = reply.sequence - before.sequence - 1;
      if (lost < 0) return;
      if (lost > 0) this.#outages.push({ startMs: before.atMs, durationMs: reply.atMs - before.atMs, lost });
    }
    this.#replies.push(reply);
  }
}
