/**
 * How hosts agree on one holder: the protocol, pure. Time and everything heard come in as arguments, so a simulation runs what live hosts
 * run. The numbers P1 to P11 name its rules everywhere in this folder.
 *
 *   P1  Local first: the ledger ruled and the host programmed, before the store hears of it. What it has is provisional until then.
 *   P2  Claims made together are one transaction, on condition that each binding is still the one they were ruled by. (proposals.ts)
 *   P3  Committed: the revision is the epoch.
 *   P4  Beaten: nothing. The write that was first is under way to us, and P6 rules when it comes. (To try again at once was tried in the
 *       simulation: one START was written twice.)
 *   P5  No answer: the same proposal again, same id, same condition. If it had been written, the condition fails and the watch says so.
 *   P6  A binding comes that beat a proposal: is the claim newer? Then once more, on top of it; else the claim has lost.
 *   P8  A list is told like changes, and never undoes what is newer; but after a restore the list is the truth, and who holds by an epoch
 *       that the store forgot says so again.
 *   P9  A withdrawal is a proposal of nobody; only the ledger of the holder's own host makes one.
 *   P11 A claim that lost to somebody who is never heard is ruled again, once.
 *
 * P7 (holds) and P10 (migration) are the ledger's rulings; they need no rule here.
 */
import { Agreement, type PeersOptions } from './agreement.ts';
import type { Claimed } from './claimed.ts';
import type { FabricState, ListReason, Outcome } from './fabric.ts';
import type { Doubt } from './belief.ts';
import type { BindingRecord, Item } from './records.ts';
import { Shelf, type Shared } from './shared.ts';

export interface SharedView {
  readonly revision: number;
  readonly binding: BindingRecord | null;
  /** This host has something else, which the store has yet to hear. */
  readonly provisional: boolean;
  readonly doubt: Doubt | null;
}

export class Peers {
  readonly #o: PeersOptions;
  readonly #shelf: Shelf;
  readonly #agreement: Agreement;
  readonly #listed = new Set<string>();

  constructor(options: PeersOptions) {
    this.#o = options;
    this.#shelf = new Shelf(options.directory);
    this.#agreement = new Agreement(options, this.#shelf);
  }

  get state(): FabricState {
    return this.#agreement.inTouch ? 'synced' : 'away';
  }

  /** HAVIPs whose holder here is not yet, or not any more, the store's. */
  get pending(): number {
    return this.#agreement.proposals.size;
  }

  /** Bindings that were not believed. */
  get refusals(): number {
    return this.#agreement.refusals;
  }

  /** P1: the ledger moved a HAVIP to, or took it from, a claimant of this host. Sent by the next tick(). */
  claimed(claim: Claimed, atNs: number): void {
    const shared = this.#shelf.at(claim.vpc, claim.havip);
    if (claim.instance === null && shared.binding?.host !== this.#o.host) return this.#agreement.cancel(shared, claim, atNs);
    shared.lost = null;
    const { again } = shared;
    const second = again !== null && again.instance === claim.instance && again.streakNs === claim.streakNs;
    this.#agreement.propose(shared, claim, atNs).second = second;
    if (!second) shared.again = null;
  }

  /**
   * After a restart: what the switch holds, by the revision that its comment names. `claim`: it had not been acknowledged, so it may have
   * been written or not.
   */
  adopted(vpc: string, havip: string, revision: number, here: boolean, claim: Claimed | null, atNs: number): void {
    const shared = this.#shelf.at(vpc, havip);
    shared.kept = { revision, here };
    if (claim === null) return;
    Object.assign(this.#agreement.propose(shared, claim, atNs), { based: revision, ordered: false, unsure: true });
  }

  snapshot(vpc: string, items: readonly Item[], revision: number, reason: ListReason, atNs: number): void {
    const restored = reason === 'restored';
    const listed = new Set<string>();
    this.#listed.add(vpc);
    this.#shelf.ports.forget(vpc);
    for (const shared of this.#shelf.of(vpc)) shared.ruledBy = 0;
    for (const item of items) if (item.kind !== 'binding') this.#learn(item);
    for (const item of items) {
      if (item.kind !== 'binding') continue;
      listed.add(item.id);
      const shared = this.#shelf.at(vpc, item.id);
      if (item.revision > shared.revision || restored) this.#agreement.take(shared, item, restored, atNs);
    }
    for (const shared of this.#shelf.of(vpc)) {
      if (listed.has(shared.havip) || !isGone(shared, revision, restored)) continue;
      this.#agreement.take(shared, { revision: 0, version: 0, value: null }, restored, atNs);
    }
    for (const shared of this.#shelf.of(vpc)) this.#agreement.reruled(shared, atNs);
    this.#agreement.reconsider(vpc, atNs);
  }

  change(item: Item, atNs: number): void {
    if (item.kind !== 'binding') {
      this.#learn(item);
      if (item.kind === 'port') this.#agreement.reconsider(item.vpc, atNs);
      if (item.kind === 'havip') this.#agreement.reruled(this.#shelf.at(item.vpc, item.id), atNs);
      return;
    }
    const shared = this.#shelf.at(item.vpc, item.id);
    if (item.revision <= shared.revision) return;
    this.#agreement.take(shared, item.value === null ? { ...item, revision: 0 } : item, false, atNs);
  }

  /** The ledger let it go to another host by what it heard itself: what is not written yet is not proposed any more. */
  yielded(vpc: string, havip: string, nobody: Claimed): void {
    const shared = this.#shelf.find(vpc, havip);
    if (shared !== null) this.#agreement.giveUp(shared, nobody);
  }

  /** The VPC was told as a whole. */
  isListed(vpc: string): boolean {
    return this.#listed.has(vpc);
  }

  /** The VPC is not followed any more. */
  forget(vpc: string): void {
    this.#listed.delete(vpc);
    for (const shared of this.#shelf.of(vpc)) this.#agreement.end(shared);
    this.#shelf.forget(vpc);
  }

  /** Rights changed: bindings that were not believed may be now, and the other way round. */
  directoryChanged(vpc: string, atNs: number): void {
    this.#agreement.reconsider(vpc, atNs);
  }

  outcome(ids: readonly string[], outcome: Outcome, atNs: number): void {
    for (const { pending, owner } of this.#agreement.proposals.answered(ids, outcome.result, atNs)) {
      if (outcome.result === 'committed') this.#agreement.committed(owner, pending, outcome.revision, atNs);
      else if (outcome.result === 'beaten') this.#agreement.beaten(owner, pending, ids.length > 1, atNs);
      else if (pending.overtaken) this.#agreement.drop(owner, true, atNs);
    }
  }

  /** Back: the watches stand before the first proposal is sent, and hosts do not all come at once. */
  stateChanged(state: FabricState, atNs: number): void {
    const inTouch = state === 'synced';
    if (inTouch === this.#agreement.inTouch) return;
    this.#agreement.inTouch = inTouch;
    if (inTouch) this.#agreement.proposals.spread(atNs);
    else this.#agreement.proposals.disorder();
  }

  tick(atNs: number): void {
    this.#agreement.tick(atNs);
  }

  /** When tick() has something to do; Infinity: nothing, as things are. */
  nextNs(): number {
    return this.#agreement.nextNs();
  }

  /** null: nobody told this host of it. */
  view(vpc: string, havip: string): SharedView | null {
    const shared = this.#shelf.find(vpc, havip);
    if (shared === null) return null;
    const { revision, binding, doubt, pending } = shared;
    return { revision, binding, provisional: pending !== null, doubt };
  }

  #learn(item: Item): void {
    if (item.kind === 'port') this.#shelf.ports.put(item.vpc, item.host ?? '', item.id, item.value);
    else if (item.kind === 'havip') this.#shelf.at(item.vpc, item.id).ruledBy = item.value === null ? 0 : item.revision;
  }
}

/** Does a list of this revision, which does not name it, take it away? */
function isGone({ revision, kept }: Shared, listed: number, restored: boolean): boolean {
  if (revision === 0) return kept !== null;
  return revision <= listed || restored;
}
