/**
 * Logs: one JSON object per line on stdout, written synchronously (a transport loses the last lines on exit). Main thread.
 *
 * Guests cause log lines, so lines that repeat are limited per reason; and an operating error that lasts is said twice: when it
 * starts and when it clears. Nothing here ever sees a VRRP password: claims carry none.
 */
import { destination, pino } from 'pino';
import type { DestinationStream } from 'pino';
import type { Log, LogLevel } from '../base/log.ts';

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
