/**
 * The hosts whose agents are there, and whether this one is who it says it is: two hosts of one id would undo each other's bindings, so the
 * one that started later does not write. Main thread.
 */
import type { Log } from '../base/log.ts';
import type { Fabric } from '../fabric/fabric.ts';
import type { HostRecord, Item } from '../fabric/records.ts';
import type { Ways } from '../vswitch/ways.ts';

/** Hosts are followed under this name. */
export const HOSTS = '';

/** What an earlier life of this host left is found once and overwritten; a twin writes it again. */
const SUSPECTS = 3;
const AGAIN_MS = 1000;

export interface HostRecordsOptions {
  readonly host: string;
  readonly record: HostRecord;
  readonly fabric: Pick<Fabric, 'publishHost'>;
  readonly log: Log;
  readonly later: (ms: number, act: () => void) => () => void;
  /** Told where other hosts' machines are. */
  readonly ways?: Ways;
}

export class HostRecords {
  readonly #o: HostRecordsOptions;
  readonly #hosts = new Map<string, HostRecord>();
  #suspects = 0;
  #revision = 0;
  /** Another host has this one's id, and had it first. */
  isSecond = false;

  constructor(options: HostRecordsOptions) {
    this.#o = options;
  }

  /** Hosts whose agent is there, and the last revision that the store told of. */
  get known(): { readonly hosts: number; readonly revision: number } {
    return { hosts: this.#hosts.size, revision: this.#revision };
  }

  /** By id, this one included. */
  get all(): ReadonlyMap<string, HostRecord> {
    return this.#hosts;
  }

  /** All there is of a VPC, or of hosts. */
  listed(vpc: string, items: readonly Item[], revision: number): void {
    // A restored store is behind what it was.
    this.#revision = revision;
    if (vpc === HOSTS) this.#hosts.clear();
    else this.#o.ways?.forget(vpc);
    for (const item of items) this.note(item);
  }

  note(item: Item): void {
    this.#revision = Math.max(this.#revision, item.revision);
    if (item.kind === 'port') this.#o.ways?.note(item.vpc, item.host ?? '', item.id, item.value);
    if (item.kind !== 'host') return;
    if (item.value === null) this.#hosts.delete(item.id);
    else this.#hosts.set(item.id, item.value);
    if (item.id === this.#o.host && item.value !== null) this.#noteOwn(item.value);
  }

  #noteOwn({ bootId, startedMs }: HostRecord): void {
    const { host, record, fabric, log, later } = this.#o;
    if (bootId === record.bootId || this.isSecond) return;
    if (startedMs >= record.startedMs) return fabric.publishHost(record);
    later(AGAIN_MS, () => fabric.publishHost(record));
    if (++this.#suspects < SUSPECTS) return;
    this.isSecond = true;
    log.error({ host, bootId }, 'another host has this host id: this one writes nothing to the store');
  }
}
