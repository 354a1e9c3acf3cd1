/**
 * How much one port may say about one HAVIP to the main thread: a token bucket per (port, HAVIP, kind). Runs in workers.
 *
 * What exceeds the budget is a repetition, since one (port, HAVIP, kind) can only say the same thing again; the first word of
 * a change finds a full bucket. No port can spend another's budget, no refresh that of a change (protocol-facts 25).
 *
 * Tokens are whole ones and fall on the same ticks for everybody. So of two buckets that see the same words, the fuller one stays
 * the fuller one: what a full bucket refuses, every other refuses too. Replay's workers, which do not know what was said before their
 * range, can throw that away (with fractions of tokens they could not: the emptier bucket may be the first to earn a whole one).
 *
 * Direct-mapped: two users of one slot reset each other's bucket, which errs on the side of letting through.
 */
const SLOTS = 8192;

/** One port's word on one HAVIP: the first 16 at once, then 20 a second; the rest says nothing new. */
export const newClaimBudget = (): ClaimBudget => new ClaimBudget(20, 16);

/** VRRP adverts are the sign of life whose end is timed: up to 200 a second, twice what version 3 can send. */
export const newAdvertBudget = (): ClaimBudget => new ClaimBudget(200, 200);

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
