/**
 * What the switch shall have and what it has, entry by entry, and the ids in which the two may differ (after Felix's deltatracker).
 * Pure; main thread. All work is by what differs, not by what there is.
 */
import { entryId } from './entries.ts';
import { type Change, ENTRY_KINDS, type Entry, type EntryKind } from './vswitch.ts';

const RANK = new Map<EntryKind, number>(ENTRY_KINDS.map((kind, rank) => [kind, rank]));

export class Tracker {
  readonly #desired = new Map<string, Entry>();
  readonly #actual = new Map<string, Entry>();
  readonly #dirty = new Set<string>();
  /** Refused by the switch, and left alone until forgive(). */
  readonly #refused = new Set<string>();
  /** Until told in sync, a holder that the switch has and nobody desires stays: its owner may be about to say so. */
  #withholding = true;

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  get refusedCount(): number {
    return this.#refused.size;
  }

  /** null: the entry shall not be there. */
  want(id: string, item: Entry | null): void {
    if (item === null) this.#desired.delete(id);
    else this.#desired.set(id, item);
    this.#refused.delete(id);
    this.#mark(id);
  }

  desires(id: string): boolean {
    return this.#desired.has(id);
  }

  isDirty(id: string): boolean {
    return this.#dirty.has(id);
  }

  actual(id: string): Entry | undefined {
    return this.#actual.get(id);
  }

  /** The entry is not whole any more, whatever was listed last. */
  damage(id: string): void {
    const actual = this.#actual.get(id);
    if (actual !== undefined) this.#actual.set(id, { ...actual, value: 'damaged' });
    this.#mark(id);
  }

  /** Takes a full listing of the switch. Returns how many entries differ that did not before. */
  listed(entries: readonly Entry[]): number {
    const pending = new Set(this.#dirty);
    const gone = new Set(this.#actual.keys());
    for (const item of entries) {
      const id = entryId(item);
      gone.delete(id);
      this.#actual.set(id, item);
      this.#mark(id);
    }
    for (const id of gone) {
      this.#actual.delete(id);
      this.#mark(id);
    }
    let drifted = 0;
    for (const id of this.#dirty) if (!pending.has(id)) drifted++;
    return drifted;
  }

  /** The switch has taken these changes. */
  acknowledge(changes: readonly Change[]): void {
    for (const change of changes) {
      const id = changeId(change);
      if (change.after === null) this.#actual.delete(id);
      else this.#actual.set(id, change.after);
      this.#dirty.delete(id);
    }
  }

  refuse(changes: readonly Change[]): void {
    for (const change of changes) this.#refused.add(changeId(change));
  }

  /** All refused entries may be tried again. */
  forgive(): void {
    this.#refused.clear();
  }

  /** Holders that nobody desires may go from now on. */
  release(): void {
    this.#withholding = false;
    for (const id of this.#actual.keys()) this.#mark(id);
  }

  /** What is to be done: removals first, the last kind first; then the rest, the first kind first. */
  changes(): Change[] {
    const removals: Change[] = [];
    const others: Change[] = [];
    for (const id of this.#dirty) {
      if (this.#refused.has(id)) continue;
      const before = this.#actual.get(id) ?? null;
      const after = this.#desired.get(id) ?? null;
      (after === null ? removals : others).push({ before, after });
    }
    if (removals.length > 1) removals.sort((a, b) => rank(b) - rank(a));
    if (others.length > 1) others.sort((a, b) => rank(a) - rank(b));
    return removals.length === 0 ? others : [...removals, ...others];
  }

  #mark(id: string): void {
    const desired = this.#desired.get(id);
    const kept = this.#withholding && desired === undefined && id.startsWith('holder ');
    if (kept || desired?.value === this.#actual.get(id)?.value) this.#dirty.delete(id);
    else this.#dirty.add(id);
  }
}

function changeId({ before, after }: Change): string {
  return entryId((after ?? before)!);
}

function rank({ before, after }: Change): number {
  return RANK.get((after ?? before)!.kind) ?? 0;
}
