/**
 * Driver `memory`: the fabric of one host over the model store, for simulations and tests. It keeps the rules of the etcd driver (list,
 * watch, resume, heartbeat, one attempt per proposal), with the same cursor, keys and shapes; faults are in its wire.
 */
import { Cursor, type WatchAnswer } from '../cursor.ts';
import {
  newCounters,
  type Fabric,
  type FabricEvents,
  type FabricState,
  type ListReason,
  type Outcome,
  type Proposal,
} from '../fabric.ts';
import { configPrefix, keyText, readItem, statePrefix, type RawItem } from '../keys.ts';
import type { HostRecord, Item, PortRecord, Sign } from '../records.ts';
import { Publisher, type Publication } from '../publisher.ts';
import type { MemoryStore } from './store.ts';
import type { Wire } from './wire.ts';

const PREFIX = '/havip/v1';
const HEARTBEAT_MS = 1000;
const HEARTBEAT_DEADLINE_MS = 1000;
const EVENTS_PER_ANSWER = 3;

interface Watch {
  readonly prefix: string;
  readonly cursor: Cursor;
  /** Where the store's side stands. */
  next: number;
  open: boolean;
}

export interface MemoryFabricOptions {
  readonly host: string;
  readonly store: MemoryStore;
  readonly wire: Wire;
  /** Set by tests that want a wrong one. */
  readonly cursor?: () => Cursor;
}

export class MemoryFabric implements Fabric {
  readonly name = 'memory';
  readonly counters = newCounters();
  readonly #o: MemoryFabricOptions;
  readonly #watches = new Map<string, Watch[]>();
  #events: FabricEvents | null = null;
  #state: FabricState = 'away';
  #cluster = 0;
  /** Of the present connection; what belongs to an earlier one is not listened to. */
  #session = 0;
  #questions = 0;
  readonly #listing = new Map<string, number>();
  /** Lists that have not come yet, whatever became of the session that asked for them. */
  readonly #due = new Map<string, ListReason>();
  #unlisten: () => void = () => {};
  readonly #publisher = new Publisher();
  #writing = false;
  #closed = false;

  constructor(options: MemoryFabricOptions) {
    this.#o = options;
  }

  start(events: FabricEvents): void {
    this.#events = events;
    this.#connect();
  }

  follow(vpcs: readonly string[]): void {
    for (const vpc of this.#watches.keys()) if (!vpcs.includes(vpc)) this.#watches.delete(vpc);
    for (const vpc of vpcs) {
      if (this.#watches.has(vpc)) continue;
      const watches = [configPrefix(PREFIX, vpc), statePrefix(PREFIX, vpc)].map((prefix) => ({
        prefix,
        cursor: this.#o.cursor?.() ?? new Cursor(),
        next: 0,
        open: false,
      }));
      this.#watches.set(vpc, watches);
      if (this.#state === 'synced') this.#list(vpc, 'start');
    }
  }

  relist(vpc: string): void {
    this.#list(vpc, 'asked');
  }

  propose(batch: readonly Proposal[]): void {
    const { store, wire } = this.#o;
    const ids = batch.map(({ id }) => id);
    const compares = batch.flatMap(({ vpc, havip, based, ruledBy }) => [
      { key: keyText(PREFIX, { kind: 'binding', vpc, id: havip }), revision: based },
      ...(ruledBy === 0 ? [] : [{ key: keyText(PREFIX, { kind: 'havip', vpc, id: havip }), revision: ruledBy }]),
    ]);
    const ports = this.#publisher.portsOf(new Set(batch.map(({ binding }) => binding.instance)));
    const bindings = batch.map(({ vpc, havip, binding }) => ({
      key: keyText(PREFIX, { kind: 'binding', vpc, id: havip }),
      text: JSON.stringify(binding),
    }));
    wire.request<Outcome>(
      () => {
        if (!store.up) return null;
        const revision = store.transact(compares, [...bindings, ...ports.map(({ key, text }) => ({ key, text: text ?? '' }))]);
        return revision === null ? { result: 'beaten' } : { result: 'committed', revision };
      },
      (answer) => {
        const outcome: Outcome = answer ?? { result: 'unknown', why: 'no answer within the deadline' };
        this.counters.transactions[outcome.result]++;
        if (outcome.result === 'committed') for (const port of ports) this.#publisher.wrote(port);
        if (!this.#closed) this.#events?.outcome(ids, outcome);
      },
    );
  }

  publishPort(vpc: string, name: string, record: PortRecord | null): void {
    const key = keyText(PREFIX, { kind: 'port', vpc, id: name, host: this.#o.host });
    this.#write({
      key,
      text: record === null ? null : JSON.stringify(record),
      leased: false,
      instance: record?.instance ?? null,
    });
  }

  publishSign(vpc: string, instance: string, sign: Sign): void {
    const key = keyText(PREFIX, { kind: 'sign', vpc, id: instance });
    this.#write({ key, text: JSON.stringify(sign), leased: true, instance: null });
  }

  publishHost(record: HostRecord): void {
    const key = keyText(PREFIX, { kind: 'host', vpc: '', id: this.#o.host });
    this.#write({ key, text: JSON.stringify(record), leased: true, instance: null });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#session++;
    this.#unlisten();
    await Promise.resolve();
  }

  /** The store, or what is between, ends the watches; what is under way is lost. */
  cutWatches(): void {
    if (this.#state === 'synced') this.#lost('the watch ended');
  }

  #write(publication: Publication): void {
    this.#publisher.want(publication);
    this.#flush();
  }

  /** One after another, as long as any is due. */
  #flush(): void {
    const { store, wire, host } = this.#o;
    const due = this.#publisher.next();
    if (due === null || this.#writing || this.#state !== 'synced') return;
    const { key, text, leased } = due;
    const session = this.#session;
    this.#writing = true;
    wire.request(
      () => {
        if (!store.up) return null;
        return store.transact(
          [],
          text === null ? [] : [{ key, text, ...(leased && { lease: host }) }],
          text === null ? [key] : [],
        );
      },
      (answer) => {
        this.#writing = false;
        if (answer !== null && session === this.#session) this.#publisher.wrote(due);
        if (!this.#closed) this.#flush();
      },
    );
  }

  #connect(): void {
    if (this.#closed) return;
    const { store, wire } = this.#o;
    const session = ++this.#session;
    wire.request(
      () => (store.up ? store.cluster : null),
      (cluster) => {
        if (session !== this.#session) return;
        if (cluster === null) return this.#lost('no answer');
        this.#beat(session);
        this.#unlisten = store.listen(() => this.#pump(session));
        this.#resume(cluster);
      },
    );
  }

  /** Watches first; whoever has no place to go on from lists. */
  #resume(cluster: number): void {
    const restored = this.#cluster !== 0 && this.#cluster !== cluster;
    this.#cluster = cluster;
    this.#state = 'synced';
    const session = this.#session;
    for (const [vpc, watches] of this.#watches) {
      const due = restored ? 'restored' : this.#due.get(vpc);
      if (due !== undefined) this.#list(vpc, due);
      else if (watches.some(({ cursor }) => cursor.resume === 0)) this.#list(vpc, 'start');
      else this.#watch(watches);
    }
    if (session !== this.#session) return;
    this.#events?.state('synced', 'connected');
    this.#pump(this.#session);
    this.#flush();
  }

  #watch(watches: readonly Watch[]): void {
    for (const watch of watches) {
      watch.next = watch.cursor.resume;
      watch.open = true;
    }
  }

  #lost(why: string): void {
    this.#unlisten();
    const was = this.#state;
    this.#state = 'away';
    const session = ++this.#session;
    for (const watches of this.#watches.values()) for (const watch of watches) watch.open = false;
    if (was === 'synced') this.#events?.state('away', why);
    const { scheduler, random } = this.#o.wire;
    scheduler.after(50 + random() * 400, () => {
      if (session === this.#session) this.#connect();
    });
  }

  /** What cannot be delivered ends the connection, as a stream's timeout does. */
  #reset(session: number): void {
    this.#o.wire.scheduler.after(500, () => {
      if (session === this.#session) this.#lost('connection reset');
    });
  }

  #beat(session: number): void {
    const { store, wire } = this.#o;
    wire.request(
      () => (store.up ? store.cluster : null),
      (cluster) => {
        if (session !== this.#session) return;
        if (cluster === null || cluster !== this.#cluster) return this.#lost('no heartbeat');
        wire.scheduler.after(HEARTBEAT_MS + HEARTBEAT_DEADLINE_MS * wire.random(), () => {
          if (session === this.#session) this.#beat(session);
        });
      },
    );
  }

  #list(vpc: string, why: ListReason): void {
    const { store, wire } = this.#o;
    const watches = this.#watches.get(vpc);
    if (watches === undefined) return;
    const session = this.#session;
    for (const watch of watches) watch.open = false;
    // An answer to an earlier question may come after this one's, and would look like a restore.
    const reason = this.#due.get(vpc) === 'restored' ? 'restored' : why;
    this.#due.set(vpc, reason);
    const question = ++this.#questions;
    this.#listing.set(vpc, question);
    this.counters.relists[reason]++;
    wire.request(
      () => (store.up ? { lists: watches.map(({ prefix }) => store.range(prefix)), revision: store.revision } : null),
      (answer) => {
        if (session !== this.#session || this.#watches.get(vpc) !== watches || this.#listing.get(vpc) !== question) return;
        if (answer === null) return this.#lost('no list');
        this.#due.delete(vpc);
        const { lists, revision } = answer;
        const older = watches.some(({ cursor }, i) => cursor.resume > 0 && cursor.isOlder(lists[i] ?? [], revision));
        for (const [i, { cursor }] of watches.entries()) cursor.listed(lists[i] ?? [], revision);
        this.#watch(watches);
        const own = keyText(PREFIX, { kind: 'port', vpc, id: '', host: this.#o.host });
        for (const [i, { prefix }] of watches.entries()) this.#publisher.listed(prefix, own, lists[i] ?? []);
        this.#events?.snapshot(vpc, this.#items(lists.flat()), revision, older ? 'restored' : reason);
        this.#flush();
        this.#pump(session);
      },
    );
  }

  /** The store's side of the watches: sends what is new, in pieces. */
  #pump(session: number): void {
    const { store, wire } = this.#o;
    if (session !== this.#session || !store.up) return;
    for (const [vpc, watches] of this.#watches) {
      for (const watch of watches) {
        while (watch.open && watch.next <= store.revision) {
          const found = store.events(watch.prefix, watch.next, EVENTS_PER_ANSWER);
          if (found === null) {
            watch.open = false;
            wire.stream(() => {
              if (session === this.#session && !watch.open) this.#list(vpc, 'compacted');
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
    const { fresh, gap } = watch.cursor.take(answer);
    for (const raw of fresh) this.#publisher.seen(raw);
    for (const item of this.#items(fresh)) this.#events?.change(item);
    this.#flush();
    if (!gap) return;
    this.counters.gaps++;
    this.#list(vpc, 'gap');
  }

  #items(raw: readonly RawItem[]): Item[] {
    return raw.flatMap((one) => readItem(PREFIX, one, () => this.counters.badValues++) ?? []);
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
