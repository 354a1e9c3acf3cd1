/**
 * From a verdict about an uplink's frame to slots, as teller.ts does for ports. A budget is a sender's here, by its MAC, and not a
 * place's: all machines of other hosts share an uplink, and one that floods must not keep another's claim from being heard. Together
 * they have ten times as much, since MACs cost nothing. Hot: no allocation.
 */
import { MAX_PORTS, MAX_UPLINKS } from '../base/network.ts';
import { viewOf } from '../decode/bytes.ts';
import { decodeFrame } from '../decode/frame.ts';
import type { Sighting } from '../decode/sighting.ts';
import { eachBelievedHavip, type Elsewhere } from '../filter/elsewhere.ts';
import type { Policy } from '../filter/policy.ts';
import { Budgets, ClaimBudget } from './budget.ts';
import { markOf, Samples } from './samples.ts';
import * as LANE from './lane.ts';
import * as SLOT from './slot.ts';
import type { Told } from './teller.ts';
import { pushClaim } from './writer.ts';

const { ABSORBED } = LANE;
const { ADVERT, ANNOUNCE, REFUSED, RESIGN, RELOCATE } = SLOT;

const ALL_PER_SECOND = 200;

/** Of a holder behind an uplink, in the table of what is held (filter/held.ts): below that of nobody, by its MAC's lower part. */
export function farHolder(macLow: number): number {
  return -2 - (macLow & 0x3fff_ffff);
}

/** As of a Teller, which has them. */
export interface ToldFlags {
  pushed: boolean;
  changed: boolean;
}

export class FarTeller {
  readonly #told: Told;
  readonly #sighting: Sighting;
  readonly #budgets = new Budgets();
  readonly #all = new ClaimBudget(ALL_PER_SECOND, ALL_PER_SECOND);
  readonly #samples = new Samples(MAX_UPLINKS);
  #policy: Policy | null = null;
  #table: Elsewhere | null = null;
  readonly #flags: ToldFlags;

  /** @param sighting the one that the judge fills */
  constructor(told: Told, sighting: Sighting, flags: ToldFlags) {
    this.#told = told;
    this.#sighting = sighting;
    this.#flags = flags;
  }

  follow(policy: Policy, table: Elsewhere | null): void {
    this.#policy = policy;
    this.#table = table;
  }

  /** A frame whose verdict somebody is told of. The sighting is as the judge left it. */
  tell(kind: number, verdict: number, place: number, ns: number, bytes: Uint8Array, at: number, captured: number): void {
    const s = this.#sighting;
    if (this.#policy === null || this.#table === null) return;
    if (kind === ADVERT || kind === RESIGN) {
      eachBelievedHavip(this.#table, this.#policy, bytes, at, place, s, (havip) => {
        if (this.#isNew(kind, place, havip, s.sourceLow, ns)) this.#push(kind, verdict, place, havip, ns, bytes, at, captured);
      });
      return;
    }
    const { havip } = s;
    decodeFrame(bytes, at, captured, 0, s);
    if (kind === REFUSED) {
      if (!this.#samples.take(place - MAX_PORTS, verdict, markOf(viewOf(bytes), at, captured, havip), Math.floor(ns / 1e9)))
        return;
    } else if (!this.#isNew(kind, place, havip, s.senderLow, ns)) return;
    this.#push(kind, verdict, place, havip, ns, bytes, at, captured);
  }

  #isNew(kind: number, place: number, havip: number, macLow: number, ns: number): boolean {
    if (this.#budgets.take(kind, macLow >>> 0, havip, ns) && this.#all.take(place - MAX_PORTS, havip, kind, ns)) return true;
    this.#told.tallies[ABSORBED]!++;
    return false;
  }

  #push(
    kind: number,
    verdict: number,
    place: number,
    havip: number,
    ns: number,
    bytes: Uint8Array,
    at: number,
    captured: number,
  ): void {
    const { urgent, routine, tallies } = this.#told;
    const s = this.#sighting;
    const moves = kind === ANNOUNCE && this.#policy?.held.ports[havip] !== farHolder(s.senderLow);
    const change = kind === RESIGN || kind === RELOCATE || moves;
    if (change) this.#flags.changed = true;
    const sink = change ? urgent : routine;
    if (pushClaim(tallies, sink, kind, verdict, place, havip, ns, s, bytes, at, captured)) this.#flags.pushed = true;
  }
}
