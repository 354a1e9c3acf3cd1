/**
 * What the switch shall have and what it has, entry by entry, and where the two differ (after Felix's deltatracker). Pure; main
 * thread. All work is by what differs, not by what there is.
 *
 * There may be 100,000 entries, nearly all of them as they shall be: so each is one key and one value in one map, and what the switch
 * has is noted only where it differs. Two maps of entry objects under an id that is kind and key in one string took 21 MB more.
 */
import { must } from '../base/assert.ts';
import { type Change, ENTRY_KINDS, type Entry, type EntryKind } from './vswitch.ts';

/** The entries of one kind. Values by key; null: not there. */
class Shelf {
  readonly kind: EntryKind;
  readonly desired = new Map<string, string>();
  /** What the switch has of each entry that is not as desired. */
  readonly differing = new Map<string, string | null>();
  /** Refused by the switch, and left alone until forgive(). */
  readonly refused = new Set<string>();

  constructor(kind: EntryKind) {
    this.kind = kind;
  }

  actual(key: string): string | null {
    const differing = this.differing.get(key);
    return differing === undefined ? (this.desired.get(key) ?? null) : differing;
  }

  *actuals(): Iterable<readonly [string, string]> {
    for (const [key, value] of this.desired) if (!this.differing.has(key)) yield [key, value];
    for (const [key, value] of this.differing) if (value !== null) yield [key, value];
  }

  want(key: string, value: string | null): void {
    const actual = this.actual(key);
    if (value === null) this.desired.delete(key);
    else this.desired.set(key, value);
    this.refused.delete(key);
    this.found(key, actual);
  }

  /** The switch has this. */
  found(key: string, actual: string | null): void {
    if (actual === (this.desired.get(key) ?? null)) this.differing.delete(key);
    else this.differing.set(key, actual);
  }

  /** Takes all that the switch has of this kind. */
  listed(values: ReadonlyMap<string, string>): void {
    for (const [key, value] of values) this.found(key, value);
    for (const key of this.differing.keys()) if (!values.has(key)) this.found(key, null);
    for (const key of this.desired.keys()) if (!values.has(key)) this.found(key, null);
  }

  change(key: string, actual: string | null): Change {
    const desired = this.desired.get(key) ?? null;
    return { before: this.#entry(key, actual), after: this.#entry(key, desired) };
  }

  #entry(key: string, value: string | null): Entry | null {
    return value === null ? null : { kind: this.kind, key, value };
  }
}

export class Tracker {
  readonly #shelves = ENTRY_KINDS.map((kind) => new Shelf(kind));
  readonly #byKind = new Map(this.#shelves.map((shelf) => [shelf.kind, shelf]));
  /** Until told in sync, a holder that the switch has and nobody desires stays: its owner may be about to say so. */
  #withholding = true;

  /** Entries that differ, and should not. */
  get dirtyCount(): number {
    let count = 0;
    for (const shelf of this.#shelves) {
      if (!this.#withholds(shelf)) count += shelf.differing.size;
      else for (const key of shelf.differing.keys()) if (shelf.desired.has(key)) count++;
    }
    return count;
  }

  get refusedCount(): number {
    return this.#shelves.reduce((count, { refused }) => count + refused.size, 0);
  }

  /** null: the entry shall not be there. */
  want(kind: EntryKind, key: string, value: string | null): void {
    this.#shelf(kind).want(key, value);
  }

  desires(kind: EntryKind, key: string): boolean {
    return this.#shelf(kind).desired.has(key);
  }

  isDirty(kind: EntryKind, key: string): boolean {
    const shelf = this.#shelf(kind);
    return shelf.differing.has(key) && !(this.#withholds(shelf) && !shelf.desired.has(key));
  }

  /** What the switch has, as far as is known; null: nothing. */
  actual(kind: EntryKind, key: string): string | null {
    return this.#shelf(kind).actual(key);
  }

  /** All entries of this kind that the switch has: key and value. */
  actuals(kind: EntryKind): Iterable<readonly [string, string]> {
    return this.#shelf(kind).actuals();
  }

  /** The entry is not whole any more, whatever was listed last. */
  damage(kind: EntryKind, key: string): void {
    const shelf = this.#shelf(kind);
    if (shelf.actual(key) !== null) shelf.found(key, 'damaged');
  }

  /** What is to be done about this entry; null: nothing. */
  changeOf(kind: EntryKind, key: string): Change | null {
    const shelf = this.#shelf(kind);
    const actual = shelf.differing.get(key);
    if (actual === undefined || (this.#withholds(shelf) && !shelf.desired.has(key))) return null;
    return shelf.change(key, actual);
  }

  /** These changes as they are to be done by now, without those that need not be done any more. */
  refreshed(changes: readonly Change[]): Change[] {
    return changes.map(subject).flatMap(({ kind, key }) => this.changeOf(kind, key) ?? []);
  }

  /** Takes a full listing of the switch. Returns how many entries differ that did not before. */
  listed(entries: readonly Entry[]): number {
    const listed = new Map(this.#shelves.map((shelf) => [shelf, new Map<string, string>()]));
    for (const { kind, key, value } of entries) must(listed.get(this.#shelf(kind)), 'every kind has a shelf').set(key, value);
    let drifted = 0;
    for (const [shelf, values] of listed) {
      const pending = new Set(shelf.differing.keys());
      shelf.listed(values);
      for (const key of shelf.differing.keys()) if (!pending.has(key) && this.isDirty(shelf.kind, key)) drifted++;
    }
    return drifted;
  }

  /** The switch has taken these changes. */
  acknowledge(changes: readonly Change[]): void {
    for (const change of changes) {
      const { kind, key } = subject(change);
      this.#shelf(kind).found(key, change.after?.value ?? null);
    }
  }

  /** But what is wanted otherwise by now was not refused. */
  refuse(changes: readonly Change[]): void {
    for (const change of changes) {
      const { kind, key } = subject(change);
      const { desired, refused } = this.#shelf(kind);
      if ((desired.get(key) ?? null) === (change.after?.value ?? null)) refused.add(key);
    }
  }

  /** All refused entries may be tried again. */
  forgive(): void {
    for (const { refused } of this.#shelves) refused.clear();
  }

  /** Holders that nobody desires may go from now on. */
  letHoldersGo(): void {
    this.#withholding = false;
  }

  /**
   * What is to be done: removals first, the last kind first; then the rest, the first kind first; then strays go: what is ours may
   * have led to them, as after an update of the agent.
   */
  changes(): Change[] {
    const changes: Change[] = [];
    const strays = this.#shelf('stray');
    for (const shelf of this.#shelves.toReversed()) if (shelf !== strays) this.#collect(shelf, true, changes);
    for (const shelf of this.#shelves) this.#collect(shelf, false, changes);
    this.#collect(strays, true, changes);
    return changes;
  }

  #collect(shelf: Shelf, removals: boolean, changes: Change[]): void {
    if (shelf.differing.size === 0 || (removals && this.#withholds(shelf))) return;
    for (const [key, actual] of shelf.differing) {
      if (shelf.desired.has(key) !== removals && !shelf.refused.has(key)) changes.push(shelf.change(key, actual));
    }
  }

  #withholds(shelf: Shelf): boolean {
    return this.#withholding && shelf.kind === 'holder';
  }

  #shelf(kind: EntryKind): Shelf {
    return must(this.#byKind.get(kind), 'every kind has a shelf');
  }
}

function subject({ before, after }: Change): Entry {
  return must(after ?? before, 'a change has a before or an after');
}
