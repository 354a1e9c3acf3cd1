/** A simulated world: hosts, guests, one model store, and everything that can go wrong, from one seed. */
import { MemoryStore, type Backup, type Compare, type Put } from '../../src/fabric/memory/store.ts';
import { NO_FAULTS } from '../../src/fabric/memory/wire.ts';
import type { BindingRecord } from '../../src/fabric/records.ts';
import type { VrrpFacts } from '../../src/lane/claim.ts';
import { Check } from './check.ts';
import { SimHost } from './host.ts';
import type { Guest, Stage, Truth, Variant } from './stage.ts';
import { randomFrom, Timeline } from './time.ts';

const SAMPLE_MS = 100;
const ADVERT_MS = 1000;
const BINDING = '/havip/v1/state/vpc-1/binding/';
const WAITS_MS = [0, 0.4, 3, 30, 300, 1500, 5000];
const FAULTS = ['cut', 'there', 'back', 'heal', 'heal', 'slow', 'lossy', 'crash', 'watch', 'lease'] as const;

export class World implements Stage {
  readonly time = new Timeline();
  readonly random: () => number;
  readonly store: MemoryStore;
  readonly hosts: SimHost[];
  readonly guests: Guest[];
  readonly havips: readonly number[];
  readonly variant: Variant;
  readonly check = new Check(this);
  slowestMs = NO_FAULTS.delayMs[1];
  disturbedNs = 0;
  #truths = { revision: 0, cluster: 0, known: new Map<number, Truth | null>() };
  #backup: Backup | null = null;
  #log: string[] = [];
  #restoredNs = Number.NEGATIVE_INFINITY;

  constructor(seed: number, variant: Variant = {}, store: new () => MemoryStore = MemoryStore) {
    this.random = randomFrom(seed);
    this.variant = variant;
    this.store = new store();
    this.#watchStore();
    const clocks = this.random() < 0.2 ? 3600e3 : 30;
    const vrrp = this.random() < 0.4;
    const count = 2 + this.#below(3);
    this.havips = [0, 1, 2].slice(0, 1 + this.#below(3));
    this.guests = Array.from({ length: 2 + this.#below(2) }, (_, i) => ({
      instance: `cvm-${i}`,
      mac: 0x02_00_00_00_00_00 + i,
      priority: vrrp ? 100 + 10 * i : null,
      hosts: [`host-${i % count}`],
      masters: new Set<number>(),
      up: true,
    }));
    this.hosts = Array.from({ length: count }, (_, i) => {
      return new SimHost(this, `host-${i}`, this.random() * 1e15, Math.round((this.random() * 2 - 1) * clocks));
    });
    for (const host of this.hosts) host.start();
    this.#sampleOn();
    if (vrrp) this.#advertise();
    this.time.run(500);
  }

  host(id: string): SimHost {
    return this.hosts.find((host) => host.id === id)!;
  }

  truth(havip: number): Truth | null {
    const { revision, cluster } = this.store;
    if (this.#truths.revision !== revision || this.#truths.cluster !== cluster)
      this.#truths = { revision, cluster, known: new Map() };
    let known = this.#truths.known.get(havip);
    if (known === undefined) this.#truths.known.set(havip, (known = this.#readTruth(havip)));
    return known;
  }

  #readTruth(havip: number): Truth | null {
    const [found] = this.store.range(`${BINDING}havip-${havip}`);
    const binding = found?.text == null ? null : (JSON.parse(found.text) as BindingRecord);
    return binding === null || binding.instance === null ? null : { ...binding, revision: found!.revision };
  }

  get mayBeOld(): boolean {
    return this.time.nowNs() - this.#restoredNs < 8000e6;
  }

  get story(): string {
    return this.#log.join('\n');
  }

  /** One history: so many things happen, then all heals and must agree. */
  run(steps: number): readonly string[] {
    for (let i = 0; i < steps && this.check.failures.length === 0; i++) {
      this.#step();
      this.time.run(this.#pick(WAITS_MS));
    }
    this.#heal();
    this.time.run(20_000);
    this.check.end();
    return this.check.failures;
  }

  #heal(): void {
    this.store.up = true;
    for (const host of this.hosts) {
      Object.assign(host.faults, NO_FAULTS);
      if (!host.isUp) host.start();
    }
    this.disturbedNs = this.time.nowNs();
  }

  #step(): void {
    const host = this.#pick(this.hosts);
    const guest = this.#pick(this.guests);
    const chance = this.random();
    if (chance < 0.4) this.#claim(guest);
    else if (chance < 0.46) {
      this.#claim(guest);
      this.time.run(this.random());
      this.#claim(this.#pick(this.guests));
    } else if (chance < 0.5) this.#migrate(guest);
    else if (chance < 0.54) this.#unplug(guest);
    else if (chance < 0.57) this.#resign(guest);
    else if (chance < 0.63) this.#faultOfStore();
    else this.#faultOf(host);
  }

  #someHavips(): readonly number[] {
    return this.random() < 0.3 ? this.havips : [this.#pick(this.havips)];
  }

  #claim(guest: Guest): void {
    const havips = this.#someHavips();
    this.#say(`${guest.instance} on ${guest.hosts.at(-1)} claims ${havips.join(' ')}`);
    if (!guest.up) this.#plug(guest);
    for (const havip of havips) if (guest.priority !== null) guest.masters.add(havip);
    this.#advert(guest, havips);
    this.#send(guest, havips, 'announce');
  }

  #resign(guest: Guest): void {
    const havips = [...guest.masters];
    if (havips.length === 0) return;
    this.#say(`${guest.instance} resigns ${havips.join(' ')}`);
    guest.masters.clear();
    this.#advert(guest, havips, 0);
  }

  /** Masters speak each second, and step down before a better one that they can hear: on their own host. */
  #advertise(): void {
    for (const guest of this.guests) if (guest.masters.size > 0 && guest.up) this.#advert(guest, [...guest.masters]);
    this.time.after(ADVERT_MS, () => this.#advertise());
  }

  #advert(guest: Guest, havips: readonly number[], priority = guest.priority): void {
    if (priority === null || guest.priority === null) return;
    const index = this.guests.indexOf(guest);
    const facts: VrrpFacts = {
      version: 2,
      vrid: 51,
      priority,
      intervalMs: ADVERT_MS,
      auth: 'pass',
      checksum: 'v2',
      unicast: false,
      source: 0x0a000000 + 10 + index,
      destination: 0xe0000012,
    };
    this.#send(guest, havips, priority === 0 ? 'resign' : 'advert', facts);
  }

  #send(guest: Guest, havips: readonly number[], kind: 'announce' | 'advert' | 'resign', facts: VrrpFacts | null = null): void {
    const [index, here] = [this.guests.indexOf(guest), guest.hosts.at(-1)!];
    this.host(here).hear(index, havips, kind, facts);
    this.#flood(
      here,
      () => guest.hosts.at(-1) === here,
      (other) => other.hear(index, havips, kind, facts, true),
    );
  }

  /** Between hosts it takes some tenths of a millisecond, and half of the time nothing comes: no store is between them, nor is its wire. */
  #flood(from: string, still: () => boolean, hear: (other: SimHost) => void): void {
    if (this.random() < 0.5) return;
    for (const other of this.hosts) {
      if (other.id === from) continue;
      this.time.after(0.1 + 0.2 * this.random(), () => {
        if (still()) hear(other);
      });
    }
  }

  /** Its port is gone; after the grace time its host takes its HAVIPs from it. */
  #unplug(guest: Guest): void {
    this.#say(`${guest.instance} is unplugged`);
    guest.up = false;
    guest.masters.clear();
    this.host(guest.hosts.at(-1)!).link(this.guests.indexOf(guest), 'down');
  }

  #plug(guest: Guest): void {
    guest.up = true;
    this.host(guest.hosts.at(-1)!).link(this.guests.indexOf(guest), 'up');
  }

  /** Both hosts have a port of it for a while; the guest's RARP says where it is. */
  #migrate(guest: Guest): void {
    const from = guest.hosts.at(-1)!;
    const to = this.#pick(this.hosts);
    if (from === to.id || !to.isUp || !guest.up) return;
    this.#say(`${guest.instance} migrates from ${from} to ${to.id}`);
    guest.hosts = [from, to.id];
    to.reconfigure();
    to.hear(this.guests.indexOf(guest), [-1], 'relocate', null);
    this.#flood(
      to.id,
      () => true,
      (other) => other.hear(this.guests.indexOf(guest), [-1], 'relocate', null, true),
    );
    // A guest says where it is more than once, and its own ARP follows.
    this.time.after(100, () => {
      if (guest.hosts.at(-1) === to.id) to.hear(this.guests.indexOf(guest), [-1], 'relocate', null);
    });
    this.time.after(1500, () => {
      if (guest.hosts.at(-1) !== to.id) return;
      guest.hosts = [to.id];
      this.host(from).reconfigure();
    });
  }

  #faultOfStore(): void {
    const chance = this.random();
    this.disturbedNs = this.time.nowNs();
    if (chance < 0.4) this.store.up = !this.store.up;
    else if (chance < 0.7) this.store.compact();
    else if (chance < 0.85) this.#backup = this.store.backup();
    else if (this.#backup !== null) {
      this.#restoredNs = this.time.nowNs();
      this.check.restored();
      this.store.restore(this.#backup);
      this.#backup = null;
      this.#say('the store is restored');
    }
    this.#say(`store ${this.store.up ? 'up' : 'down'}, compacted ${this.store.compacted}`);
  }

  #faultOf(host: SimHost): void {
    const { faults } = host;
    host.disturbedNs = this.time.nowNs();
    const fault = this.#pick(FAULTS);
    this.#say(`${host.id}: ${fault}`);
    if (fault === 'cut') faults.cutThere = faults.cutBack = true;
    else if (fault === 'there') faults.cutThere = true;
    else if (fault === 'back') faults.cutBack = true;
    else if (fault === 'heal') Object.assign(faults, NO_FAULTS);
    else if (fault === 'slow') faults.delayMs = [50, 900];
    else if (fault === 'lossy') faults.answersLost = 0.5;
    else if (fault === 'watch') host.memory?.cutWatches();
    else if (fault === 'lease') this.#expire(host);
    else if (!host.isUp) host.start();
    else {
      this.check.died(host);
      host.crash();
    }
    this.slowestMs = Math.max(this.slowestMs, faults.delayMs[1]);
  }

  #expire(host: SimHost): void {
    this.store.expire(host.id);
    if (this.variant.leaseWithdraws !== true) return;
    for (const havip of this.havips) {
      const truth = this.truth(havip);
      const judge = this.#pick(this.hosts);
      if (truth?.host !== host.id || judge === host) continue;
      const binding = { ...truth, instance: null, host: judge.id, id: `lease-${this.time.nowNs()}-${havip}` };
      this.check.proposed([
        { id: binding.id, vpc: 'vpc-1', havip: `havip-${havip}`, binding, based: truth.revision, ruledBy: 0 },
      ]);
      this.store.transact([], [{ key: `${BINDING}havip-${havip}`, text: JSON.stringify(binding) }]);
    }
  }

  #sampleOn(): void {
    this.check.sample();
    this.time.after(SAMPLE_MS, () => this.#sampleOn());
  }

  /** Every write of a binding, with what it replaced. */
  #watchStore(): void {
    const { store } = this;
    const transact = store.transact.bind(store);
    store.transact = (compares: readonly Compare[], puts: readonly Put[], deletes?: readonly string[]) => {
      const written = puts.filter(({ key }) => key.startsWith(BINDING));
      const before = written.map(({ key }) => store.range(key)[0] ?? null);
      const revision = transact(compares, puts, deletes);
      if (revision === null) return null;
      for (const [i, { key, text }] of written.entries()) {
        const old = before[i];
        const replaced = old?.text == null ? null : (JSON.parse(old.text) as BindingRecord);
        this.check.wrote(key.slice(BINDING.length), text, { revision: old?.revision ?? 0, binding: replaced });
      }
      return revision;
    };
  }

  #say(text: string): void {
    this.#log.push(`${(this.time.nowNs() / 1e6).toFixed(1)} ms: ${text}`);
  }

  #below(most: number): number {
    return Math.floor(this.random() * most);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }
}
