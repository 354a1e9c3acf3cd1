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

/**
 * At most one line per reason and interval; the first at once. Reasons must come from a closed set (verdict reasons, ports):
 * one small record is kept for each.
 */
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
    this.#reasons.set(reason, { saidNs: now, suppressed: 0 });
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
