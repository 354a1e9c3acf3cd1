/**
 * The life of one connection: a read that every member must agree to, this host's lease and its heartbeat, and one stream for all watches.
 * It ends once, with the reason; what comes after is another session.
 *
 * The heartbeat is the lease's: gRPC's own pings may not come more often than each 5 s, and noticed a stopped member within 3 s in one of
 * three agents. 1.5 s and a deadline of 1 s find it within 2.5 s for 77 us of etcd's time each.
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { StoreError, type Connection } from './connection.ts';
import { DEADLINE_MS, listAll, type Listing, within } from './listing.ts';
import { LEASE_GRANT, LEASE_KEEP_ALIVE, RANGE, WATCH, type Header, type WatchRequest, type WatchResponse } from './wire.ts';

const BEAT_MS = 1500;
const BEAT_DEADLINE_MS = 1000;
const FAILED_PRECONDITION = 9;

export interface SessionEvents {
  watched(answer: WatchResponse): void;
  /** The lease had ended, and is there again without what hung on it. */
  leaseRenewed(): void;
  ended(why: string): void;
}

export interface Lease {
  readonly id: number;
  readonly seconds: number;
}

export class Session {
  readonly connection: Connection;
  readonly #lease: Lease;
  readonly #events: SessionEvents;
  #watches: ClientDuplexStream<WatchRequest, WatchResponse> | null = null;
  #beats: ClientDuplexStream<{ ID: number }, { TTL: string }> | null = null;
  #beat: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(connection: Connection, lease: Lease, events: SessionEvents) {
    this.connection = connection;
    this.#lease = lease;
    this.#events = events;
  }

  /** The store as of now, agreed on by its members: a member that lags or stands alone does not answer this. Throws StoreError. */
  async open(prefix: string): Promise<Header> {
    const { header } = await this.connection.call(RANGE, { ...within(prefix), count_only: true }, DEADLINE_MS);
    await this.#grant();
    if (this.#ended) throw new StoreError(1, 'closed meanwhile');
    this.#beats = this.connection.stream(LEASE_KEEP_ALIVE);
    this.#beats.on('data', ({ TTL }: { TTL: string }) => this.#beaten(Number(TTL)));
    this.#beats.on('error', (error: ServiceError) => this.#end(error.details));
    this.#beats.on('end', () => this.#end('the heartbeat ended'));
    this.#watches = this.connection.stream(WATCH);
    this.#watches.on('data', (answer: WatchResponse) => this.#events.watched(answer));
    this.#watches.on('error', (error: ServiceError) => this.#end(error.details));
    this.#watches.on('end', () => this.#end('the watches ended'));
    this.#askBeat();
    return header;
  }

  /** From this revision on; answers come by `id`. */
  watch(id: number, prefix: string, revision: number): void {
    this.#watches?.write({ create_request: { ...within(prefix), start_revision: revision, watch_id: id, fragment: true } });
  }

  unwatch(id: number): void {
    this.#watches?.write({ cancel_request: { watch_id: id } });
  }

  /** All there is under these prefixes, at one revision. Throws StoreError. */
  list(prefixes: readonly string[]): Promise<Listing> {
    return listAll(this.connection, prefixes);
  }

  close(): void {
    this.#ended = true;
    if (this.#beat !== null) clearTimeout(this.#beat);
    for (const stream of [this.#beats, this.#watches]) stream?.cancel();
    this.connection.close();
  }

  async #grant(): Promise<void> {
    try {
      await this.connection.call(LEASE_GRANT, { TTL: this.#lease.seconds, ID: this.#lease.id }, DEADLINE_MS);
    } catch (error) {
      // "lease already exists": of this host's life before.
      if (!(error instanceof StoreError) || error.code !== FAILED_PRECONDITION) throw error;
    }
  }

  #askBeat(): void {
    if (this.#ended) return;
    this.#beats?.write({ ID: this.#lease.id });
    this.#beat = setTimeout(() => this.#end(`no heartbeat for ${BEAT_DEADLINE_MS} ms`), BEAT_DEADLINE_MS);
  }

  #beaten(secondsLeft: number): void {
    if (this.#ended) return;
    if (this.#beat !== null) clearTimeout(this.#beat);
    this.#beat = setTimeout(() => this.#askBeat(), BEAT_MS);
    if (secondsLeft > 0) return;
    void this.#grant().then(
      () => this.#events.leaseRenewed(),
      (error: unknown) => this.#end(String(error)),
    );
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.close();
    this.#events.ended(why);
  }
}
