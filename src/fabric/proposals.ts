/**
 * The proposals of a host that are not settled: when each is sent, in which company, how often (P2, P5). Pure. At most one for a HAVIP,
 * so memory is bounded by the HAVIPs that have members here, however long the store is away.
 */
import type { Claimed } from './claimed.ts';
import type { Outcome, Proposal } from './fabric.ts';
import type { BindingRecord } from './records.ts';

/** A transaction holds 128 operations as etcd is shipped: two compares and a put for each. */
const TOGETHER_MOST = 60;
const ALONE_MOST = 8;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MOST_MS = 2000;
const SPREAD_MS = 500;

/** Where a HAVIP's proposal belongs; the caller's own record. */
interface Owner {
  readonly vpc: string;
  readonly havip: string;
}

export interface Pending {
  readonly claim: Claimed;
  binding: BindingRecord;
  based: number;
  ruledBy: number;
  /** The store was in touch from the START on, so arrival tells what came first. */
  ordered: boolean;
  dueNs: number;
  /** null: no attempt is under way. */
  sentNs: number | null;
  attempts: number;
  /** An attempt had no answer: it may have been written. */
  unsure: boolean;
  /** Something newer came while an attempt was under way, and it may stand on top of it. */
  overtaken: boolean;
  alone: boolean;
  /** Beaten: when what was first must have come. */
  overdueNs: number | null;
  /** It is the second chance of its START. */
  second: boolean;
  /** Withdrawn while it may have been written: that is proposed once it is known. */
  withdrawn: Claimed | null;
}

export type NewProposal = Pick<Pending, 'claim' | 'based' | 'ruledBy' | 'ordered' | 'dueNs'> & {
  readonly binding: (id: string) => BindingRecord;
};

export class Proposals<O extends Owner> {
  /** Of this life of the host: its ids begin with it. */
  readonly #boot: string;
  readonly #random: () => number;
  readonly #send: (batch: readonly Proposal[]) => void;
  readonly #byId = new Map<string, { readonly pending: Pending; readonly owner: O }>();
  readonly #owners = new Map<Pending, O>();
  #count = 0;

  constructor(boot: string, random: () => number, send: (batch: readonly Proposal[]) => void) {
    this.#boot = boot;
    this.#random = random;
    this.#send = send;
  }

  get size(): number {
    return this.#owners.size;
  }

  add(owner: O, { binding, ...rest }: NewProposal): Pending {
    const pending: Pending = {
      ...rest,
      binding: binding(this.#newId()),
      sentNs: null,
      attempts: 0,
      unsure: false,
      overtaken: false,
      alone: false,
      overdueNs: null,
      second: false,
      withdrawn: null,
    };
    this.#owners.set(pending, owner);
    this.#byId.set(pending.binding.id, { pending, owner });
    return pending;
  }

  remove(pending: Pending): void {
    this.#owners.delete(pending);
    this.#byId.delete(pending.binding.id);
  }

  /** On top of what beat it. A new id: what was under way under the old one fails by its condition. */
  rebase(pending: Pending, based: number, ruledBy: number, atNs: number): void {
    const owner = this.#owners.get(pending);
    if (owner === undefined) return;
    this.#byId.delete(pending.binding.id);
    pending.binding = { ...pending.binding, id: this.#newId() };
    this.#byId.set(pending.binding.id, { pending, owner });
    Object.assign(pending, { based, ruledBy, dueNs: atNs, sentNs: null, unsure: false, overtaken: false, overdueNs: null });
  }

  /** A group failed for one of it, whichever that is. */
  alone(pending: Pending, atNs: number): void {
    pending.alone = true;
    pending.dueNs = atNs;
  }

  /** Those of these ids that still wait for an answer. */
  answered(ids: readonly string[], result: Outcome['result'], atNs: number): { pending: Pending; owner: O }[] {
    return ids.flatMap((id) => {
      const found = this.#byId.get(id);
      if (found === undefined) return [];
      const { pending } = found;
      pending.sentNs = null;
      if (result === 'unknown') {
        pending.unsure = true;
        const backoffMs = Math.min(BACKOFF_FIRST_MS * 2 ** (pending.attempts - 1), BACKOFF_MOST_MS);
        pending.dueNs = atNs + backoffMs * (0.5 + this.#random()) * 1e6;
      }
      return [found];
    });
  }

  /** The store is back: each host at its own moment. */
  spread(atNs: number): void {
    const dueNs = atNs + this.#random() * SPREAD_MS * 1e6;
    for (const pending of this.#owners.keys()) if (pending.sentNs === null && pending.overdueNs === null) pending.dueNs = dueNs;
  }

  /** Out of touch with the store, what arrives later says nothing of what was first. */
  disorder(): void {
    for (const pending of this.#owners.keys()) pending.ordered = false;
  }

  nextNs(): number {
    const full = this.#flyingAlone() >= ALONE_MOST;
    let dueNs = Number.POSITIVE_INFINITY;
    for (const { sentNs, alone, dueNs: ownNs } of this.#owners.keys())
      if (sentNs === null && !(alone && full)) dueNs = Math.min(dueNs, ownNs);
    return dueNs;
  }

  send(atNs: number): void {
    let flying = this.#flyingAlone();
    let group: Pending[] = [];
    for (const pending of this.#owners.keys()) {
      if (pending.sentNs !== null || pending.dueNs > atNs) continue;
      if (!pending.alone) group.push(pending);
      else if (flying++ < ALONE_MOST) this.#submit([pending], atNs);
      if (group.length < TOGETHER_MOST) continue;
      this.#submit(group, atNs);
      group = [];
    }
    if (group.length > 0) this.#submit(group, atNs);
  }

  #flyingAlone(): number {
    let flying = 0;
    for (const { sentNs, alone } of this.#owners.keys()) if (sentNs !== null && alone) flying++;
    return flying;
  }

  #submit(group: readonly Pending[], atNs: number): void {
    const batch: Proposal[] = [];
    for (const pending of group) {
      const owner = this.#owners.get(pending);
      if (owner === undefined) continue;
      pending.sentNs = atNs;
      pending.attempts++;
      const { binding, based, ruledBy } = pending;
      batch.push({ id: binding.id, vpc: owner.vpc, havip: owner.havip, binding, based, ruledBy });
    }
    this.#send(batch);
  }

  #newId(): string {
    return `${this.#boot}.${++this.#count}`;
  }
}
