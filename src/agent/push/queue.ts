/**
 * What one receiver has yet to hear: in order for each HAVIP, several HAVIPs at a time, each with a backoff of its own, so that one that is
 * refused keeps no other waiting. Of bounded length: the oldest goes, and is counted. Runs in the process that pushes (child.ts).
 */
import type { Counts, Delivery, PushLimits, Pushed } from './message.ts';

interface Item {
  readonly event: Pushed;
  readonly number: number;
  tries: number;
}

/** What waits of one HAVIP, the oldest first. */
interface Lane {
  readonly key: string;
  readonly items: Item[];
  failures: number;
  /** Its first item is under way, or waits for its next attempt. */
  busy: boolean;
  timer: NodeJS.Timeout | null;
}

export interface Receiver {
  /** Never rejects. */
  deliver(event: Pushed): Promise<Delivery>;
}

export class Queue {
  readonly counts: { -readonly [K in keyof Counts]: number } = { delivered: 0, retried: 0, dropped: 0, waiting: 0 };
  readonly #receiver: Receiver;
  readonly #limits: PushLimits;
  readonly #onChange: (why: string | null) => void;
  readonly #lanes = new Map<string, Lane>();
  readonly #ready: Lane[] = [];
  #underWay = 0;
  #number = 0;
  #closed = false;

  /** @param onChange called when the counts changed: with why an attempt failed, or null */
  constructor(receiver: Receiver, limits: PushLimits, onChange: (why: string | null) => void) {
    this.#receiver = receiver;
    this.#limits = limits;
    this.#onChange = onChange;
  }

  add(event: Pushed): void {
    if (this.counts.waiting >= this.#limits.waiting) this.#dropOldest();
    let lane = this.#lanes.get(event.key);
    if (lane === undefined) this.#lanes.set(event.key, (lane = newLane(event.key)));
    lane.items.push({ event, number: this.#number++, tries: 0 });
    this.counts.waiting++;
    if (lane.items.length === 1) this.#ready.push(lane);
    this.#pump();
  }

  /** What waits is not delivered any more. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#lanes.values()) if (timer !== null) clearTimeout(timer);
    this.counts.dropped += this.counts.waiting;
    this.counts.waiting = 0;
    this.#onChange(null);
  }

  #pump(): void {
    while (!this.#closed && this.#underWay < this.#limits.atOnce) {
      const lane = this.#ready.shift();
      if (lane === undefined) return;
      void this.#attempt(lane);
    }
  }

  async #attempt(lane: Lane): Promise<void> {
    const [item] = lane.items;
    if (item === undefined) return;
    lane.busy = true;
    this.#underWay++;
    const delivery = await this.#receiver.deliver(item.event);
    this.#underWay--;
    lane.busy = false;
    if (this.#closed) return;
    if (delivery.outcome === 'failed') item.tries++;
    if (delivery.outcome === 'delivered') this.#leave(lane, 'delivered');
    else if (delivery.outcome === 'refused' || this.#isHopeless(item)) this.#leave(lane, 'dropped');
    else this.#again(lane);
    this.#onChange(delivery.why);
    this.#pump();
  }

  #isHopeless({ tries, event }: Item): boolean {
    return tries >= this.#limits.tries || Date.now() - event.atMs > this.#limits.keepMs;
  }

  #leave(lane: Lane, how: 'delivered' | 'dropped'): void {
    lane.items.shift();
    lane.failures = 0;
    this.counts[how]++;
    this.counts.waiting--;
    if (lane.items.length > 0) this.#ready.push(lane);
    else this.#lanes.delete(lane.key);
  }

  /** In a while, up to half of it sooner: those of many HAVIPs shall not come all at once. */
  #again(lane: Lane): void {
    this.counts.retried++;
    const { firstMs, mostMs } = this.#limits.backoff;
    const waitMs = Math.min(mostMs, firstMs * 2 ** Math.min(lane.failures++, 20));
    lane.busy = true;
    lane.timer = setTimeout(
      () => {
        lane.timer = null;
        lane.busy = false;
        this.#ready.push(lane);
        this.#pump();
      },
      waitMs * (0.5 + Math.random() / 2),
    );
  }

  /** Not the first of a HAVIP that is being tried: it may have been heard already. */
  #dropOldest(): void {
    let oldest: { readonly lane: Lane; readonly at: number; readonly number: number } | null = null;
    for (const lane of this.#lanes.values()) {
      const at = lane.busy && lane.timer === null ? 1 : 0;
      const item = lane.items[at];
      if (item !== undefined && (oldest === null || item.number < oldest.number)) oldest = { lane, at, number: item.number };
    }
    if (oldest === null) return;
    const { lane, at } = oldest;
    lane.items.splice(at, 1);
    this.counts.waiting--;
    this.counts.dropped++;
    if (lane.items.length > 0) return;
    if (lane.timer !== null) clearTimeout(lane.timer);
    this.#lanes.delete(lane.key);
    const ready = this.#ready.indexOf(lane);
    if (ready >= 0) this.#ready.splice(ready, 1);
  }
}

function newLane(key: string): Lane {
  return { key, items: [], failures: 0, busy: false, timer: null };
}
