/**
 * `GET /api/v1/stream`: events and HAVIPs as they change, as server-sent events (WHATWG HTML, 9.2). Main thread.
 *
 *     event: event    an event of the list at /api/v1/events, with its number as id
 *     event: havip    a HAVIP of /api/v1/havips as it is now, some moments after its last event
 *     event: reset    what happened before is not known here: read the lists again
 *     event: cut      the reader did not keep up; it is disconnected, and may come again
 *
 * An id is `BOOT-NUMBER`: a browser that comes back says the last one it had (Last-Event-ID) and gets what it missed, if the agent still has
 * it. Nobody waits for a reader: what it does not take is kept up to a bound, and then it is cut.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventView, HavipView } from './types.ts';

/** A page that is open twice on each of some screens; more would be a cost for nobody's good. */
const MOST = 16;
const HEARTBEAT_MS = 15_000;
/** What waits for a reader, in characters. */
const WAITING_MOST = 256 * 1024;
/** A failover is some events in a row: its HAVIP is sent once after them. */
const GATHER_MS = 50;
const RETRY_MS = 2000;

export interface StreamSource {
  /** Oldest first. */
  events(): readonly EventView[];
  havip(id: string): HavipView | null;
  /** Calls back with each event, after the turn that made it; returns what ends that. */
  onEvent(listener: (event: EventView) => void): () => void;
}

/** What a reader is sent, for as long as it stays. */
export interface Feed extends AsyncIterable<string> {
  /** The reader is gone, whatever it was about to be sent. */
  leave(): void;
  /** Called when no more will come. */
  onEnd: () => void;
}

/** All who read. */
export class Streams {
  readonly boot = randomUUID().slice(0, 8);
  readonly #source: StreamSource;
  readonly #readers = new Set<Reader>();
  readonly #changed = new Set<string>();
  #gather: NodeJS.Timeout | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #unlisten: (() => void) | null = null;

  constructor(source: StreamSource) {
    this.#source = source;
  }

  /** What a new reader is sent; null: there are too many. @param lastId of the event that it had last */
  open(lastId: string | null): Feed | null {
    if (this.#readers.size >= MOST) return null;
    const reader = new Reader(() => this.#close(reader));
    this.#readers.add(reader);
    if (this.#readers.size === 1) this.#start();
    reader.push(`retry: ${RETRY_MS}\n\n`);
    for (const text of this.#missedSince(lastId)) reader.push(text);
    return reader;
  }

  #start(): void {
    this.#unlisten = this.#source.onEvent((event) => this.#tell(event));
    this.#heartbeat = setInterval(() => this.#send(': \n\n'), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  #close(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#unlisten?.();
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    if (this.#gather !== null) clearTimeout(this.#gather);
    this.#gather = null;
    this.#changed.clear();
  }

  *#missedSince(lastId: string | null): Generator<string> {
    const events = this.#source.events();
    const [, boot, number] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(lastId ?? '') ?? [];
    const last = Number(number);
    const first = events[0]?.seq ?? 1;
    const isKnown = boot === this.boot && last + 1 >= first && last <= (events.at(-1)?.seq ?? 0);
    if (!isKnown) yield this.#message('reset', { boot: this.boot }, events.at(-1)?.seq ?? 0);
    else for (const event of events) if (event.seq > last) yield this.#message('event', event, event.seq);
  }

  #tell(event: EventView): void {
    this.#send(this.#message('event', event, event.seq));
    this.#changed.add(event.havip);
    this.#gather ??= setTimeout(() => void this.#tellChanged(), GATHER_MS);
  }

  async #tellChanged(): Promise<void> {
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#gather = null;
    for (const id of changed) {
      this.#send(this.#message('havip', this.#source.havip(id) ?? { id, state: 'released' }, null));
      await nextTurn();
    }
  }

  #message(kind: string, data: unknown, seq: number | null): string {
    return `${seq === null ? '' : `id: ${this.boot}-${seq}\n`}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #send(text: string): void {
    for (const reader of this.#readers) reader.push(text);
  }
}

/** One who reads: what waits for him, handed over as he takes it. */
class Reader implements Feed {
  onEnd: () => void = () => {};
  readonly #forget: () => void;
  #waiting = '';
  #wake: (() => void) | null = null;
  #ended = false;

  constructor(forget: () => void) {
    this.#forget = forget;
  }

  push(text: string): void {
    if (this.#ended) return;
    if (this.#waiting.length + text.length > WAITING_MOST) {
      this.#waiting = 'event: cut\ndata: {}\n\n';
      this.#end();
    } else this.#waiting += text;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    try {
      for (;;) {
        const text = this.#waiting;
        this.#waiting = '';
        if (text !== '') yield text;
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#end();
    }
  }

  leave(): void {
    this.#waiting = '';
    this.#end();
    this.#wake?.();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forget();
    this.onEnd();
  }
}
