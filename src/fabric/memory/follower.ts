/** What one host follows in the model store: lists, and watches that catch up in pieces. Both sides of them, with the wire between. */
import { Cursor, type WatchAnswer } from '../cursor.ts';
import type { FabricCounters, FabricEvents, ListReason } from '../fabric.ts';
import { configPrefix, statePrefix, type RawItem } from '../keys.ts';
import type { Item } from '../records.ts';
import type { MemoryStore } from './store.ts';
import type { Wire } from './wire.ts';

const EVENTS_PER_ANSWER = 3;

interface Watch {
  readonly prefix: string;
  readonly cursor: Cursor;
  /** Where the store's side stands. */
  next: number;
  open: boolean;
}

export interface ModelFollowerOptions {
  readonly prefix: string;
  readonly store: MemoryStore;
  readonly wire: Wire;
  readonly counters: FabricCounters;
  readonly events: Pick<FabricEvents, 'snapshot' | 'changes'>;
  readonly items: (raw: readonly RawItem[]) => Item[];
  /** All there is under a prefix. */
  readonly listed: (vpc: string, prefix: string, items: readonly RawItem[]) => void;
  /** Keys changed. */
  readonly seen: (raw: readonly RawItem[]) => void;
  readonly failed: (session: number, why: string) => void;
  /** Set by tests that want a wrong one. */
  readonly cursor: () => Cursor;
}

export class ModelFollower {
  readonly #o: ModelFollowerOptions;
  readonly #watches = new Map<string, Watch[]>();
  /** Of the present connection; what belongs to an earlier one is not listened to. 0: there is none. */
  #session = 0;
  #questions = 0;
  readonly #listing = new Map<string, number>();
  /** Lists that have not come yet, whatever became of the session that asked for them. */
  readonly #due = new Map<string, ListReason>();

  constructor(options: ModelFollowerOptions) {
    this.#o = options;
  }

  follow(vpcs: readonly string[]): void {
    const { prefix, cursor } = this.#o;
    for (const vpc of this.#watches.keys()) if (!vpcs.includes(vpc)) this.#watches.delete(vpc);
    for (const vpc of vpcs) {
      if (this.#watches.has(vpc)) continue;
      const prefixes = [configPrefix(prefix, vpc), statePrefix(prefix, vpc)];
      this.#watches.set(
        vpc,
        prefixes.map((of) => ({ prefix: of, cursor: cursor(), next: 0, open: false })),
      );
      if (this.#session !== 0) this.list(vpc, 'start');
    }
  }

  /** Watches first; whoever has no place to go on from lists. */
  opened(session: number, restored: boolean): void {
    this.#session = session;
    for (const [vpc, watches] of this.#watches) {
      const due = restored ? 'restored' : this.#due.get(vpc);
      if (due !== undefined) this.list(vpc, due);
      else if (watches.some(({ cursor }) => cursor.resume === 0)) this.list(vpc, 'start');
      else this.#watch(watches);
    }
  }

  closed(): void {
    this.#session = 0;
    for (const watches of this.#watches.values()) for (const watch of watches) watch.open = false;
  }

  list(vpc: string, why: ListReason): void {
    const { store, wire, counters, events, items, listed, failed } = this.#o;
    const watches = this.#watches.get(vpc);
    const session = this.#session;
    if (watches === undefined || session === 0) return;
    for (const watch of watches) watch.open = false;
    // An answer to an earlier question may come after this one's, and would look like a restore.
    const reason = this.#due.get(vpc) === 'restored' ? 'restored' : why;
    this.#due.set(vpc, reason);
    const question = ++this.#questions;
    this.#listing.set(vpc, question);
    counters.relists[reason]++;
    wire.request(
      () => (store.up ? { lists: watches.map(({ prefix }) => store.range(prefix)), revision: store.revision } : null),
      (answer) => {
        if (session !== this.#session || this.#watches.get(vpc) !== watches || this.#listing.get(vpc) !== question) return;
        if (answer === null) return failed(session, 'no list');
        this.#due.delete(vpc);
        const { lists, revision } = answer;
        const older = watches.some(({ cursor }, i) => cursor.resume > 0 && cursor.isOlder(lists[i] ?? [], revision));
        for (const [i, { cursor }] of watches.entries()) cursor.listed(lists[i] ?? [], revision);
        this.#watch(watches);
        for (const [i, { prefix }] of watches.entries()) listed(vpc, prefix, lists[i] ?? []);
        events.snapshot(vpc, items(lists.flat()), revision, older ? 'restored' : reason);
        this.pump(session);
      },
    );
  }

  /** The store's side of the watches: sends what is new, in pieces. */
  pump(session: number): void {
    const { store, wire } = this.#o;
    if (session !== this.#session || !store.up) return;
    for (const [vpc, watches] of this.#watches) {
      for (const watch of watches) {
        while (watch.open && watch.next <= store.revision) {
          const found = store.events(watch.prefix, watch.next, EVENTS_PER_ANSWER);
          if (found === null) {
            watch.open = false;
            wire.stream(() => {
              if (session === this.#session && !watch.open) this.list(vpc, 'compacted');
            });
            break;
          }
          watch.next = found.next;
          if (found.events.length === 0) break;
          for (const answer of fragments(found.events, store.revision, wire.random)) {
            if (wire.stream(() => this.#arrived(session, vpc, watch, answer))) continue;
            watch.open = false;
            this.#reset(session);
          }
        }
      }
    }
  }

  #arrived(session: number, vpc: string, watch: Watch, answer: WatchAnswer): void {
    if (session !== this.#session || !watch.open) return;
    const { seen, items, events, counters } = this.#o;
    const { fresh, gap } = watch.cursor.take(answer);
    seen(fresh);
    if (fresh.length > 0) events.changes(items(fresh));
    if (!gap) return;
    counters.gaps++;
    this.list(vpc, 'gap');
  }

  #watch(watches: readonly Watch[]): void {
    for (const watch of watches) {
      watch.next = watch.cursor.resume;
      watch.open = true;
    }
  }

  /** What cannot be delivered ends the connection, as a stream's timeout does. */
  #reset(session: number): void {
    this.#o.wire.scheduler.after(500, () => this.#o.failed(session, 'connection reset'));
  }
}

/** Some answers come in two pieces; all of a revision but the last piece says so. */
function fragments(events: readonly RawItem[], header: number, random: () => number): WatchAnswer[] {
  if (events.length < 2 || random() < 0.5) return [{ events, fragment: false, header }];
  const at = 1 + Math.floor(random() * (events.length - 1));
  return [
    { events: events.slice(0, at), fragment: true, header },
    { events: events.slice(at), fragment: false, header },
  ];
}
