/**
 * What becomes of a HAVIP when the store says something of it, or does not: the rules of peers.ts, each in its place. Pure.
 */
import { MAY_PASS, type Doubt } from './belief.ts';
import type { Claimed, Directory, Ruler } from './claimed.ts';
import type { Proposal } from './fabric.ts';
import { isNewer, type Newer } from './newer.ts';
import { Proposals, type Pending } from './proposals.ts';
import type { BindingRecord, Item } from './records.ts';
import { DOUBT_NS, waitNs, type Shared, type Shelf } from './shared.ts';

/** Beaten, and nothing came: the VPC is listed. */
const OVERDUE_NS = 2000e6;
/** Beyond its own Master_Down_Interval. */
const CHANCE_NS = 1000e6;

export interface PeersOptions {
  readonly host: string;
  /** Different at each start of this host: no id is used twice. */
  readonly boot: string;
  readonly vtep: string | null;
  readonly ruler: Ruler;
  readonly directory: Directory;
  readonly fabric: { propose(batch: readonly Proposal[]): void; relist(vpc: string): void };
  readonly random: () => number;
  /** Set by tests that want a wrong one. */
  readonly isNewer?: Newer;
}

/** A binding as the store tells it. */
export type Told = Pick<Item & { kind: 'binding' }, 'revision' | 'version' | 'value'>;

export class Agreement {
  refusals = 0;
  /** The store's watches stand and it answers. */
  inTouch = false;
  readonly proposals: Proposals<Shared>;
  readonly #o: PeersOptions;
  readonly #shelf: Shelf;
  readonly #waiting = new Set<Shared>();

  constructor(options: PeersOptions, shelf: Shelf) {
    this.#o = options;
    this.#shelf = shelf;
    this.proposals = new Proposals(options.boot, options.random, (batch) => options.fabric.propose(batch));
  }

  /** Sent by the next tick(). */
  propose(shared: Shared, claim: Claimed, atNs: number): Pending {
    if (shared.pending !== null) this.proposals.remove(shared.pending);
    shared.pending = this.proposals.add(shared, {
      claim,
      binding: (id) => this.#bindingOf(claim, id),
      based: shared.revision,
      ruledBy: shared.ruledBy,
      ordered: this.inTouch,
      dueNs: atNs,
    });
    return shared.pending;
  }

  #bindingOf({ instance, mac, sinceMs, startMs, cause, from, holdMs }: Claimed, id: string): BindingRecord {
    return { instance, host: this.#o.host, mac, vtep: this.#o.vtep, sinceMs, startMs, cause, from, holdMs, id };
  }

  /** P9: nobody withdraws what another host holds; but a claim of this host that was not written yet ends with it. */
  cancel(shared: Shared, claim: Claimed, atNs: number): void {
    // Without a claim of its own the ledger took it from whom the store has.
    if (shared.pending === null || this.giveUp(shared, claim)) this.#tell(shared, atNs);
  }

  /** What is not written yet is not proposed any more; what may be written is followed up by `nobody`. True: there is nothing left of it. */
  giveUp(shared: Shared, nobody: Claimed): boolean {
    const { pending } = shared;
    if (pending === null || pending.claim.instance === null) return false;
    if (pending.sentNs !== null || pending.unsure) {
      pending.withdrawn = nobody;
      return false;
    }
    this.end(shared);
    return true;
  }

  /** The store says this now. */
  take(shared: Shared, { revision, version, value }: Told, restored: boolean, atNs: number): void {
    const { kept } = shared;
    const here = shared.binding === null ? kept?.here === true : shared.binding.host === this.#o.host;
    const before = { revision: kept?.revision ?? shared.revision, here };
    shared.kept = null;
    const next = version === shared.version + 1 || (version === 1 && shared.revision === 0);
    Object.assign(shared, { revision, version, binding: value });
    shared.doubt = this.#shelf.doubt(shared);
    const { pending } = shared;
    if (pending !== null) {
      if (this.#says(value, pending)) return this.#done(shared, atNs);
      if (revision === pending.based && !restored) return;
      if (restored) pending.ordered = false;
      // Between what it was ruled by and this there was more, and one of it may have been ours.
      pending.overtaken = !next && !restored && (pending.sentNs !== null || pending.unsure);
      if (!pending.overtaken) this.#rule(shared, pending, atNs);
      else if (pending.sentNs === null) this.drop(shared, true, atNs);
      return;
    }
    if ((restored || kept !== null || revision === 0) && revision < before.revision && before.here) {
      // P8: this host held it by an epoch that the store has forgotten.
      const held = this.#o.ruler.heldHere(shared.vpc, shared.havip);
      // Unless somebody has claimed it since: then that is the newer act.
      const isOlder = value !== null && value.instance !== null && held !== null && held.startMs <= value.startMs;
      if (held !== null && !isOlder) return void this.propose(shared, held, atNs);
    }
    this.#tell(shared, atNs);
  }

  /** Is it what this host wants to be there, by this proposal or an earlier one? */
  #says(value: BindingRecord | null, { claim, binding }: Pending): boolean {
    if (value === null || value.instance === null) return claim.instance === null;
    if (value.id === binding.id) return true;
    return value.host === this.#o.host && value.instance === claim.instance && value.mac === claim.mac;
  }

  /** P6. */
  #rule(shared: Shared, pending: Pending, atNs: number): void {
    const newer = this.#o.isNewer ?? isNewer;
    if (pending.withdrawn !== null || !newer(pending, shared, this.#o, atNs)) return this.drop(shared, false, atNs);
    this.proposals.rebase(pending, shared.revision, shared.ruledBy, atNs);
  }

  /** @param written it was, or may have been: a START that was has had its chance */
  drop(shared: Shared, written: boolean, atNs: number): void {
    const { pending } = shared;
    if (pending === null) return;
    this.end(shared);
    const { claim } = pending;
    if (claim.instance !== null && pending.withdrawn === null) this.#o.ruler.superseded(claim, shared.binding, atNs);
    if (claim.masterDownMs !== null && !pending.second && !written && pending.withdrawn === null) {
      shared.lost = { claim, sinceNs: atNs, dueNs: atNs + claim.masterDownMs * 1e6 + CHANCE_NS };
      this.#waiting.add(shared);
    }
    this.#tell(shared, atNs);
  }

  #tell(shared: Shared, atNs: number): void {
    const { vpc, havip, binding, revision, doubt } = shared;
    shared.doubtNs = null;
    // Of its own ports this host knows best.
    if (binding !== null && doubt !== null && binding.host !== this.#o.host) {
      if (!MAY_PASS.has(doubt)) return this.#refuse(shared, binding, doubt);
      shared.doubtNs = atNs;
      this.#waiting.add(shared);
      return;
    }
    this.#o.ruler.stored(vpc, havip, binding, revision, atNs);
  }

  #refuse({ vpc, havip }: Shared, binding: BindingRecord, doubt: Doubt): void {
    this.refusals++;
    this.#o.ruler.refused(vpc, havip, binding, doubt);
  }

  /** P3. */
  committed(shared: Shared, pending: Pending, revision: number, atNs: number): void {
    if (revision > shared.revision) {
      shared.version = pending.based === 0 ? 1 : shared.version + 1;
      shared.revision = revision;
      shared.binding = pending.binding;
      shared.doubt = null;
      return this.#done(shared, atNs);
    }
    // What overtook it was written on top of it.
    this.drop(shared, true, atNs);
  }

  #done(shared: Shared, atNs: number): void {
    const withdrawn = shared.pending?.withdrawn ?? null;
    this.end(shared);
    if (withdrawn !== null) return void this.propose(shared, withdrawn, atNs);
    this.#o.ruler.acknowledged(shared.vpc, shared.havip, shared.revision, atNs);
  }

  /** Nothing of it is under way any more. */
  end(shared: Shared): void {
    if (shared.pending !== null) this.proposals.remove(shared.pending);
    shared.pending = null;
  }

  beaten(shared: Shared, pending: Pending, together: boolean, atNs: number): void {
    if (pending.overtaken) {
      pending.overtaken = false;
      return this.#rule(shared, pending, atNs);
    }
    if (together) return this.proposals.alone(pending, atNs);
    if (pending.ruledBy !== shared.ruledBy) return this.proposals.rebase(pending, shared.revision, shared.ruledBy, atNs);
    // P4: wait for what was first.
    pending.dueNs = Number.POSITIVE_INFINITY;
    pending.overdueNs = atNs + OVERDUE_NS;
    this.#waiting.add(shared);
  }

  /** The HAVIP's configuration changed under a claim that was beaten by that. */
  reruled(shared: Shared, atNs: number): void {
    const { pending } = shared;
    if (pending === null || pending.sentNs !== null || pending.overdueNs === null) return;
    this.proposals.rebase(pending, shared.revision, shared.ruledBy, atNs);
  }

  /** Bindings that were not believed, with what is known now. */
  reconsider(vpc: string, atNs: number): void {
    for (const shared of this.#shelf.of(vpc)) {
      if (shared.binding === null) continue;
      const doubt = this.#shelf.doubt(shared);
      if (doubt === shared.doubt) continue;
      shared.doubt = doubt;
      if (shared.pending === null) this.#tell(shared, atNs);
    }
  }
  /** What had its time. */
  tick(atNs: number): void {
    for (const shared of this.#waiting) this.#wait(shared, atNs);
    if (this.inTouch) this.proposals.send(atNs);
  }

  /** Infinity: nothing is due, as things are. */
  nextNs(): number {
    let dueNs = this.inTouch ? this.proposals.nextNs() : Number.POSITIVE_INFINITY;
    for (const shared of this.#waiting) dueNs = Math.min(dueNs, waitNs(shared));
    return dueNs;
  }

  #wait(shared: Shared, atNs: number): void {
    const { pending, lost } = shared;
    if (pending?.overdueNs != null && atNs >= pending.overdueNs) {
      pending.overdueNs = atNs + OVERDUE_NS;
      this.#o.fabric.relist(shared.vpc);
    }
    if (lost !== null && atNs >= lost.dueNs) {
      shared.lost = null;
      shared.again = lost.claim;
      if (pending === null) this.#o.ruler.again(lost.claim, lost.sinceNs, atNs);
    }
    if (shared.doubtNs !== null && atNs >= shared.doubtNs + DOUBT_NS) {
      shared.doubtNs = null;
      if (shared.binding !== null && shared.doubt !== null) this.#refuse(shared, shared.binding, shared.doubt);
    }
    const waits = shared.lost !== null || shared.doubtNs !== null || (shared.pending?.overdueNs ?? null) !== null;
    if (!waits) this.#waiting.delete(shared);
  }
}
