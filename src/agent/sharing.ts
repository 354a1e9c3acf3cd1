/**
 * Between this host's ledger and the protocol of all hosts (fabric/peers.ts): indexes here, names there (shared-names.ts). What the ledger
 * decides of its own claimants is proposed after the switch has it; what the store says is programmed as any other decision (ruling.ts).
 * Main thread; there only with a store in the configuration. A simulation of many hosts runs this same file.
 */
import { formatIpv4, type Ipv4 } from '../base/address.ts';
import type { Binding } from '../base/binding.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { formatMac } from '../base/mac.ts';
import type { Havip, Network } from '../base/network.ts';
import type { Fabric } from '../fabric/fabric.ts';
import { Peers, type SharedView } from '../fabric/peers.ts';
import type { HostRecord } from '../fabric/records.ts';
import type { LinkChange } from '../lane/claim.ts';
import type { ProposeEffect } from '../ledger/effects.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Ways } from '../vswitch/ways.ts';
import { Cuts } from './cuts.ts';
import { HostRecords, HOSTS } from './host-records.ts';
import { Publishing } from './publishing.ts';
import { Ruling } from './ruling.ts';
import { followedVpcs, SharedNames } from './shared-names.ts';
import { type SharingObservations, Timings } from './timings.ts';

export interface SharingOptions {
  readonly fabric: Fabric;
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly host: string;
  readonly vtep: Ipv4 | null;
  readonly record: HostRecord;
  readonly random: () => number;
  /** Calls back once after so long; returns what takes that back. */
  readonly later: (ms: number, act: () => void) => () => void;
  /** The ledger has decided something: program it. */
  readonly onDecided: () => void;
  /** Told where other hosts' machines are. */
  readonly ways?: Ways;
  readonly observe?: Partial<SharingObservations>;
  /** Set by tests that want a wrong protocol. */
  readonly isNewer?: ConstructorParameters<typeof Peers>[0]['isNewer'];
}

/** The HAVIP's port may be made known later than the store's word of it, as at a start. */
const DISOWN_MS = 10_000;
/** From the store's return until what hosts decided without it has been proposed. */
const SETTLE_MS = 2000;
/** The store has no word of a HAVIP. */
const NOTHING: SharedView = { revision: 0, binding: null, provisional: false, doubt: null };

export class Sharing {
  readonly #o: SharingOptions;
  readonly #peers: Peers;
  readonly #publishing: Publishing;
  #network: Network;
  readonly #names: SharedNames;
  readonly #ruling: Ruling;
  readonly #hosts: HostRecords;
  readonly #timings: Timings;
  readonly #cuts: Cuts;
  #why = 'not connected yet';
  #wakeNs = Number.POSITIVE_INFINITY;
  #unwake: () => void = () => {};
  #sent = false;
  #stopped = false;

  constructor(options: SharingOptions, network: Network) {
    const { fabric, host, vtep, record, random, isNewer } = options;
    this.#o = options;
    this.#network = network;
    this.#hosts = new HostRecords(options);
    this.#timings = new Timings(options.observe ?? {});
    this.#cuts = new Cuts({ ...options, isSynced: () => this.#peers.state === 'synced' }, network);
    this.#names = new SharedNames(host, network);
    this.#ruling = new Ruling(options, this.#names, this.#timings, {
      // While the store was away the ledger may have gone on, by what came in on an uplink.
      onAcknowledged: (havip, atNs) => this.#retell(havip, atNs),
      onNoPort: (vpc, havip) => void options.later(DISOWN_MS, () => this.#disown(vpc, havip)),
      // It comes from flush(), after the turn's decisions were made.
      onAgain: () => void options.later(0, () => this.#then(() => {})),
    });
    this.#peers = new Peers({
      host,
      boot: `${host}-${record.bootId.slice(0, 8)}-${record.startedMs.toString(36)}`,
      vtep: vtep === null ? null : formatIpv4(vtep),
      ruler: this.#ruling,
      directory: this.#names,
      fabric: {
        propose: (batch) => {
          this.#sent = true;
          this.#timings.sent(batch[0]?.id ?? '', options.clock.nowNs());
          fabric.propose(batch);
        },
        relist: (vpc) => fabric.relist(vpc),
      },
      random,
      ...(isNewer !== undefined && { isNewer }),
    });
    this.#publishing = new Publishing(fabric, vtep === null ? null : formatIpv4(vtep));
    options.ledger.setStore('away');
  }

  /** After the ledger has adopted what the switch holds. */
  start(): void {
    const { fabric, ledger, clock, record } = this.#o;
    this.configure(this.#network);
    for (const havip of this.#network.havips) {
      const held = havip === null ? null : ledger.bindingOf(havip.index);
      if (havip === null || held === null) continue;
      this.#peers.adopted(this.#names.vpcOf(havip), havip.id, held.epoch, held.port !== null, null, clock.nowNs());
    }
    fabric.publishHost(record);
    fabric.start({
      snapshot: (vpc, items, revision, reason) => {
        this.#hosts.listed(vpc, items, revision);
        if (vpc !== HOSTS) this.#then((nowNs) => this.#peers.snapshot(vpc, items, revision, reason, nowNs));
      },
      // A group that moved as one is one transaction here too.
      changes: (items) => {
        for (const item of items) {
          this.#hosts.note(item);
          if (item.kind === 'sign') this.#cuts.heard(item, clock.nowNs());
        }
        const shared = items.filter(({ kind }) => kind !== 'host' && kind !== 'sign');
        if (shared.length > 0) this.#then((nowNs) => shared.forEach((item) => this.#peers.change(item, nowNs)));
      },
      outcome: (ids, outcome) => {
        this.#timings.answered(ids[0] ?? '', clock.nowNs());
        this.#then((nowNs) => this.#peers.outcome(ids, outcome, nowNs));
      },
      state: (state, why) => {
        this.#why = why;
        ledger.setStore(state);
        if (state === 'synced') this.#o.log.info({ member: why }, 'the store answers: bindings are shared with other hosts');
        else
          this.#o.log.warn({ why }, 'the store is away: bindings of this host are provisional, those of others stay as they are');
        this.#then((nowNs) => this.#peers.stateChanged(state, nowNs));
        if (state === 'synced') this.#o.later(SETTLE_MS, () => this.#then((nowNs) => this.#reconcile(nowNs)));
      },
    });
  }

  configure(network: Network): void {
    const vpcs = followedVpcs(network);
    for (const vpc of followedVpcs(this.#network)) if (!vpcs.includes(vpc)) this.#peers.forget(vpc);
    this.#network = network;
    this.#names.configure(network);
    this.#cuts.configure(network);
    this.#publishing.configure(network);
    this.#o.fabric.follow([HOSTS, ...vpcs]);
    const nowNs = this.#o.clock.nowNs();
    for (const vpc of vpcs) this.#peers.directoryChanged(vpc, nowNs);
  }

  /** A link of this host changed. */
  linked(change: LinkChange): void {
    this.#cuts.linked(change);
  }

  /** The ledger decided; the switch has it, or has refused it for now. */
  propose(effect: ProposeEffect): void {
    const havip = this.#network.havips[effect.havip] ?? null;
    if (havip === null || this.#hosts.isSecond) return;
    const { mac, ...rest } = effect;
    const vpc = this.#names.vpcOf(havip);
    const nowNs = this.#o.clock.nowNs();
    this.#timings.proposed(`${vpc} ${havip.id}`, nowNs);
    this.#peers.claimed({ ...rest, vpc, havip: havip.id, mac: mac === null ? null : formatMac(mac) }, nowNs);
  }

  /** The switch was told; a holder that is not here has no claim of this host's beside it. */
  bound(index: number, binding: Binding | null): void {
    const havip = this.#network.havips[index] ?? null;
    if (havip === null || binding === null || binding.port !== null) return;
    this.#peers.yielded(this.#names.vpcOf(havip), havip.id, this.#ruling.nobody(this.#names.vpcOf(havip), havip.id, null));
  }

  /** Sends what was proposed; call it when a turn's decisions are made. True: there was something. */
  flush(): boolean {
    this.#sent = false;
    if (!this.#hosts.isSecond) this.#peers.tick(this.#o.clock.nowNs());
    this.#setAlarm();
    return this.#sent;
  }

  /** The switch has acknowledged what was last said of this HAVIP. */
  programmed(havip: number, ackedNs: number): void {
    this.#timings.programmed(havip, ackedNs);
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#unwake();
    return this.#o.fabric.close();
  }

  get fabric(): Fabric {
    return this.#o.fabric;
  }

  /** What people ask of it. */
  get status() {
    const { state, pending, refusals } = this.#peers;
    return { state, why: this.#why, pending, refusals, ...this.#hosts.known, isSecond: this.#hosts.isSecond };
  }

  /** Whose agents are there, by id, this one included. */
  get hosts(): HostRecords['all'] {
    return this.#hosts.all;
  }

  /** null: the store has not told of this HAVIP. */
  view(havip: Pick<Havip, 'vpc' | 'id'>): SharedView | null {
    return this.#peers.view(this.#names.vpcOf(havip), havip.id);
  }

  /**
   * What came in on uplinks while the store was away was believed for want of better. Who is behind it has told the store by now; if not,
   * the store has the last word.
   */
  #reconcile(nowNs: number): void {
    for (const havip of this.#network.havips) if (havip !== null) this.#retell(havip, nowNs);
  }

  /** Tells the ledger what the store has, where that is something else. */
  #retell(havip: Havip, nowNs: number): void {
    const vpc = this.#names.vpcOf(havip);
    const view = this.view(havip) ?? NOTHING;
    const isDoubtful = view.doubt !== null && view.binding?.host !== this.#o.host;
    if (!this.#peers.isListed(vpc) || view.provisional || isDoubtful || this.#agrees(havip, view)) return;
    this.#ruling.stored(vpc, havip.id, view.binding, view.revision, nowNs);
  }

  #agrees({ index }: Havip, { binding, revision }: SharedView): boolean {
    const held = this.#o.ledger.bindingOf(index);
    if (binding === null || binding.instance === null || held === null)
      return held === null && (binding?.instance ?? null) === null;
    const { host } = this.#o;
    return formatMac(held.mac) === binding.mac && (held.host ?? host) === binding.host && held.epoch === revision;
  }

  /** The store says that an instance of this host holds it, which has no port here: as after its grace time. */
  #disown(vpc: string, id: string): void {
    const { binding = null, provisional = true } = this.#peers.view(vpc, id) ?? {};
    if (binding?.host !== this.#o.host || binding.instance === null || provisional || this.#ruling.heldHere(vpc, id) !== null)
      return;
    const from = binding.instance;
    this.#then((nowNs) => this.#peers.claimed(this.#ruling.nobody(vpc, id, from), nowNs));
  }

  #then(act: (nowNs: number) => void): void {
    if (this.#stopped) return;
    act(this.#o.clock.nowNs());
    this.#o.onDecided();
    this.flush();
  }

  #setAlarm(): void {
    const dueNs = this.#peers.nextNs();
    if (dueNs === this.#wakeNs) return;
    this.#unwake();
    this.#wakeNs = dueNs;
    if (dueNs === Number.POSITIVE_INFINITY || this.#stopped) return;
    this.#unwake = this.#o.later(Math.max(0, (dueNs - this.#o.clock.nowNs()) / 1e6), () => {
      this.#wakeNs = Number.POSITIVE_INFINITY;
      this.#then(() => {});
    });
  }
}
