/** A fabric that is listened to on its way: the configuration in what it tells goes to one who puts it together, all of it on to the protocol. */
import type { Fabric, FabricCounters, FabricEvents, Proposal } from '../fabric/fabric.ts';
import type { HostRecord, Item, PortRecord, Sign } from '../fabric/records.ts';

export interface Listener {
  snapshot(vpc: string, items: readonly Item[]): void;
  change(item: Item): void;
}

export class Overheard implements Fabric {
  readonly #fabric: Fabric;
  readonly #listener: Listener;

  constructor(fabric: Fabric, listener: Listener) {
    this.#fabric = fabric;
    this.#listener = listener;
  }

  get name(): string {
    return this.#fabric.name;
  }

  get counters(): FabricCounters {
    return this.#fabric.counters;
  }

  start(events: FabricEvents): void {
    this.#fabric.start({
      ...events,
      snapshot: (vpc, items, revision, reason) => {
        if (vpc !== '') this.#listener.snapshot(vpc, items);
        events.snapshot(vpc, items, revision, reason);
      },
      changes: (items) => {
        for (const item of items) this.#listener.change(item);
        events.changes(items);
      },
    });
  }

  follow(vpcs: readonly string[]): void {
    this.#fabric.follow(vpcs);
  }

  relist(vpc: string): void {
    this.#fabric.relist(vpc);
  }

  propose(batch: readonly Proposal[]): void {
    this.#fabric.propose(batch);
  }

  publishPort(vpc: string, name: string, record: PortRecord | null): void {
    this.#fabric.publishPort(vpc, name, record);
  }

  publishSign(vpc: string, instance: string, sign: Sign | null): void {
    this.#fabric.publishSign(vpc, instance, sign);
  }

  publishHost(record: HostRecord): void {
    this.#fabric.publishHost(record);
  }

  close(): Promise<void> {
    return this.#fabric.close();
  }
}
