/**
 * A model of the store, as strict as etcd about order: revisions, versions per key, transactions, compaction, leases, watches that catch
 * up in pieces, and a restore that forgets. For simulations; no I/O, and time is the scheduler's.
 */
import type { RawItem } from '../keys.ts';

export interface Compare {
  readonly key: string;
  /** 0: the key must not exist. */
  readonly revision: number;
}

export interface Put {
  readonly key: string;
  readonly text: string;
  /** The host whose lease it hangs on. */
  readonly lease?: string;
}

interface StoredText {
  readonly text: string;
  readonly revision: number;
  readonly version: number;
  readonly lease: string | null;
}

export interface Backup {
  readonly revision: number;
  readonly values: ReadonlyMap<string, StoredText>;
}

export class MemoryStore {
  revision = 1;
  cluster = 1;
  /** Revisions up to this one are forgotten. */
  compacted = 0;
  up = true;
  readonly #values = new Map<string, StoredText>();
  #history: RawItem[] = [];
  readonly #listeners = new Set<() => void>();

  /** null: a compare failed and nothing was written; else the revision of all of it. */
  transact(compares: readonly Compare[], puts: readonly Put[], deletes: readonly string[] = []): number | null {
    for (const { key, revision } of compares) if ((this.#values.get(key)?.revision ?? 0) !== revision) return null;
    if (puts.length + deletes.length === 0) return this.revision;
    this.revision++;
    for (const { key, text, lease = null } of puts) {
      const version = (this.#values.get(key)?.version ?? 0) + 1;
      this.#values.set(key, { text, revision: this.revision, version, lease });
      this.#history.push({ key, text, revision: this.revision, version });
    }
    for (const key of deletes)
      if (this.#values.delete(key)) this.#history.push({ key, text: null, revision: this.revision, version: 0 });
    for (const listener of this.#listeners) listener();
    return this.revision;
  }

  range(prefix: string): RawItem[] {
    const found: RawItem[] = [];
    for (const [key, { text, revision, version }] of this.#values)
      if (key.startsWith(prefix)) found.push({ key, text, revision, version });
    return found;
  }

  /** Events of a prefix from this revision on, as much of whole revisions as `most` allows, at least one; null: compacted. */
  events(prefix: string, from: number, most: number): { events: RawItem[]; next: number } | null {
    if (from <= this.compacted) return null;
    const events: RawItem[] = [];
    for (const event of this.#history) {
      if (event.revision < from || !event.key.startsWith(prefix)) continue;
      if (events.length >= most && event.revision !== events.at(-1)?.revision) return { events, next: event.revision };
      events.push(event);
    }
    return { events, next: this.revision + 1 };
  }

  /** Called after each write, until the returned function is. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  compact(): void {
    this.compacted = this.revision;
    this.#history = [];
  }

  expire(lease: string): void {
    const gone = [...this.#values].flatMap(([key, stored]) => (stored.lease === lease ? [key] : []));
    if (gone.length > 0) this.transact([], [], gone);
  }

  backup(): Backup {
    return { revision: this.revision, values: new Map(this.#values) };
  }

  /** What was written after the backup is forgotten, and so are all watches' histories. */
  restore({ revision, values }: Backup): void {
    this.cluster++;
    this.revision = revision;
    this.#values.clear();
    for (const [key, stored] of values) this.#values.set(key, stored);
    this.#history = [];
    this.compacted = revision;
    for (const listener of this.#listeners) listener();
  }
}
