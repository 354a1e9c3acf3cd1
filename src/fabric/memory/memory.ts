/**
 * Driver `memory`: the fabric of one host over the model store, for simulations and tests. It keeps the rules of the etcd driver (list,
 * watch, resume, heartbeat, one attempt per proposal), with the same cursor, keys and shapes; faults are in its wire.
 */
import { Cursor } from '../cursor.ts';
import { newCounters, type Fabric, type FabricEvents, type FabricState, type Outcome, type Proposal } from '../fabric.ts';
import { keyText, readItem, type RawItem } from '../keys.ts';
import type { HostRecord, Item, PortRecord, Sign } from '../records.ts';
import { Publisher, type Publication } from '../publisher.ts';
import { ModelFollower } from './follower.ts';
import type { MemoryStore } from './store.ts';
import type { Wire } from './wire.ts';

const PREFIX = '/havip/v1';
const HEARTBEAT_MS = 1000;
const HEARTBEAT_DEADLINE_MS = 1000;

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
  readonly #follower: ModelFollower;
  #events: FabricEvents | null = null;
  #state: FabricState = 'away';
  #cluster = 0;
  /** Of the present connection; what belongs to an earlier one is not listened to. */
  #session = 0;
  #unlisten: () => void = () => {};
  readonly #publisher = new Publisher();
  #writing = false;
  #closed = false;

  constructor(options: MemoryFabricOptions) {
    this.#o = options;
    const { host, store, wire, cursor } = options;
    this.#follower = new ModelFollower({
      prefix: PREFIX,
      store,
      wire,
      counters: this.counters,
      events: {
        snapshot: (...told) => this.#events?.snapshot(...told),
        changes: (items) => this.#events?.changes(items),
      },
      items: (raw) => this.#items(raw),
      listed: (vpc, prefix, items) => {
        this.#publisher.listed(prefix, keyText(PREFIX, { kind: 'port', vpc, id: '', host }), items);
        this.#flush();
      },
      seen: (raw) => {
        for (const one of raw) this.#publisher.seen(one);
        this.#flush();
      },
      failed: (session, why) => {
        if (session === this.#session) this.#lost(why);
      },
      cursor: cursor ?? (() => new Cursor()),
    });
  }

  start(events: FabricEvents): void {
    this.#events = events;
    this.#connect();
  }

  follow(vpcs: readonly string[]): void {
    this.#follower.follow(vpcs);
  }

  relist(vpc: string): void {
    this.#follower.list(vpc, 'asked');
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

  publishSign(vpc: string, instance: string, sign: Sign | null): void {
    const key = keyText(PREFIX, { kind: 'sign', vpc, id: instance });
    this.#write({ key, text: sign === null ? null : JSON.stringify(sign), leased: true, instance: null, once: true });
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
        this.#unlisten = store.listen(() => this.#follower.pump(session));
        this.#resume(cluster);
      },
    );
  }

  #resume(cluster: number): void {
    const restored = this.#cluster !== 0 && this.#cluster !== cluster;
    this.#cluster = cluster;
    this.#state = 'synced';
    const session = this.#session;
    this.#follower.opened(session, restored);
    if (session !== this.#session) return;
    this.#events?.state('synced', 'connected');
    this.#follower.pump(session);
    this.#flush();
  }

  #lost(why: string): void {
    this.#unlisten();
    const was = this.#state;
    this.#state = 'away';
    const session = ++this.#session;
    this.#follower.closed();
    if (was === 'synced') this.#events?.state('away', why);
    const { scheduler, random } = this.#o.wire;
    scheduler.after(50 + random() * 400, () => {
      if (session === this.#session) this.#connect();
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

  #items(raw: readonly RawItem[]): Item[] {
    return raw.flatMap((one) => readItem(PREFIX, one, () => this.counters.badValues++) ?? []);
  }
}
