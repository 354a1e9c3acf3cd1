/**
 * What a driver follows: for each VPC, and for the hosts (VPC ''), a cursor per prefix and the ids of the watches that stand for them. Lists
 * what has no place to go on from, watches the rest, and passes on what is new.
 */
import { Cursor } from '../cursor.ts';
import type { FabricCounters, FabricEvents, ListReason } from '../fabric.ts';
import { configPrefix, hostPrefix, statePrefix, type RawItem } from '../keys.ts';
import type { Item } from '../records.ts';
import { StoreError } from './connection.ts';
import type { Session } from './session.ts';
import type { Header, KeyValue, WatchResponse } from './wire.ts';

interface Part {
  readonly prefix: string;
  readonly cursor: Cursor;
  /** 0: it does not stand. */
  watchId: number;
}

interface Group {
  readonly vpc: string;
  readonly parts: readonly Part[];
  /** Of the last list that was asked for: an answer to an earlier one may come later, and would look like a restore. */
  question: number;
  stands: boolean;
  /**
   * A list that has not come yet, whatever became of the session that asked for it: to go on from the old place would miss what was written
   * since a restore, or what a gap had swallowed.
   */
  due: ListReason | null;
}

export interface FollowerOptions {
  readonly prefix: string;
  readonly counters: FabricCounters;
  readonly items: (raw: readonly RawItem[]) => Item[];
  readonly events: Pick<FabricEvents, 'snapshot' | 'changes'>;
  /** All there is under a prefix of this VPC. */
  readonly listed: (vpc: string, prefix: string, items: readonly RawItem[]) => void;
  /** A key changed. */
  readonly seen: (raw: RawItem) => void;
  /** A group stands that did not. */
  readonly stood: () => void;
  readonly failed: (session: Session, why: string) => void;
}

export class Follower {
  readonly #o: FollowerOptions;
  readonly #groups = new Map<string, Group>();
  readonly #byWatch = new Map<number, { readonly group: Group; readonly part: Part }>();
  #session: Session | null = null;
  #cluster = '';
  #watches = 0;
  #questions = 0;

  constructor(options: FollowerOptions) {
    this.#o = options;
  }

  /** Everything that is followed was told, and goes on. */
  get stands(): boolean {
    return this.#session !== null && [...this.#groups.values()].every(({ stands }) => stands);
  }

  follow(vpcs: readonly string[]): void {
    for (const [vpc, group] of this.#groups) {
      if (vpcs.includes(vpc)) continue;
      this.#unwatch(group);
      this.#groups.delete(vpc);
    }
    for (const vpc of vpcs) {
      if (this.#groups.has(vpc)) continue;
      const group = newGroup(this.#o.prefix, vpc);
      this.#groups.set(vpc, group);
      void this.#list(group, 'start');
    }
  }

  relist(vpc: string): void {
    const group = this.#groups.get(vpc);
    if (group !== undefined) void this.#list(group, 'asked');
  }

  /** A new session, and what the store says of itself: watches first; whoever has no place to go on from lists. */
  opened(session: Session, { cluster_id, revision }: Header): void {
    this.#session = session;
    const groups = [...this.#groups.values()];
    const isOther = this.#cluster !== '' && this.#cluster !== cluster_id;
    const wentBack = groups.some(({ parts }) => parts.some(({ cursor }) => cursor.resume > Number(revision) + 1));
    this.#cluster = cluster_id;
    for (const group of groups) {
      const due = isOther || wentBack ? 'restored' : group.due;
      if (due !== null) void this.#list(group, due);
      else if (group.parts.some(({ cursor }) => cursor.resume === 0)) void this.#list(group, 'start');
      else this.#watch(session, group);
    }
  }

  closed(): void {
    this.#session = null;
    this.#byWatch.clear();
    for (const group of this.#groups.values()) {
      group.stands = false;
      for (const part of group.parts) part.watchId = 0;
    }
  }

  watched(session: Session, answer: WatchResponse): void {
    const found = this.#byWatch.get(Number(answer.watch_id));
    if (session !== this.#session || found === undefined) return;
    const { group, part } = found;
    if (answer.canceled) {
      if (Number(answer.compact_revision) > 0) return void this.#list(group, 'compacted');
      return this.#o.failed(session, answer.cancel_reason === '' ? 'a watch was cancelled' : answer.cancel_reason);
    }
    const header = Number(answer.header.revision);
    const { fresh, gap } = part.cursor.take({ events: eventsOf(answer), fragment: answer.fragment, header });
    for (const raw of fresh) this.#o.seen(raw);
    if (fresh.length > 0) this.#o.events.changes(this.#o.items(fresh));
    if (!gap) return;
    this.#o.counters.gaps++;
    void this.#list(group, 'gap');
  }

  #watch(session: Session, group: Group): void {
    for (const part of group.parts) {
      part.watchId = ++this.#watches;
      this.#byWatch.set(part.watchId, { group, part });
      session.watch(part.watchId, part.prefix, part.cursor.resume);
    }
    group.stands = true;
    this.#o.stood();
  }

  #unwatch(group: Group): void {
    group.stands = false;
    for (const part of group.parts) {
      if (part.watchId === 0) continue;
      this.#byWatch.delete(part.watchId);
      this.#session?.unwatch(part.watchId);
      part.watchId = 0;
    }
  }

  async #list(group: Group, why: ListReason): Promise<void> {
    const reason = group.due === 'restored' ? 'restored' : why;
    group.due = reason;
    const session = this.#session;
    if (session === null) return;
    this.#unwatch(group);
    const question = (group.question = ++this.#questions);
    this.#o.counters.relists[reason]++;
    try {
      const { lists, revision } = await session.list(group.parts.map(({ prefix }) => prefix));
      if (session !== this.#session || question !== group.question || this.#groups.get(group.vpc) !== group) return;
      const raw = lists.map((list) => list.map((kv) => rawOf(kv)));
      this.#listed(session, group, raw, revision, reason);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#o.failed(session, error.message);
    }
  }

  #listed(session: Session, group: Group, lists: readonly RawItem[][], revision: number, reason: ListReason): void {
    const { vpc, parts } = group;
    group.due = null;
    const older = parts.some(({ cursor }, i) => cursor.resume > 0 && cursor.isOlder(lists[i] ?? [], revision));
    for (const [i, { prefix, cursor }] of parts.entries()) {
      cursor.listed(lists[i] ?? [], revision);
      this.#o.listed(vpc, prefix, lists[i] ?? []);
    }
    this.#o.events.snapshot(vpc, this.#o.items(lists.flat()), revision, older ? 'restored' : reason);
    this.#watch(session, group);
  }
}

function newGroup(prefix: string, vpc: string): Group {
  const prefixes = vpc === '' ? [hostPrefix(prefix)] : [configPrefix(prefix, vpc), statePrefix(prefix, vpc)];
  return {
    vpc,
    question: 0,
    stands: false,
    due: null,
    parts: prefixes.map((of) => ({ prefix: of, cursor: new Cursor(), watchId: 0 })),
  };
}

export function rawOf({ key, value, mod_revision, version }: KeyValue): RawItem {
  return { key: key.toString(), text: value.toString(), revision: Number(mod_revision), version: Number(version) };
}

function eventsOf({ events }: WatchResponse): RawItem[] {
  return events.map(({ type, kv }) => (type === 1 ? { ...rawOf(kv), text: null, version: 0 } : rawOf(kv)));
}
