/** A simulated world: hosts, guests, one model store, and everything that can go wrong, from one seed. */
import { MemoryStore, type Backup, type Compare, type Put } from '../../src/fabric/memory/store.ts';
import { NO_FAULTS } from '../../src/fabric/memory/wire.ts';
import type { Binding } from '../../src/fabric/records.ts';
import { Check } from './check.ts';
import { SimHost } from './host.ts';
import type { Guest, Stage, Truth, Variant } from './stage.ts';
import { randomFrom, Timeline } from './time.ts';

const SAMPLE_MS = 100;
const BINDING = '/havip/v1/state/vpc-1/binding/';
const WAITS_MS = [0, 0.4, 3, 30, 300, 1500, 5000];

export class World implements Stage {
  readonly time = new Timeline();
  readonly random: () => number;
  readonly store: MemoryStore;
  readonly hosts: SimHost[];
  readonly guests: Guest[];
  readonly havips: readonly string[];
  readonly variant: Variant;
  readonly check = new Check(this);
  /** Longest way to or from the store, one way, at any time so far. */
  slowestMs = NO_FAULTS.delayMs[1];
  disturbedNs = 0;
  #backup: Backup | null = null;
  #log: string[] = [];
  #restoredNs = Number.NEGATIVE_INFINITY;

  constructor(seed: number, variant: Variant = {}, store: new () => MemoryStore = MemoryStore) {
    this.random = randomFrom(seed);
    this.variant = variant;
    this.store = new store();
    this.#watchStore();
    const clocks = this.random() < 0.2 ? 3600e3 : 30;
    const count = 2 + this.#below(3);
    this.havips = ['havip-1', 'havip-2', 'havip-3'].slice(0, 1 + this.#below(3));
    this.hosts = Array.from({ length: count }, (_, i) => {
      return new SimHost(this, `host-${i}`, this.random() * 1e15, Math.round((this.random() * 2 - 1) * clocks));
    });
    this.guests = Array.from({ length: 2 + this.#below(2) }, (_, i) => {
      return { instance: `cvm-${i}`, mac: `02:00:00:00:00:0${i}`, host: `host-${i % count}` };
    });
    for (const host of this.hosts) host.start();
    this.#sampleOn();
    this.time.run(500);
  }

  host(id: string): SimHost {
    return this.hosts.find((host) => host.id === id)!;
  }

  guest(instance: string): Guest {
    return this.guests.find((guest) => guest.instance === instance)!;
  }

  rights(havip: string): { subnet: string; members: readonly string[] | null } | null {
    return this.havips.includes(havip) ? { subnet: 'subnet-a', members: this.guests.map(({ instance }) => instance) } : null;
  }

  truth(havip: string): Truth | null {
    const [found] = this.store.range(`${BINDING}${havip}`);
    const binding = found?.text == null ? null : (JSON.parse(found.text) as Binding);
    return binding === null || binding.instance === null ? null : { ...binding, revision: found!.revision };
  }

  /** So shortly after a restore a host may still be told what it had forgotten. */
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
    this.heal();
    this.time.run(15_000);
    this.check.end();
    return this.check.failures;
  }

  heal(): void {
    this.store.up = true;
    for (const host of this.hosts) {
      Object.assign(host.faults, NO_FAULTS);
      if (host.peers === null) host.start();
    }
    this.disturb();
  }

  disturb(): void {
    this.disturbedNs = this.time.nowNs();
  }

  #step(): void {
    const host = this.#pick(this.hosts);
    const chance = this.random();
    if (chance < 0.4) return this.#claim(this.#pick(this.guests));
    if (chance < 0.46) {
      const [one, other] = [this.#pick(this.guests), this.#pick(this.guests)];
      this.#claim(one);
      this.time.run(this.random());
      return this.#claim(other);
    }
    if (chance < 0.5) return this.#migrate(this.#pick(this.guests));
    if (chance < 0.53) {
      const havip = this.#pick(this.havips);
      this.#say(`${host.id} withdraws ${havip} if it is there`);
      return host.withdraw(havip);
    }
    if (chance < 0.6) return this.#faultOfStore();
    return this.#faultOf(host);
  }

  #claim(guest: Guest): void {
    const havips = this.random() < 0.3 ? this.havips : [this.#pick(this.havips)];
    this.#say(`${guest.instance} on ${guest.host} claims ${havips.join(' ')}`);
    this.host(guest.host).announce(guest.instance, havips);
  }

  /** Both hosts have a port of it for a while, then the guest says where it is. */
  #migrate(guest: Guest): void {
    const [from, to] = [this.host(guest.host), this.#pick(this.hosts)];
    if (from === to || to.peers === null) return;
    this.#say(`${guest.instance} migrates from ${from.id} to ${to.id}`);
    guest.host = to.id;
    to.publish(guest.instance);
    const held = this.havips.filter((havip) => [from, to].some(({ kernel }) => kernel.get(havip)?.instance === guest.instance));
    if (held.length > 0) to.announce(guest.instance, held, 'migration');
  }

  #faultOfStore(): void {
    const chance = this.random();
    this.disturb();
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
    const fault = this.#pick(['cut', 'there', 'back', 'heal', 'heal', 'slow', 'lossy', 'crash', 'watch', 'lease'] as const);
    this.#say(`${host.id}: ${fault}`);
    if (fault === 'cut') faults.cutThere = faults.cutBack = true;
    else if (fault === 'there') faults.cutThere = true;
    else if (fault === 'back') faults.cutBack = true;
    else if (fault === 'heal') Object.assign(faults, NO_FAULTS);
    else if (fault === 'slow') faults.delayMs = [50, 900];
    else if (fault === 'lossy') faults.answersLost = 0.5;
    else if (fault === 'watch') host.memory?.cutWatches();
    else if (fault === 'lease') this.#expire(host);
    else if (host.peers === null) host.start();
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
      this.check.proposed([{ id: binding.id, vpc: 'vpc-1', havip, binding, based: truth.revision, ruledBy: 0 }]);
      this.store.transact([], [{ key: `${BINDING}${havip}`, text: JSON.stringify(binding) }]);
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
        const replaced = old?.text == null ? null : (JSON.parse(old.text) as Binding);
        this.check.wrote(key.slice(BINDING.length), JSON.parse(text) as Binding, {
          revision: old?.revision ?? 0,
          binding: replaced,
        });
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
