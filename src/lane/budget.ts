/**
 * How much one port may say about one HAVIP to the main thread: a token bucket per (port, HAVIP, kind); how many refused frames
 * are told of, samples.ts says. Runs in workers, and in replay once more where their claims come together.
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
import * as SLOT from './slot.ts';

const { ADVERT } = SLOT;
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

/** Kinds of words of which a port has a budget over all HAVIPs. */
export const ADVERTISES = 0;
export const RESIGNS = 1;
export const REFRESHES = 2;
export const MOVES = 3;

interface Allowance {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * By kind, in words: one about one HAVIP, so that an advert of 113 addresses has 113. A guest that holds 1,000 HAVIPs announces each five
 * times when it takes over, and again each 10 s; ten virtual routers of version 3 that speak as often as it allows say 1,000 a second.
 */
const ALLOWANCES: readonly Allowance[] = [
  { perSecond: 1000, burst: 1000 },
  { perSecond: 500, burst: 2000 },
  { perSecond: 1000, burst: 8000 },
  { perSecond: 2000, burst: 16_000 },
];

/**
 * How much one port may say in all, whatever HAVIPs it is about: a guest that is a member of many must not spend the main thread's time for
 * each of them. A frame is taken whole or not at all, else those that it lists last would be taken for silent; what it costs beyond what is
 * left is owed. Of the live worker alone: what a recording holds was let through by it.
 */
export class PortBudgets {
  readonly #tokens: Float64Array;
  readonly #lastNs: Float64Array;

  constructor(ports: number) {
    this.#tokens = new Float64Array(ports * ALLOWANCES.length);
    this.#lastNs = new Float64Array(ports * ALLOWANCES.length).fill(Number.NEGATIVE_INFINITY);
  }

  /** False when the port has said too much. Time that runs backwards earns nothing. */
  take(port: number, kind: number, words: number, nowNs: number): boolean {
    const { perSecond, burst } = ALLOWANCES[kind]!;
    const slot = port * ALLOWANCES.length + kind;
    const earned = Math.max(0, nowNs - this.#lastNs[slot]!) * (perSecond / 1e9);
    const tokens = Math.min(burst, this.#tokens[slot]! + earned);
    this.#lastNs[slot] = Math.max(nowNs, this.#lastNs[slot]!);
    this.#tokens[slot] = tokens > 0 ? tokens - words : tokens;
    return tokens > 0;
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
