/**
 * What a host keeps in the store about itself, whatever became of it there: a restore forgets it, a lost answer leaves it unsure. Pure; the
 * drivers write what is due, one after another, and show it what a list says.
 */
import type { RawItem } from './keys.ts';

export interface Publication {
  readonly key: string;
  /** null: shall not exist. */
  readonly text: string | null;
  /** Vanishes with the host's lease. */
  readonly leased: boolean;
  /** Whose port it is; null: nobody's. */
  readonly instance: string | null;
  /** Of use while it is new: once it is written, what becomes of it there is left alone. */
  readonly once?: boolean;
}

export class Publisher {
  readonly #wanted = new Map<string, Publication>();
  readonly #due = new Set<string>();

  want(publication: Publication): void {
    this.#wanted.set(publication.key, publication);
    this.#due.add(publication.key);
  }

  /** Not written any more. */
  forget(key: string): void {
    this.#wanted.delete(key);
    this.#due.delete(key);
  }

  /** null: all is written, as far as is known. */
  next(): Publication | null {
    for (const key of this.#due) return this.#wanted.get(key) ?? null;
    return null;
  }

  /** Ports of these instances that are not written yet: a binding is believed by them, so they go with its transaction. */
  portsOf(instances: ReadonlySet<string | null>): Publication[] {
    const due = [...this.#due].flatMap((key) => this.#wanted.get(key) ?? []);
    return due.filter(({ instance, text }) => instance !== null && text !== null && instances.has(instance));
  }

  wrote(publication: Publication): void {
    if (this.#wanted.get(publication.key) !== publication) return;
    this.#due.delete(publication.key);
    if (publication.text === null || publication.once === true) this.#wanted.delete(publication.key);
  }

  /**
   * So a key stands now, by its watch. Two writes of one host may arrive in the other order, or one long after nobody waits for its answer
   * any more: what is not as it shall be is due again.
   */
  seen({ key, text }: RawItem): void {
    const wanted = this.#wanted.get(key);
    if (wanted !== undefined && wanted.text !== text) this.#due.add(key);
  }

  /** The lease ended and took what hung on it. */
  leaseLost(): void {
    for (const { key, leased, once } of this.#wanted.values()) {
      if (once === true) this.forget(key);
      else if (leased) this.#due.add(key);
    }
  }

  /**
   * All there is under `prefix`. What is missing there is due again, and what stands under `own` unwanted is from a life before this one.
   */
  listed(prefix: string, own: string, items: readonly RawItem[]): void {
    const found = new Map(items.map(({ key, text }) => [key, text]));
    for (const { key, text } of this.#wanted.values())
      if (key.startsWith(prefix) && (found.get(key) ?? null) !== text) this.#due.add(key);
    for (const key of found.keys())
      if (key.startsWith(own) && !this.#wanted.has(key)) this.want({ key, text: null, leased: false, instance: null });
  }
}
