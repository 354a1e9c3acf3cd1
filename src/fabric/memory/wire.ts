/** The way between one host and the model store: delays, losses, and requests that end in their deadline. Faults are the caller's. */
export interface Scheduler {
  nowNs(): number;
  /** Calls back when this time has passed; each call of one scheduler in order of its time. */
  after(ms: number, act: () => void): void;
}

/** What may go wrong; a simulation changes it as time passes. */
export interface Faults {
  /** Nothing passes to, or from, the store. */
  cutThere: boolean;
  cutBack: boolean;
  /** Of one way, least and most. */
  delayMs: readonly [least: number, most: number];
  /** Share of answers that are lost while what they answer was done. */
  answersLost: number;
}

export const NO_FAULTS: Faults = { cutThere: false, cutBack: false, delayMs: [0.2, 3], answersLost: 0 };

const DEADLINE_MS = 1000;

export class Wire {
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly faults: Faults;
  /** Answers of a stream keep their order: each arrival takes the first. */
  readonly #stream: (() => void)[] = [];
  #streamFreeMs = 0;

  constructor(scheduler: Scheduler, random: () => number, faults: Faults) {
    this.scheduler = scheduler;
    this.random = random;
    this.faults = faults;
  }

  delayMs(): number {
    const [least, most] = this.faults.delayMs;
    return least + this.random() ** 3 * (most - least);
  }

  /** `serve` runs at the store, `answered` here; null: nothing came within the deadline. */
  request<T>(serve: () => T | null, answered: (answer: T | null) => void): void {
    let open = true;
    const end = (answer: T | null): void => {
      if (!open) return;
      open = false;
      answered(answer);
    };
    this.scheduler.after(DEADLINE_MS, () => end(null));
    if (this.faults.cutThere) return;
    this.scheduler.after(this.delayMs(), () => {
      const answer = serve();
      const lost = answer === null || this.random() < this.faults.answersLost;
      if (lost) return;
      this.scheduler.after(this.delayMs(), () => {
        if (!this.faults.cutBack) end(answer);
      });
    });
  }

  /** One answer of a stream; false: the stream is broken here. */
  stream(arrived: () => void): boolean {
    if (this.faults.cutBack) return false;
    const nowMs = this.scheduler.nowNs() / 1e6;
    this.#streamFreeMs = Math.max(this.#streamFreeMs, nowMs + this.delayMs());
    this.#stream.push(arrived);
    this.scheduler.after(this.#streamFreeMs - nowMs, () => this.#stream.shift()?.());
    return true;
  }
}
