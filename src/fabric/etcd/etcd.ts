/**
 * Driver `etcd`: the fabric over etcd's API version 3. One connection at a time, to the members in turn, from a place that the host's id
 * chooses, so that hosts spread (session.ts); a list and then watches for each VPC (follower.ts); one transaction for a batch.
 */
import { createHash } from 'node:crypto';
import { newCounters, type Fabric, type FabricEvents, type Outcome, type Proposal } from '../fabric.ts';
import { hostPrefix, keyText, readItem, type RawItem } from '../keys.ts';
import { Publisher, type Publication } from '../publisher.ts';
import type { HostRecord, Item, PortRecord, Sign } from '../records.ts';
import { Connection, StoreError, type Access } from './connection.ts';
import { Follower } from './follower.ts';
import { DEADLINE_MS } from './listing.ts';
import { Session, type Lease } from './session.ts';
import { publicationOf, transactionOf } from './transaction.ts';
import { STATUS, TXN } from './wire.ts';

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MOST_MS = 2000;
/** A connection that is replaced within this time was not away. */
const AWAY_MS = 1000;
const STATUS_MS = 60_000;
const NOTES_MOST = 1000;

export interface EtcdOptions extends Access {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly host: string;
  readonly leaseSeconds: number;
  readonly random: () => number;
  /** For people: a value that cannot be read, a write that is refused; each once. */
  readonly note: (message: string) => void;
}

export class EtcdFabric implements Fabric {
  readonly name = 'etcd';
  readonly counters = newCounters();
  readonly #o: EtcdOptions;
  readonly #lease: Lease;
  readonly #place: number;
  readonly #publisher = new Publisher();
  readonly #follower: Follower;
  readonly #noted = new Set<string>();
  readonly #timers = new Map<'connect' | 'away' | 'status' | 'publish', NodeJS.Timeout>();
  #events: FabricEvents | null = null;
  /** The present one, perhaps not open yet. */
  #session: Session | null = null;
  #open = false;
  #tries = 0;
  /** Since all stood last. */
  #failures = 0;
  #synced = false;
  /** What was told of the present time without the store. */
  #away: string | null = null;
  #publishing = false;
  #closed = false;

  constructor(options: EtcdOptions) {
    this.#o = options;
    const { prefix, host, leaseSeconds } = options;
    const hash = createHash('sha256').update(`${prefix}\0${host}`).digest();
    // 52 bits: exact as a number, and the same after a restart or a new installation.
    this.#lease = { id: Number(hash.readBigUInt64BE() >> 12n) || 1, seconds: leaseSeconds };
    this.#place = hash.readUInt32BE(8);
    this.#follower = new Follower({
      prefix,
      counters: this.counters,
      items: (raw) => this.#items(raw),
      events: {
        snapshot: (...told) => this.#events?.snapshot(...told),
        changes: (items) => this.#events?.changes(items),
      },
      listed: (vpc, under, items) => {
        this.#publisher.listed(under, keyText(prefix, { kind: 'port', vpc, id: '', host }), items);
        void this.#publish();
      },
      seen: (raw) => {
        this.#publisher.seen(raw);
        if (this.#publisher.next() !== null) void this.#publish();
      },
      stood: () => this.#checkSynced(),
      failed: (session, why) => this.#lost(session, why),
    });
  }

  /** The member that is, or would be, spoken to. */
  get endpoint(): string {
    const { endpoints } = this.#o;
    return endpoints[(this.#place + this.#tries) % endpoints.length] ?? '';
  }

  /** Connections that were lost or not made. */
  get tries(): number {
    return this.#tries;
  }

  start(events: FabricEvents): void {
    this.#events = events;
    void this.#connect();
  }

  follow(vpcs: readonly string[]): void {
    this.#follower.follow(vpcs);
  }

  relist(vpc: string): void {
    this.#follower.relist(vpc);
  }

  propose(batch: readonly Proposal[]): void {
    void this.#propose(batch);
  }

  publishPort(vpc: string, name: string, record: PortRecord | null): void {
    const { prefix, host } = this.#o;
    this.#want({
      key: keyText(prefix, { kind: 'port', vpc, id: name, host }),
      text: textOf(record),
      leased: false,
      instance: record?.instance ?? null,
    });
  }

  publishSign(vpc: string, instance: string, sign: Sign | null): void {
    this.#want({
      key: keyText(this.#o.prefix, { kind: 'sign', vpc, id: instance }),
      text: textOf(sign),
      leased: true,
      instance: null,
      once: true,
    });
  }

  publishHost(record: HostRecord): void {
    const { prefix, host } = this.#o;
    this.#want({ key: keyText(prefix, { kind: 'host', vpc: '', id: host }), text: textOf(record), leased: true, instance: null });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#session?.close();
    this.#session = null;
    await Promise.resolve();
  }

  async #connect(): Promise<void> {
    const session: Session = new Session(new Connection(this.endpoint, this.#o), this.#lease, {
      watched: (answer) => this.#follower.watched(session, answer),
      leaseRenewed: () => {
        this.#publisher.leaseLost();
        void this.#publish();
      },
      ended: (why) => this.#lost(session, why),
    });
    this.#session = session;
    try {
      const header = await session.open(hostPrefix(this.#o.prefix));
      if (session !== this.#session) return;
      this.#open = true;
      this.#follower.opened(session, header);
    } catch (error) {
      return this.#lost(session, messageOf(error));
    }
    this.#checkSynced();
    void this.#publish();
    void this.#askStatus(session);
  }

  #checkSynced(): void {
    if (!this.#follower.stands) return;
    clearTimeout(this.#timers.get('away'));
    this.#failures = 0;
    if (this.#synced) return;
    this.#synced = true;
    this.#away = null;
    this.#events?.state('synced', this.endpoint);
  }

  #lost(session: Session, why: string): void {
    if (session !== this.#session || this.#closed) return;
    session.close();
    this.#session = null;
    this.#open = false;
    this.#follower.closed();
    this.#tries++;
    const backoffMs = Math.min(BACKOFF_FIRST_MS * 2 ** this.#failures++, BACKOFF_MOST_MS);
    this.#after('connect', backoffMs * (0.5 + 0.5 * this.#o.random()), () => void this.#connect());
    if (this.#synced) {
      if (this.#failures === 1) this.#after('away', AWAY_MS, () => this.#tellAway(why));
    } else this.#tellAway(why);
  }

  /** Once for each reason, until all stands again. */
  #tellAway(why: string): void {
    if (!this.#synced && this.#away === why) return;
    this.#synced = false;
    this.#away = why;
    this.#events?.state('away', why);
  }

  async #propose(batch: readonly Proposal[]): Promise<void> {
    const outcome = await this.#transact(batch);
    this.counters.transactions[outcome.result]++;
    if (this.#closed) return;
    this.#events?.outcome(
      batch.map(({ id }) => id),
      outcome,
    );
  }

  async #transact(batch: readonly Proposal[]): Promise<Outcome> {
    const session = this.#session;
    if (session === null || !this.#open) return { result: 'unknown', why: 'not connected' };
    try {
      const ports = this.#publisher.portsOf(new Set(batch.map(({ binding }) => binding.instance)));
      const answer = await session.connection.call(TXN, transactionOf(this.#o.prefix, batch, ports), DEADLINE_MS);
      if (answer.succeeded) for (const port of ports) this.#publisher.wrote(port);
      return answer.succeeded ? { result: 'committed', revision: Number(answer.header.revision) } : { result: 'beaten' };
    } catch (error) {
      const why = messageOf(error);
      if (error instanceof StoreError && error.isRefusal) this.#note(`the store refuses a claim: ${why}`);
      return { result: 'unknown', why };
    }
  }

  #want(publication: Publication): void {
    this.#publisher.want(publication);
    void this.#publish();
  }

  /** One after another, as long as any is due; what fails stays due. */
  async #publish(): Promise<void> {
    const session = this.#session;
    if (session === null || !this.#open || this.#publishing) return;
    this.#publishing = true;
    try {
      for (let due = this.#publisher.next(); due !== null && session === this.#session; due = this.#publisher.next()) {
        await session.connection.call(TXN, publicationOf(due, this.#lease.id), DEADLINE_MS);
        this.#publisher.wrote(due);
      }
    } catch (error) {
      this.#note(`the store does not take what this host publishes: ${messageOf(error)}`);
      this.#after('publish', BACKOFF_MOST_MS, () => void this.#publish());
      return;
    } finally {
      this.#publishing = false;
    }
    if (session !== this.#session) void this.#publish();
  }

  async #askStatus(session: Session): Promise<void> {
    try {
      const { dbSize } = await session.connection.call(STATUS, {}, DEADLINE_MS);
      this.counters.dbBytes = Number(dbSize);
    } catch {
      // The heartbeat judges the connection; a size that is not known is said to be unknown.
      this.counters.dbBytes = null;
    }
    if (session === this.#session) this.#after('status', STATUS_MS, () => void this.#askStatus(session));
  }

  #items(raw: readonly RawItem[]): Item[] {
    return raw.flatMap((one) => {
      const bad = (key: string, why: string): void => {
        this.counters.badValues++;
        this.#note(`${key} in the store is ignored: ${why}`);
      };
      return readItem(this.#o.prefix, one, bad) ?? [];
    });
  }

  #note(message: string): void {
    if (this.#noted.has(message) || this.#noted.size >= NOTES_MOST) return;
    this.#noted.add(message);
    this.#o.note(message);
  }

  #after(name: 'connect' | 'away' | 'status' | 'publish', ms: number, act: () => void): void {
    clearTimeout(this.#timers.get(name));
    if (!this.#closed) this.#timers.set(name, setTimeout(act, ms));
  }
}

function textOf(record: object | null): string | null {
  return record === null ? null : JSON.stringify(record);
}

function messageOf(error: unknown): string {
  return error instanceof StoreError ? `${error.message} (gRPC status ${error.code})` : String(error);
}
