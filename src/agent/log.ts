/**
 * Logs: one JSON object per line on stdout, written at once (a transport loses the last lines on exit), but never waited for
 * (output.ts). Main thread.
 *
 * Guests cause log lines, so lines that repeat are limited per reason; and an operating error that lasts is said twice: when it
 * starts and when it clears. Nothing here ever sees a VRRP password: claims carry none.
 */
import { pino, symbols } from 'pino';
import type { Log, LogLevel } from '../base/log.ts';
import { descriptorOf, Output } from './output.ts';

export interface LogOptions {
  /** Goes into every line. */
  readonly host: string;
  readonly level: LogLevel;
  /** Each line begins with its priority as journald reads it (sd-daemon(3)): standard output is the journal. */
  readonly journal: boolean;
  readonly output?: Output;
}

/** syslog(3)'s priorities, by pino's levels. */
const PRIORITIES: Readonly<Record<number, string>> = { 20: '<7>', 30: '<6>', 40: '<4>', 50: '<3>' };

export interface OutputLog extends Log {
  /** Lines that nobody will read. */
  readonly dropped: number;
  /** Waits at most so long for whoever reads; for the end of the process. */
  flush(timeoutMs: number): void;
}

export function createLog({ host, level, journal, output = new Output(descriptorOf(1)) }: LogOptions): OutputLog {
  const stream = {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 30,
    write(line: string): void {
      output.write(journal ? `${PRIORITIES[this.lastLevel] ?? ''}${line}` : line);
    },
  };
  const log = pino(
    { level, base: { host }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    stream,
  );
  output.onRecovered = (dropped) =>
    log.warn({ dropped }, 'log lines were dropped: whoever reads them did not keep up, or refused them');
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    setLevel: (to) => {
      log.level = to;
    },
    get dropped() {
      return output.dropped;
    },
    flush: (timeoutMs) => void output.flush(timeoutMs),
  };
}
