/**
 * How much one port may say about one HAVIP to the main thread: a token bucket per (port, HAVIP, kind); and how many of its refused
 * frames are told of. Runs in workers, and in replay once more where their claims come together.
 *
 * What exceeds the budget is a repetition, since one (port, HAVIP, kind) can only say the same thing again; the first word of
 * a change finds a full bucket. No port can spend another's budget, no refresh that of a change (docs/protocol-facts.md, 25).
 *
 * Tokens are whole ones and fall on the same ticks for everybody. So of two buckets that see the same words, the fuller one stays
 * the fuller one: what a full bucket refuses, every other refuses too. Replay's workers, which do not know what was said before their
 * range, can throw that away (with fractions of tokens they could not: the emptier bucket may be the first to earn a whole one).
 *
 * Direct-mapped: two users of one slot reset each other's bucket, which errs on the side of letting through.
 */
import { VERDICTS } from '../base/verdict.ts';
import * as SLOT from './slot.ts';

const { ADVERT } = SLOT;
const REASONS = VERDICTS.length;
const SLOTS = 8192;

export class Budgets {
  /** One port's word on one HAVIP: the first 16 at once, then 20 a second; the rest says nothing new. */
  readonly #claims = new ClaimBudget(20, 16);
  /** VRRP adverts are the sign of life whose end is timed: up to 200 a second, twice what version 3 can send. */
  readonly #adverts = new ClaimBudget(200, 200);

  take(kind: number, port: number, havip: number, nowNs: number): boolean {
    return (kind === ADVERT ? this.#adverts : this.#claims).take(port, havip, kind, nowNs);
  }

  /** All buckets are full again. */
  refill(): void {
    this.#claims.refill();
    this.#adverts.refill();
  }
}

/** Of each port and reason one refused frame is told of in each second of the frames' own clock. */
export class Samples {
  readonly #seconds: Float64Array;

  constructor(ports: number) {
    this.#seconds = new Float64Array(ports * REASONS).fill(Number.NaN);
  }

  /** Whether it is the one. */
  take(port: number, verdict: number, second: number): boolean {
    const slot = port * REASONS + verdict;
    if (this.#seconds[slot] === second) return false;
    this.#seconds[slot] = second;
    return true;
  }
}

export class ClaimBudget {
  readonly #keys = new Float64Array(SLOTS).fill(-1);
  readonly #tokens = new Float64Array(SLOTS);
  readonly #lastTicks = new Float64Array(SLOTS);
  readonly #burst: number;
  readonly #nsPerToken: number;

  constructor(perSecond: number, burst: number) {
    this.#burst = burst;
    this.#nsPerToken = 1e9 / perSecond;
  }

  /** Takes one token; false when the bucket is empty. Time that runs backwards earns nothing. */
  take(port: number, havip: number, kind: number, nowNs: number): boolean {
    const key = ((havip + 1) * 8 + kind) * 4096 + port;
    const slot = (Math.imul(havip + 1, 0x9e37_79b1) ^ Math.imul(port * 8 + kind, 0x85eb_ca6b)) >>> 19;
    const tick = Math.floor(nowNs / this.#nsPerToken);
    const fresh = this.#keys[slot] !== key;
    const earned = fresh ? this.#burst : Math.max(0, tick - this.#lastTicks[slot]!);
    const tokens = Math.min(this.#burst, (fresh ? 0 : this.#tokens[slot]!) + earned);
    this.#keys[slot] = key;
    this.#lastTicks[slot] = fresh ? tick : Math.max(tick, this.#lastTicks[slot]!);
    this.#tokens[slot] = Math.max(0, tokens - 1);
    return tokens > 0;
  }

  /** All buckets are full again. */
  refill(): void {
    this.#keys.fill(-1);
  }
}
