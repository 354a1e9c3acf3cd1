/** What the switch fails with, said once when it starts and once when it clears, and when to try again. Main thread. */
import type { Clock } from '../base/clock.ts';

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 10_000;

export interface SwitchLog {
  warn(message: string): void;
  info(message: string): void;
}

export class Trouble {
  readonly #clock: Clock;
  readonly #log: SwitchLog;
  readonly #name: string;
  /** On the monotonic clock; null: nothing is to be tried again. */
  retryNs: number | null = null;
  /** What the last commit or listing failed with; null when it did not. */
  message: string | null = null;
  #retryMs = RETRY_FIRST_MS;

  constructor(clock: Clock, log: SwitchLog, name: string) {
    this.#clock = clock;
    this.#log = log;
    this.#name = name;
  }

  note(message: string): void {
    this.retryNs = this.#clock.nowNs() + this.#retryMs * 1e6;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    if (this.message === null) this.#log.warn(`vswitch ${this.#name}: ${message}; will retry`);
    this.message = message;
  }

  clear(): void {
    if (this.message !== null) this.#log.info(`vswitch ${this.#name}: works again`);
    this.message = null;
    this.retryNs = null;
    this.#retryMs = RETRY_FIRST_MS;
  }
}
