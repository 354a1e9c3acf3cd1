/**
 * Time as the program sees it. Durations come from the monotonic clock alone; wall-clock time is for people.
 * Nanoseconds since boot fit a double exactly for 104 days and to 2 ns for years after that.
 */
export interface Clock {
  /** CLOCK_MONOTONIC in nanoseconds: the base of every `...Ns` value between threads. */
  nowNs(): number;
  /** Wall-clock milliseconds since 1970, for `since` and events. */
  wallMs(): number;
}

export const systemClock: Clock = {
  nowNs() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e9 + nanoseconds;
  },
  wallMs: () => Date.now(),
};

/** A clock that moves only when told. */
export class ManualClock implements Clock {
  #ns = 1e9;
  #wallMs = Date.UTC(2026, 0, 1);

  nowNs(): number {
    return this.#ns;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  advanceMs(ms: number): void {
    this.#ns += ms * 1e6;
    this.#wallMs += ms;
  }

  /** An operator or NTP sets the wall clock; the monotonic one does not notice. */
  stepWallMs(ms: number): void {
    this.#wallMs += ms;
  }
}
