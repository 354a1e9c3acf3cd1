/** Hosts, a store and a storm of claims, on a stepped clock; of each host that hears of it the real protocol runs. Pure but for its seed. */
import type { Claimed, Ruler } from '../src/fabric/claimed.ts';
import type { Proposal } from '../src/fabric/fabric.ts';
import { Peers } from '../src/fabric/peers.ts';
import type { BindingRecord, Item } from '../src/fabric/records.ts';
import { formatMac } from '../src/base/mac.ts';

export interface StormOptions {
  readonly hosts: number;
  readonly clusters: number;
  readonly claims: number;
  readonly seed: number;
}

const HOSTS_OF_A_VPC = 50;
const VPCS_OF_A_HOST = 20;
const STORM_MS = 1000;
const MEMBERS = 3;
/** Measured with etcd 3.4.23: CPU of a delivered event, and writes in a second. */
const DELIVERY_MS = 0.045;
const WRITE_MS = 1 / 1.8;
/** Measured, p50 and p99 in milliseconds: a claim's transaction; the way of an event to one watch; the commit of a remote holder. */
const TRANSACTION = [1.4, 11] as const;
const WATCH = [1.5, 10] as const;
const COMMIT = [0.5, 1.5] as const;

interface Delivery {
  readonly claim: number;
  readonly ms: number;
}

interface Node {
  readonly peers: Peers;
  readonly vpcs: Set<number>;
  /** Claims whose binding this host has programmed. */
  readonly stored: Set<string>;
}

/** Things to do in the order of their time; those of one time in the order in which they came. */
class Agenda {
  readonly #heap: { readonly atMs: number; readonly order: number; readonly act: () => void }[] = [];
  #count = 0;
  nowMs = 0;

  at(atMs: number, act: () => void): void {
    const heap = this.#heap;
    heap.push({ atMs, order: this.#count++, act });
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#before(child, parent)) break;
      [heap[child], heap[parent]] = [heap[parent]!, heap[child]!];
      child = parent;
    }
  }

  run(): void {
    for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
      this.nowMs = next.atMs;
      next.act();
    }
  }

  #pop() {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let parent = 0; ;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) if (child < heap.length && this.#before(child, least)) least = child;
      if (least === parent) return first;
      [heap[least], heap[parent]] = [heap[parent]!, heap[least]!];
      parent = least;
    }
  }

  #before(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a]!, this.#heap[b]!];
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
  }
}

export class Storm {
  readonly deliveries: Delivery[] = [];
  readonly #o: StormOptions;
  readonly #agenda = new Agenda();
  readonly #nodes = new Map<number, Node>();
  readonly #vpcs: number;
  /** By cluster: when its writer, and each member's deliverer, is free. */
  readonly #writerMs: number[];
  readonly #memberMs: number[];
  readonly #claimedMs: number[] = [];
  readonly #owners: { readonly vpc: number; readonly host: number }[] = [];
  #revision = 1;
  #state: number;

  constructor(options: StormOptions) {
    this.#o = options;
    this.#state = options.seed;
    this.#vpcs = Math.max(1, Math.round((options.hosts * VPCS_OF_A_HOST) / HOSTS_OF_A_VPC));
    this.#writerMs = Array.from({ length: options.clusters }, () => 0);
    this.#memberMs = Array.from({ length: options.clusters * MEMBERS }, () => 0);
  }

  /** Throws when a host does not end with the holder that the store has. */
  run(): void {
    for (let claim = 0; claim < this.#o.claims; claim++) {
      const vpc = Math.floor(this.#random() * this.#vpcs);
      this.#owners.push({ vpc, host: this.#hostsOf(vpc)[Math.floor(this.#random() * HOSTS_OF_A_VPC)]! });
    }
    for (const { vpc } of this.#owners) for (const host of this.#hostsOf(vpc)) this.#follow(host, vpc);
    for (const claim of this.#owners.keys()) this.#agenda.at(this.#random() * STORM_MS, () => this.#claim(claim));
    this.#agenda.run();
    for (const [claim, { vpc, host }] of this.#owners.entries())
      for (const other of this.#hostsOf(vpc))
        if (other !== host && !this.#nodes.get(other)!.stored.has(`havip-${claim}`))
          throw new Error(`scale-hosts: host ${other} never heard of claim ${claim}`);
  }

  /** By claim: until its last host had it. */
  lastMs(): number[] {
    const last = new Map<number, number>();
    for (const { claim, ms } of this.deliveries) last.set(claim, Math.max(ms, last.get(claim) ?? 0));
    return [...last.values()];
  }

  #hostsOf(vpc: number): number[] {
    const { hosts } = this.#o;
    // Spread over all hosts, each in as many VPCs as any other.
    const step = Math.max(1, Math.floor(hosts / HOSTS_OF_A_VPC));
    return Array.from({ length: HOSTS_OF_A_VPC }, (_, i) => (vpc + i * step) % hosts);
  }

  #follow(host: number, vpc: number): void {
    let node = this.#nodes.get(host);
    if (node === undefined) this.#nodes.set(host, (node = this.#newNode(host)));
    if (node.vpcs.has(vpc)) return;
    node.vpcs.add(vpc);
    // Whose MACs are where has been known for long.
    const ports = [...this.#owners.keys()]
      .filter((claim) => this.#owners[claim]!.vpc === vpc)
      .map((claim) => this.#portOf(claim));
    node.peers.snapshot(`vpc-${vpc}`, ports, 1, 'start', 0);
  }

  #portOf(claim: number): Item {
    const { vpc, host } = this.#owners[claim]!;
    const value = { instance: `cvm-${claim}`, subnet: 'subnet', mac: macOf(claim), addresses: [], vtep: null };
    return { kind: 'port', vpc: `vpc-${vpc}`, host: `host-${host}`, id: `tap${claim}`, value, revision: 1, version: 1 };
  }

  #newNode(host: number): Node {
    const stored = new Set<string>();
    const ruler: Ruler = {
      stillMoves: () => true,
      stored: (_vpc, havip) => this.#program(stored, havip),
      acknowledged: () => {},
      superseded: () => {},
      again: () => {},
      heldHere: () => null,
      refused: (_vpc, havip, _binding, why) => {
        throw new Error(`scale-hosts: ${havip} is not believed: ${why}`);
      },
    };
    const peers = new Peers({
      host: `host-${host}`,
      boot: `host-${host}`,
      vtep: null,
      ruler,
      directory: { havip: () => ({ subnet: 'subnet', members: null }) },
      fabric: { propose: (batch) => this.#propose(host, batch), relist: () => {} },
      random: () => this.#random(),
    });
    peers.stateChanged('synced', 0);
    return { peers, vpcs: new Set(), stored };
  }

  #program(stored: Set<string>, havip: string): void {
    const claim = Number(havip.slice('havip-'.length));
    const doneMs = this.#agenda.nowMs + this.#draw(COMMIT);
    stored.add(havip);
    this.deliveries.push({ claim, ms: doneMs - this.#claimedMs[claim]! });
  }

  #claim(claim: number): void {
    const { vpc, host } = this.#owners[claim]!;
    const { peers } = this.#nodes.get(host)!;
    const { nowMs } = this.#agenda;
    this.#claimedMs[claim] = nowMs;
    const when = { sinceMs: nowMs, startMs: nowMs, startNs: nowMs * 1e6, streakNs: nowMs * 1e6 };
    const claimed: Claimed = {
      vpc: `vpc-${vpc}`,
      havip: `havip-${claim}`,
      instance: `cvm-${claim}`,
      mac: macOf(claim),
      ...when,
      cause: 'silence',
      from: null,
      holdMs: 1000,
      masterDownMs: null,
    };
    peers.claimed(claimed, nowMs * 1e6);
    peers.tick(nowMs * 1e6);
  }

  #propose(host: number, batch: readonly Proposal[]): void {
    const [first] = batch;
    if (first === undefined) return;
    const vpc = Number(first.vpc.slice('vpc-'.length));
    const cluster = vpc % this.#o.clusters;
    const { nowMs } = this.#agenda;
    const writtenMs = Math.max(nowMs + this.#draw(TRANSACTION), this.#writerMs[cluster]!) + WRITE_MS;
    this.#writerMs[cluster] = writtenMs;
    this.#agenda.at(writtenMs, () => {
      const revision = ++this.#revision;
      const ids = batch.map(({ id }) => id);
      const { peers } = this.#nodes.get(host)!;
      peers.outcome(ids, { result: 'committed', revision }, this.#agenda.nowMs * 1e6);
      for (const { havip, binding } of batch)
        for (const other of this.#hostsOf(vpc)) this.#deliver(cluster, other, vpc, havip, binding, revision);
    });
  }

  #deliver(cluster: number, host: number, vpc: number, id: string, value: BindingRecord, revision: number): void {
    const member = cluster * MEMBERS + (host % MEMBERS);
    const sentMs = Math.max(this.#agenda.nowMs, this.#memberMs[member]!) + DELIVERY_MS;
    this.#memberMs[member] = sentMs;
    this.#agenda.at(sentMs + this.#draw(WATCH), () => {
      const item: Item = { kind: 'binding', vpc: `vpc-${vpc}`, id, value, revision, version: 1 };
      this.#nodes.get(host)!.peers.change(item, this.#agenda.nowMs * 1e6);
    });
  }

  /** Half below the median, one of a hundred above the other. */
  #draw([p50, p99]: readonly [number, number]): number {
    const u = this.#random();
    if (u < 0.5) return p50 * (0.5 + u);
    if (u < 0.99) return p50 * (p99 / p50) ** ((u - 0.5) / 0.49);
    return p99 * (1 + (u - 0.99) * 50);
  }

  /** Mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

function macOf(claim: number): string {
  return formatMac(0x0200_0000_0000 + claim);
}
