/**
 * From verdict to slot: what the main thread is told of, and through which ring. Hot: no allocation. The live worker (worker/worker.ts)
 * and replay (replay/range.ts) tell by this one; what differs is where it goes, replay has one tape for all.
 *
 *     accepted claim ── budgets ─> may it change a binding? ──> urgent
 *                        |                                └───> routine
 *                        └─> absorbed, counted                     ^
 *     sample of what was refused ──────────────────────────────────┘
 */
import { V } from '../base/verdict.ts';
import { viewOf } from '../decode/bytes.ts';
import { decodeCutAdvert } from '../decode/cut.ts';
import { decodeFrame } from '../decode/frame.ts';
import { decodeAdvert6 } from '../decode/vrrp6.ts';
import type { Sighting } from '../decode/sighting.ts';
import { eachAdvertisedHavip } from '../filter/judge.ts';
import type { Policy } from '../filter/policy.ts';
import * as BUDGET from './budget.ts';
import { Budgets, type PortBudgets } from './budget.ts';
import * as LANE from './lane.ts';
import type { ClaimSink } from './slot.ts';
import * as SLOT from './slot.ts';
import { pushClaim } from './writer.ts';

const { ABSORBED } = LANE;
const UNLISTED = V['vrrp-not-havip'];
const CUT = V.cut;
/** No HAVIP has such a number, nor a virtual router over IPv4. */
const IPV6_BUDGETS = -300;
const { ADVERTISES, MOVES, REFRESHES, RESIGNS } = BUDGET;
const { ADVERT, ANNOUNCE, REFUSED, RESIGN, RELOCATE } = SLOT;

export interface Told {
  /** For claims that may change a binding. */
  readonly urgent: ClaimSink;
  readonly routine: ClaimSink;
  /** As a lane's (lane.ts). */
  readonly tallies: Float64Array;
}

export class Teller {
  readonly #told: Told;
  readonly #sighting: Sighting;
  readonly #budgets = new Budgets();
  readonly #ports: PortBudgets | null;
  #policy: Policy | null = null;
  /** Something was told since this was last made false. */
  pushed = false;
  /** The same, of what may change a binding. */
  changed = false;

  /**
   * @param sighting the one that the judge fills
   * @param ports how much a port may say in all; null: as much as it likes
   */
  constructor(told: Told, sighting: Sighting, ports: PortBudgets | null) {
    this.#ports = ports;
    this.#told = told;
    this.#sighting = sighting;
  }

  follow(policy: Policy): void {
    this.#policy = policy;
  }

  /** Nothing counts as said before. */
  forget(): void {
    this.#budgets.refill();
  }

  /**
   * An accepted frame. The sighting is as the judge left it.
   * @param kind of claim, by kindOf()
   */
  claim(kind: number, verdict: number, port: number, ns: number, bytes: Uint8Array, at: number, captured: number): void {
    if (this.#policy === null) return;
    const s = this.#sighting;
    if (this.#ports !== null && !this.#ports.take(port, this.#wordOf(kind, port), this.#words(kind), ns)) {
      this.#told.tallies[ABSORBED]!++;
      return;
    }
    if (verdict === UNLISTED) {
      const said = s.priority === 0 ? RESIGN : ADVERT;
      // A budget for each virtual router; no HAVIP has such a number.
      if (this.#isNew(said, port, -2 - s.vrid, ns)) this.#push(said, verdict, port, -1, ns, bytes, at, captured);
    } else if (kind === ADVERT || kind === RESIGN) {
      eachAdvertisedHavip(this.#policy, bytes, at, port, s, (havip) => {
        if (this.#isNew(kind, port, havip, ns)) this.#push(kind, verdict, port, havip, ns, bytes, at, captured);
      });
    } else if (this.#isNew(kind, port, s.havip, ns)) {
      decodeFrame(bytes, at, captured, 0, s);
      this.#push(kind, verdict, port, s.havip, ns, bytes, at, captured);
    }
  }

  /**
   * A frame that our view cut, from a sender who may send it. What is left of an advert is evidence; of its bytes nothing is kept behind
   * the addresses, where a password may start.
   */
  cut(port: number, ns: number, bytes: Uint8Array, at: number, captured: number): void {
    const s = this.#sighting;
    decodeFrame(bytes, at, captured, 0, s);
    if (!decodeCutAdvert(viewOf(bytes), at, captured, s)) return;
    this.claim(s.priority === 0 ? RESIGN : ADVERT, V.cut, port, ns, bytes, at, s.addressesAt + 4 * s.addressCount);
  }

  /** What nobody judges by its message, and may be evidence: what our view cut, and VRRP over IPv6. */
  evidence(verdict: number, port: number, ns: number, bytes: Uint8Array, at: number, captured: number): void {
    if (verdict === CUT) this.cut(port, ns, bytes, at, captured);
    else this.#advert6(port, ns, bytes, at, captured);
  }

  /** It lists no HAVIP. */
  #advert6(port: number, ns: number, bytes: Uint8Array, at: number, captured: number): void {
    const s = this.#sighting;
    decodeFrame(bytes, at, captured, 0, s);
    if (!decodeAdvert6(viewOf(bytes), at, captured, s)) return;
    const said = s.priority === 0 ? RESIGN : ADVERT;
    if (this.#ports !== null && !this.#ports.take(port, this.#wordOf(said, port), 1, ns)) this.#told.tallies[ABSORBED]!++;
    else if (this.#isNew(said, port, IPV6_BUDGETS - s.vrid, ns)) this.#push(said, UNLISTED, port, -1, ns, bytes, at, captured);
  }

  /** A sample of what was refused, taken by Samples. Of the sighting `havip` is the frame's. */
  refusal(verdict: number, port: number, ns: number, bytes: Uint8Array, at: number, captured: number, tag: number): void {
    const { routine, tallies } = this.#told;
    const s = this.#sighting;
    decodeFrame(bytes, at, captured, tag, s);
    if (pushClaim(tallies, routine, REFUSED, verdict, port, s.havip, ns, s, bytes, at, captured)) this.pushed = true;
  }

  #wordOf(kind: number, port: number): number {
    if (kind === ADVERT || kind === RESIGN) return this.#sighting.priority === 0 ? RESIGNS : ADVERTISES;
    return kind === ANNOUNCE && this.#policy?.held.ports[this.#sighting.havip] === port ? REFRESHES : MOVES;
  }

  #words(kind: number): number {
    return kind === ADVERT || kind === RESIGN ? Math.max(1, this.#sighting.addressCount) : 1;
  }

  /** Within the budget, or counted as absorbed. */
  #isNew(kind: number, port: number, havip: number, ns: number): boolean {
    if (this.#budgets.take(kind, port, havip, ns)) return true;
    this.#told.tallies[ABSORBED]!++;
    return false;
  }

  #push(
    kind: number,
    verdict: number,
    port: number,
    havip: number,
    ns: number,
    bytes: Uint8Array,
    at: number,
    captured: number,
  ): void {
    const { urgent, routine, tallies } = this.#told;
    const change = kind === RESIGN || kind === RELOCATE || (kind === ANNOUNCE && this.#policy?.held.ports[havip] !== port);
    if (change) this.changed = true;
    const sink = change ? urgent : routine;
    if (pushClaim(tallies, sink, kind, verdict, port, havip, ns, this.#sighting, bytes, at, captured)) this.pushed = true;
  }
}
