/**
 * What the protocol of all hosts asks of this host's ledger, and tells it: the rules of election, hold and contest are the ledger's alone,
 * wherever a claim was made. Main thread.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { formatMac } from '../base/mac.ts';
import type { Havip } from '../base/network.ts';
import type { Claimed, Ruler } from '../fabric/claimed.ts';
import { type BindingRecord, UNBOUND } from '../fabric/records.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SharedNames } from './shared-names.ts';
import type { Timings } from './timings.ts';

const HOLD_MS = 1000;

interface Here {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: string;
}

interface Follows {
  readonly onAcknowledged: (havip: Havip, atNs: number) => void;
  /** The store says that an instance of this host holds it, whose port is not known here (yet). */
  readonly onNoPort: (vpc: string, havip: string) => void;
  readonly onAgain: () => void;
}

export class Ruling implements Ruler {
  readonly #here: Here;
  readonly #names: SharedNames;
  readonly #timings: Timings;
  readonly #follows: Follows;

  constructor(here: Here, names: SharedNames, timings: Timings, follows: Follows) {
    this.#here = here;
    this.#names = names;
    this.#timings = timings;
    this.#follows = follows;
  }

  stillMoves(claim: Claimed, held: BindingRecord, atNs: number): boolean {
    const havip = this.#names.find(claim.vpc, claim.havip);
    const stored = havip === null ? null : this.#names.storedOf(havip, held, 0);
    if (havip === null || stored === null || claim.instance === null) return false;
    this.#here.ledger.catchUp();
    return this.#here.ledger.stillMoves(havip.index, claim.instance, stored, atNs);
  }

  stored(vpc: string, id: string, binding: BindingRecord | null, revision: number, atNs: number): void {
    const { ledger, clock, log, host } = this.#here;
    const havip = this.#names.find(vpc, id);
    if (havip === null) return;
    if (binding?.cause === UNBOUND && binding.instance === null)
      return void ledger.unbind(havip.index, 'an operator unbound it', atNs, clock.wallMs());
    const stored = binding === null ? null : this.#names.storedOf(havip, binding, revision);
    if (stored === null && binding !== null && binding.instance !== null)
      log.warn(
        { havip: id, vpc, host: binding.host },
        'a holder on another host cannot be reached: this host has no uplink in the VPC',
      );
    if (binding?.host !== host) this.#timings.heard(havip.index, atNs);
    if (!ledger.stored(havip.index, stored, atNs, clock.wallMs())) this.#follows.onNoPort(vpc, id);
  }

  acknowledged(vpc: string, id: string, revision: number, atNs: number): void {
    const havip = this.#names.find(vpc, id);
    const spreadMs = this.#timings.acknowledged(`${vpc} ${id}`, atNs);
    if (havip === null) return;
    this.#here.ledger.committed(havip.index, revision, spreadMs);
    this.#follows.onAcknowledged(havip, atNs);
  }

  superseded({ vpc, havip, instance }: Claimed, by: BindingRecord | null): void {
    this.#timings.superseded(`${vpc} ${havip}`);
    const winner = by === null ? 'nobody' : `${by.instance ?? 'nobody'} on host ${by.host}`;
    this.#here.log.info(
      { havip, vpc, instance, by: by?.instance, host: by?.host },
      `the claim of ${instance} was superseded: the store has ${winner}`,
    );
  }

  again({ vpc, havip: id, instance }: Claimed, sinceNs: number, atNs: number): void {
    const havip = this.#names.find(vpc, id);
    if (havip === null || instance === null) return;
    this.#here.ledger.again(havip.index, instance, sinceNs, atNs, this.#here.clock.wallMs());
    this.#follows.onAgain();
  }

  heldHere(vpc: string, id: string): Claimed | null {
    const { ledger, clock } = this.#here;
    const havip = this.#names.find(vpc, id);
    const held = havip === null ? null : ledger.bindingOf(havip.index);
    if (held === null || held.port === null) return null;
    const { instance, mac, sinceMs } = held;
    const startNs = clock.nowNs() - (clock.wallMs() - sinceMs) * 1e6;
    const when = { sinceMs, startNs, startMs: sinceMs, streakNs: startNs };
    return { vpc, havip: id, instance, mac: formatMac(mac), ...when, ...NO_STORY };
  }

  refused(vpc: string, id: string, { instance, host, mac }: BindingRecord, why: string): void {
    this.#here.log.warn({ havip: id, vpc, instance, host, mac, why }, `a binding in the store is not believed: ${why}`);
  }

  /** Not the ledger's word: that nobody holds it any more, as this host says now. */
  nobody(vpc: string, havip: string, from: string | null): Claimed {
    const { clock } = this.#here;
    const when = { sinceMs: clock.wallMs(), startMs: clock.wallMs(), startNs: clock.nowNs(), streakNs: clock.nowNs() };
    return { vpc, havip, instance: null, mac: null, ...when, ...NO_STORY, from };
  }
}

/** Of what was decided before anybody here can tell why. */
const NO_STORY = { cause: null, from: null, holdMs: HOLD_MS, masterDownMs: null };
