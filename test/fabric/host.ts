/**
 * One host of a simulated world: a ledger, the protocol, the model store's driver, and a kernel that keeps what was programmed when the
 * agent dies. Clocks of hosts agree in nothing.
 */
import type { Claimed, Ruler } from '../../src/fabric/claimed.ts';
import type { Fabric, Proposal } from '../../src/fabric/fabric.ts';
import { MemoryFabric } from '../../src/fabric/memory/memory.ts';
import { NO_FAULTS, Wire, type Faults } from '../../src/fabric/memory/wire.ts';
import { Peers } from '../../src/fabric/peers.ts';
import type { Binding } from '../../src/fabric/records.ts';
import type { Programmed, SimulatedHost, Stage } from './stage.ts';

const VPC = 'vpc-1';

export class SimHost implements Ruler, SimulatedHost {
  readonly id: string;
  readonly world: Stage;
  readonly faults: Faults = { ...NO_FAULTS };
  readonly kernel = new Map<string, Programmed>();
  readonly offsetNs: number;
  readonly skewMs: number;
  peers: Peers | null = null;
  fabric: Fabric | null = null;
  /** Driver below a wrapper, for faults. */
  memory: MemoryFabric | null = null;
  disturbedNs = 0;
  readonly disagreesSinceNs = new Map<string, number>();
  #boots = 0;
  #tickNs = Number.POSITIVE_INFINITY;

  constructor(world: Stage, id: string, offsetNs: number, skewMs: number) {
    this.world = world;
    this.id = id;
    this.offsetNs = offsetNs;
    this.skewMs = skewMs;
  }

  get nowNs(): number {
    return this.world.time.nowNs() + this.offsetNs;
  }

  get wallMs(): number {
    return 1_700_000_000_000 + this.world.time.nowNs() / 1e6 + this.skewMs;
  }

  get isFaulty(): boolean {
    const { cutThere, cutBack, answersLost, delayMs } = this.faults;
    return cutThere || cutBack || answersLost > 0 || delayMs !== NO_FAULTS.delayMs;
  }

  start(): void {
    const { world, faults } = this;
    const { variant, store, time, random } = world;
    const wire = new Wire(time, random, faults);
    const memory = new MemoryFabric({ host: this.id, store, wire, ...(variant.cursor && { cursor: variant.cursor }) });
    this.memory = memory;
    const fabric = variant.wrap?.(memory, world) ?? memory;
    this.fabric = fabric;
    const peers = new Peers({
      host: this.id,
      boot: `${this.id}-${++this.#boots}`,
      vtep: null,
      ruler: this,
      directory: { havip: (_, havip) => world.rights(havip) },
      fabric: {
        propose: (batch: readonly Proposal[]) => {
          world.check.proposed(batch);
          fabric.propose(batch);
        },
        relist: (vpc) => fabric.relist(vpc),
      },
      random,
      ...(variant.newer && { isNewer: variant.newer }),
    });
    this.peers = peers;
    this.#adopt(peers);
    const guard = (act: () => void): void => {
      if (this.peers !== peers) return;
      act();
      this.#arm();
    };
    fabric.start({
      snapshot: (vpc, items, revision, reason) => {
        guard(() => peers.snapshot(vpc, items, revision, reason, this.nowNs));
      },
      change: (item) => {
        guard(() => peers.change(item, this.nowNs));
      },
      outcome: (ids, outcome) => {
        guard(() => peers.outcome(ids, outcome, this.nowNs));
      },
      state: (state) => {
        guard(() => peers.stateChanged(state, this.nowNs));
      },
    });
    for (const guest of world.guests) if (guest.host === this.id) this.publish(guest.instance);
    fabric.follow([VPC]);
    this.#arm();
  }

  #adopt(peers: Peers): void {
    for (const [havip, { host, instance }] of this.kernel) {
      if (host === this.id && this.world.guest(instance).host !== this.id) this.kernel.delete(havip);
    }
    const before = this.kernel.size;
    for (const [havip, held] of this.kernel) {
      const here = held.host === this.id;
      const claim = here && held.provisional ? this.#claimOf(havip, held, 'adopted') : null;
      if (!here && this.world.variant.adoptsRemote === false) this.kernel.delete(havip);
      else peers.adopted(VPC, havip, held.revision, here, claim, this.nowNs);
    }
    this.world.check.restarted(this, before);
  }

  crash(): void {
    void this.fabric?.close();
    this.peers = null;
    this.fabric = null;
    this.memory = null;
  }

  publish(instance: string): void {
    const guest = this.world.guest(instance);
    const record = { instance, subnet: 'subnet-a', mac: guest.mac, addresses: [], vtep: null };
    this.fabric?.publishPort(VPC, `tap-${instance}`, record);
  }

  /** A START of a guest on this host: programmed at once, then proposed. */
  announce(instance: string, havips: readonly string[], cause = 'takeover'): void {
    const { peers } = this;
    if (peers === null) return;
    for (const havip of havips) {
      const before = this.kernel.get(havip);
      const { mac } = this.world.guest(instance);
      const base = peers.view(VPC, havip)?.revision ?? 0;
      const stamp = { revision: base, sinceMs: this.wallMs, startMs: this.wallMs };
      this.kernel.set(havip, { instance, host: this.id, mac, provisional: true, ...stamp });
      const claim = { ...this.#claimOf(havip, this.kernel.get(havip)!, cause), from: before?.instance ?? null };
      this.world.check.claimed(this, claim);
      peers.claimed(claim, this.nowNs);
    }
    this.#arm();
  }

  withdraw(havip: string): void {
    if (this.peers === null || this.kernel.get(havip)?.host !== this.id) return;
    const claim = { ...this.#claimOf(havip, this.kernel.get(havip)!, 'withdrawn'), instance: null, mac: null };
    this.kernel.delete(havip);
    this.world.check.settled(this, havip);
    this.peers.claimed({ ...claim, startMs: this.wallMs, startNs: this.nowNs }, this.nowNs);
    this.#arm();
  }

  #claimOf(havip: string, { instance, mac, sinceMs, startMs }: Programmed, cause: string): Claimed {
    const startNs = this.nowNs - (this.wallMs - startMs) * 1e6;
    return { vpc: VPC, havip, instance, mac, sinceMs, startMs, startNs, cause, from: null, holdMs: 1000, masterDownMs: null };
  }

  stillMoves(claim: Claimed, held: Binding): boolean {
    return claim.instance !== null && held.instance !== claim.instance;
  }

  stored(_vpc: string, havip: string, binding: Binding | null, revision: number): void {
    this.world.check.confirmed(this, havip, revision);
    if (binding === null || binding.instance === null) this.kernel.delete(havip);
    else if (binding.host === this.id && this.world.guest(binding.instance).host !== this.id) this.#disown(havip, binding);
    else {
      const { instance, host, mac, sinceMs, startMs } = binding;
      this.kernel.set(havip, { instance, host, mac: mac ?? '', revision, provisional: false, sinceMs, startMs });
    }
  }

  /** The store says a guest of this host holds it, which is not here any more: as after its grace time. */
  #disown(havip: string, binding: Binding): void {
    this.kernel.delete(havip);
    const { sinceMs, holdMs } = binding;
    const now = { startNs: this.nowNs, startMs: this.wallMs, cause: 'withdrawn', from: binding.instance };
    this.peers?.claimed({ vpc: VPC, havip, instance: null, mac: null, sinceMs, holdMs, masterDownMs: null, ...now }, this.nowNs);
  }

  acknowledged(_vpc: string, havip: string, revision: number): void {
    this.world.check.confirmed(this, havip, revision);
    const held = this.kernel.get(havip);
    if (held !== undefined) this.kernel.set(havip, { ...held, revision, provisional: false });
    this.world.check.settled(this, havip);
  }

  superseded(claim: Claimed): void {
    this.world.check.settled(this, claim.havip);
  }

  again(): void {}

  heldHere(_vpc: string, havip: string): Claimed | null {
    const held = this.kernel.get(havip);
    return held === undefined || held.host !== this.id ? null : this.#claimOf(havip, held, 'restored');
  }

  refused(_vpc: string, havip: string, binding: Binding, why: string): void {
    if (why !== 'other-host' && why !== 'unknown-port')
      this.world.check.fail(`${this.id} does not believe ${havip} -> ${binding.instance}: ${why}`);
  }

  #arm(): void {
    const { peers } = this;
    if (peers === null) return;
    const dueNs = Math.max(peers.nextNs(), this.nowNs);
    if (dueNs === Number.POSITIVE_INFINITY || dueNs >= this.#tickNs) return;
    this.#tickNs = dueNs;
    this.world.time.after((dueNs - this.nowNs) / 1e6, () => {
      this.#tickNs = Number.POSITIVE_INFINITY;
      if (this.peers !== peers) return this.#arm();
      peers.tick(this.nowNs);
      this.#arm();
    });
  }
}
