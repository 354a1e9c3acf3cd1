/**
 * Logs: one JSON object per line on stdout, written synchronously (a transport loses the last lines on exit). Main thread.
 *
 * Guests cause log lines, so lines that repeat are limited per reason; and an operating error that lasts is said twice: when it
 * starts and when it clears. Nothing here ever sees a VRRP password: claims carry none.
 */
import { destination, pino } from 'pino';
import type { DestinationStream } from 'pino';
import type { Clock } from './base/clock.ts';

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

/** @param host goes into every line */
export function createLog(host: string, level: LogLevel, stream: DestinationStream = destination({ fd: 1, sync: true })): Log {
  const log = pino(
    { level, base: { host }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    stream,
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    setLevel: (to) => {
      log.level = to;
    },
  };
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
