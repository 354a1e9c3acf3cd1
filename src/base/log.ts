/**
 * What anybody may log with, and two ways to say less: once per reason and interval, and once at the start and the end of a trouble.
 * The lines themselves are written by agent/log.ts. Main thread.
 */
import type { Clock } from './clock.ts';

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Log extends Logger {
  setLevel(level: LogLevel): void;
}

/** Reasons that are remembered; of more, the one that was said longest ago is forgotten. */
const MOST_REASONS = 4096;

/** At most one line per reason and interval; the first at once. One small record is kept for each of the last reasons. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #intervalNs: number;
  readonly #reasons = new Map<string, { saidNs: number; suppressed: number }>();

  constructor(clock: Clock, intervalMs = 1000) {
    this.#clock = clock;
    this.#intervalNs = intervalMs * 1e6;
  }

  /** How many lines of this reason were left out since the last one; null: leave this one out too. */
  allow(reason: string): number | null {
    const now = this.#clock.nowNs();
    const last = this.#reasons.get(reason);
    if (last !== undefined && now - last.saidNs < this.#intervalNs) {
      last.suppressed++;
      return null;
    }
    // Behind all others: the first one is then the one said longest ago.
    this.#reasons.delete(reason);
    this.#reasons.set(reason, { saidNs: now, suppressed: 0 });
    if (this.#reasons.size > MOST_REASONS) {
      const { value: oldest } = this.#reasons.keys().next();
      if (oldest !== undefined) this.#reasons.delete(oldest);
    }
    return last?.suppressed ?? 0;
  }
}

/** Says once that something began to fail and once that it works again, however often it is tried in between. */
export class OnceLog {
  readonly #log: Logger;
  readonly #failing = new Map<string, number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  failed(what: string, message: string, fields: object = {}): void {
    const failures = this.#failing.get(what) ?? 0;
    this.#failing.set(what, failures + 1);
    if (failures === 0) this.#log.error({ what, ...fields }, message);
  }

  worked(what: string): void {
    const failures = this.#failing.get(what);
    if (failures === undefined) return;
    this.#failing.delete(what);
    this.#log.info({ what, failures }, 'works again');
  }
}
