/**
 * The catalogue: which HAVIPs there are, and who may change that. Writes end in the one truth that the agent reads anyway, by the same path of
 * a reload: files beside the configuration (files.ts), or the store that hosts share (store.ts). What may be allocated is the same in both
 * and pure (rules.ts); what is asked for is read by wish.ts.
 *
 *     command line ─┐                     ┌─> files: havips.d/ID.yaml ──> reload
 *                   ├─> wish ──> rules ───┤
 *     unix socket ──┘                     └─> store: one transaction  ──> watch ──> reload
 *
 * Two writers at once: one of them wins, the other one is told why not. Main thread, or a command's.
 */
import type { Wish } from '../config/shape.ts';

/** On whose behalf something is written, as text for people: `alice (uid 1000)`. */
export interface Author {
  readonly by: string;
  /** Said again with the same words it is the same wish, and is followed once; null: each time anew. */
  readonly key: string | null;
}

/** A HAVIP as it was allocated. */
export interface Allocated {
  readonly id: string;
  readonly vpc: string;
  readonly subnet: string;
  readonly address: string;
  readonly members: readonly string[] | null;
  /** It was there: the same wish had been followed before. */
  readonly again: boolean;
}

/** What stands in the catalogue, for a list. */
export interface Listed {
  readonly id: string;
  readonly vpc: string;
  readonly subnet: string;
  readonly address: string;
  readonly members: readonly string[] | null;
  /** By whom and when; null: it was not allocated, but stands in a file. */
  readonly allocated: { readonly by: string; readonly at: string } | null;
}

export interface Catalogue {
  /** Throws a CatalogueError (refusal.ts) when it is refused or cannot be written. */
  allocate(wish: Wish, author: Author): Promise<Allocated>;
  release(id: string, vpc: string | null, author: Author): Promise<{ readonly id: string; readonly vpc: string }>;
  list(): Promise<Listed[]>;
}
