/**
 * How far one watch has come: what it must ask for when it is made again, what it has told already, and whether something is missing.
 * Pure; the same for etcd and the model store.
 *
 * - It goes on after the last revision of which ALL events came: a revision may be split over several answers (fragments), and the
 *   revision in an answer's header may lie ahead of its events while the watch catches up. To resume by the header loses them.
 * - What comes twice is dropped, by the key's revision.
 * - The store counts a key's versions: a version that is not the known one + 1 says that an event was lost, whoever lost it.
 * - A list that is older than what was seen, or of another cluster: the store was restored from a backup.
 */
import type { RawItem } from './keys.ts';

/** One answer of a watch. */
export interface WatchAnswer {
  readonly events: readonly RawItem[];
  /** More of the same revision follows. */
  readonly fragment: boolean;
  /** The store's revision when it answered: no measure of what came. */
  readonly header: number;
}

interface Known {
  readonly revision: number;
  /** 0: deleted. */
  readonly version: number;
}

export class Cursor {
  readonly #known = new Map<string, Known>();
  /** Deleted keys, remembered while an older event of them may come again. */
  readonly #tombs = new Set<string>();
  #resume = 0;
  #seen = 0;

  /** The first revision that is not known in whole. 0: list first. */
  get resume(): number {
    return this.#resume;
  }

  /** Does this list contradict what was seen? Ask all cursors before any is told of it. */
  isOlder(items: readonly RawItem[], revision: number): boolean {
    if (revision < this.#resume - 1) return true;
    return items.some(({ key, revision: at, version }) => {
      const known = this.#known.get(key);
      return known !== undefined && (at < known.revision || (at === known.revision && version !== known.version));
    });
  }

  /** All keys there are at this revision. */
  listed(items: readonly RawItem[], revision: number): void {
    this.#known.clear();
    this.#tombs.clear();
    this.#seen = 0;
    for (const { key, revision: at, version } of items) this.#known.set(key, { revision: at, version });
    this.#resume = revision + 1;
  }

  /** The events that are new, in order. `gap`: some are missing, list again. */
  take({ events, fragment }: WatchAnswer): { readonly fresh: RawItem[]; readonly gap: boolean } {
    const fresh: RawItem[] = [];
    let gap = false;
    for (const event of events) {
      const known = this.#known.get(event.key);
      this.#seen = Math.max(this.#seen, event.revision);
      if (event.revision < this.#resume || (known !== undefined && event.revision <= known.revision)) continue;
      if (event.text === null) this.#tombs.add(event.key);
      else if (event.version !== (known?.version ?? 0) + 1) gap = true;
      this.#known.set(event.key, { revision: event.revision, version: event.text === null ? 0 : event.version });
      fresh.push(event);
    }
    if (!fragment) this.#whole();
    return { fresh, gap };
  }

  #whole(): void {
    this.#resume = Math.max(this.#resume, this.#seen + 1);
    for (const key of this.#tombs) {
      const known = this.#known.get(key);
      if (known === undefined || known.version > 0) this.#tombs.delete(key);
      else if (known.revision < this.#resume) {
        this.#tombs.delete(key);
        this.#known.delete(key);
      }
    }
  }
}
