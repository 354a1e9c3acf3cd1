/** A host as far as the store sees it: everything it was told, and whether anything is missing. */
import { EtcdFabric, type EtcdOptions } from '../../src/fabric/etcd/etcd.ts';
import type { FabricState, ListReason, Outcome, Proposal } from '../../src/fabric/fabric.ts';
import type { BindingRecord, Item } from '../../src/fabric/records.ts';
import { until } from '../../native-fixtures/lab/until.ts';

export const PREFIX = '/havip/v1';
export const VPC = 'vpc-1';

export class Watcher {
  readonly fabric: EtcdFabric;
  readonly host: string;
  readonly items = new Map<string, Item>();
  readonly snapshots: { vpc: string; reason: ListReason; revision: number; items: number }[] = [];
  readonly states: { state: FabricState; why: string; atMs: number }[] = [];
  readonly notes: string[] = [];
  readonly outcomes = new Map<string, Outcome>();
  /** Versions of a key that did not follow the one before. */
  readonly missed: string[] = [];
  changes = 0;
  #count = 0;

  constructor(host: string, endpoints: readonly string[], more: Partial<EtcdOptions> = {}) {
    this.host = host;
    this.fabric = new EtcdFabric({
      endpoints,
      prefix: PREFIX,
      host,
      leaseSeconds: 30,
      random: Math.random,
      tls: null,
      user: null,
      password: () => null,
      note: (message) => this.notes.push(message),
      ...more,
    });
    this.fabric.start({
      snapshot: (vpc, items, revision, reason) => {
        this.snapshots.push({ vpc, reason, revision, items: items.length });
        for (const [key, { vpc: of }] of this.items) if (of === vpc) this.items.delete(key);
        for (const item of items) this.items.set(keyOf(item), item);
      },
      changes: (items) => {
        for (const item of items) this.#take(item);
      },
      outcome: (ids, outcome) => {
        for (const id of ids) this.outcomes.set(id, outcome);
      },
      state: (state, why) => this.states.push({ state, why, atMs: performance.now() }),
    });
    this.fabric.follow(['', VPC]);
  }

  #take(item: Item): void {
    this.changes++;
    const known = this.items.get(keyOf(item));
    if (item.value !== null && item.version !== (known?.version ?? 0) + 1)
      this.missed.push(`${keyOf(item)} ${known?.version} -> ${item.version}`);
    if (item.value === null) this.items.delete(keyOf(item));
    else this.items.set(keyOf(item), item);
  }

  get state(): FabricState {
    return this.states.at(-1)?.state ?? 'away';
  }

  async synced(limitMs = 15_000): Promise<void> {
    await until(`${this.host} synced (${this.notes.join('; ')})`, () => this.state === 'synced', limitMs);
  }

  binding(havip: string): (Item & { kind: 'binding' }) | null {
    const item = this.items.get(`binding ${VPC} ${havip} `);
    return item?.kind === 'binding' ? item : null;
  }

  proposal(havip: string, based: number, more: Partial<BindingRecord> = {}, ruledBy = 0): Proposal {
    const id = `${this.host}.${++this.#count}`;
    const nowMs = Date.now();
    const binding = {
      instance: `cvm-${this.host}`,
      host: this.host,
      mac: '02:00:00:00:00:01',
      vtep: null,
      sinceMs: nowMs,
      startMs: nowMs,
      cause: 'takeover',
      from: null,
      holdMs: 1000,
      ...more,
      id,
    };
    return { id, vpc: VPC, havip, based, ruledBy, binding };
  }

  /** Proposes and waits for the outcome. */
  async propose(...batch: Proposal[]): Promise<Outcome> {
    this.fabric.propose(batch);
    const last = batch.at(-1)!.id;
    return until('outcome', () => this.outcomes.get(last));
  }

  async close(): Promise<void> {
    await this.fabric.close();
  }
}

function keyOf({ kind, vpc, id, host = '' }: Item): string {
  return `${kind} ${vpc} ${id} ${host}`;
}
