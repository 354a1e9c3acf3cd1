/** What all parts of the ledger share: the records, what is known of links and VRRP, counters, and the effects not yet drained. */
import type { Ipv4 } from '../base/address.ts';
import type { AssistOn, Havip, Network, Port } from '../base/network.ts';
import { bondedWith } from '../base/rights.ts';
import type { Claim } from '../lane/claim.ts';
import { mayBeBeyond } from './beyond.ts';
import { Deadlines } from './deadlines.ts';
import type { Cause, FailoverCause, Effect, EventKind, PhasesMs, Silence } from './effects.ts';
import { Evidence } from './evidence.ts';
import { NEVER, type Limits } from './limits.ts';
import { Links } from './links.ts';
import { portOf, type HavipRecord, type Pulse } from './record.ts';
import { Recorder } from './recorder.ts';

/** Metric `havip_claims_total{kind}`. */
export interface ClaimCounts {
  takeover: number;
  refresh: number;
  resign: number;
  /** Claims of somebody who did not get the HAVIP, now or yet. */
  deferred: number;
}

/** Deaths that the agent told the backups of: why, and whether it hastened them (resign.ts). */
export type AssistCounts = Record<AssistOn, { hastened: number; plain: number }>;

/** What the kernel says of an interface at this moment, by whatever name. */
export interface Look {
  /** It is, and has a carrier. @param carriers how often it had had one when that was lost, -1: not known */
  isThere(ifindex: number, carriers: number): boolean;
  /** Packets so far; null: there is none of this index. */
  received(ifindex: number): number | null;
}

/** What the metrics read. */
export interface Counters {
  readonly claims: Readonly<ClaimCounts>;
  readonly failovers: Readonly<Record<FailoverCause, number>>;
  /** Times that an instance went to another port of its own. */
  readonly migrations: number;
  /** Times that one was bound whose last holder had been gone for longer than the grace time. */
  readonly boundAfterOutage: number;
  readonly assists: Readonly<AssistCounts>;
}

/** What made the ledger look, and when. */
export interface Sign {
  /** The claim's capture, the link's loss, the deadline. */
  readonly atNs: number;
  readonly takenNs: number;
  readonly wallMs: number;
  readonly claim: Claim | null;
}

interface EventDetails {
  readonly from?: string | null;
  readonly to?: string | null;
  readonly cause?: Cause | null;
  readonly phasesMs?: PhasesMs | null;
  readonly at?: string;
}

/** `none`: there is none in the configuration. `away`: what this host decides is not known to others yet. */
export type StoreState = 'none' | 'synced' | 'away';

export class Book implements Counters {
  network: Network;
  readonly host: string;
  readonly limits: Limits;
  readonly links = new Links();
  readonly evidence = new Evidence();
  readonly recorder: Recorder;
  readonly deadlines = new Deadlines<HavipRecord>();
  /** Of HAVIPs whose service is probed, by index. */
  readonly silentServices = new Map<number, Silence>();
  effects: Effect[] = [];
  readonly #rest: (() => void)[] = [];
  #catchesUp = false;
  #tellings: (() => void)[] = [];
  readonly claims: ClaimCounts = { takeover: 0, refresh: 0, resign: 0, deferred: 0 };
  readonly failovers: Record<FailoverCause, number> = {
    resign: 0,
    silence: 0,
    preempt: 0,
    'link-down': 0,
    hung: 0,
    takeover: 0,
  };
  migrations = 0;
  boundAfterOutage = 0;
  readonly assists: AssistCounts = { 'link-down': { hastened: 0, plain: 0 }, hung: { hastened: 0, plain: 0 } };
  /** By port, where hung guests are looked for (pulse.ts). */
  readonly pulses = new Map<number, Pulse>();
  /** When the last guard time ends, or ended, after which somebody may be spoken for. */
  guardedUntilNs = NEVER;
  bound = 0;
  contested = 0;
  /** By VPC. */
  #byAddress: Map<Ipv4, number>[] | null = null;
  readonly #heldBy: (Set<HavipRecord> | undefined)[] = [];
  /** By instance. */
  readonly #heldElsewhere = new Map<string, Set<HavipRecord>>();
  /** Whether other hosts are told of bindings, and tell of theirs, through a store. */
  store: StoreState = 'none';
  /** null: nobody can look; a replay. */
  readonly look: Look | null;

  /** VPCs that go on beyond this host. */
  #uplinked: ReadonlySet<number>;
  /** When a guest last announced its NIC by RARP, by port. */
  readonly #announced = new Map<number, number>();

  constructor(network: Network, host: string, limits: Limits, look: Look | null = null) {
    this.look = look;
    this.network = network;
    this.#uplinked = uplinkedVpcs(network);
    this.host = host;
    this.limits = limits;
    this.recorder = new Recorder(limits.recorderBytes);
  }

  port(index: number): Port | null {
    return this.network.ports[index] ?? null;
  }

  /** Are these two ports of one bond? */
  isBond(one: number, other: number): boolean {
    const [a, b] = [this.port(one), this.port(other)];
    return a !== null && b !== null && a !== b && a.instance === b.instance && this.bondOf(one).includes(b);
  }

  /** The other ports of its bond. */
  bondOf(port: number): readonly Port[] {
    const here = this.port(port);
    return here === null ? [] : bondedWith(this.network, here);
  }

  /** Another port of its bond that has its link, while this one has lost it: the guest speaks from there next. null: none. */
  fellowUp(port: number): Port | null {
    if (this.links.isUp(port)) return null;
    return this.bondOf(port).find(({ index }) => this.links.state(index) === 'up') ?? null;
  }

  /** Index of the HAVIP with this address, or -1. Tenants reuse addresses: a key is always (VPC, address). */
  havipAt(vpc: number, address: Ipv4): number {
    if (this.#byAddress === null) {
      this.#byAddress = this.network.vpcs.map(() => new Map());
      for (const havip of this.network.havips) {
        if (havip !== null) this.#byAddress[havip.vpc]?.set(havip.address, havip.index);
      }
    }
    return this.#byAddress[vpc]?.get(address) ?? -1;
  }

  configure(network: Network): void {
    this.network = network;
    this.#uplinked = uplinkedVpcs(network);
    this.#byAddress = null;
  }

  isUplinked(vpc: number): boolean {
    return this.#uplinked.has(vpc);
  }

  /**
   * May somebody else have this HAVIP without this host being told? Where uplinks lead to other members the switch points at a holder only
   * while nothing is wrong with it.
   */
  goesBeyond(havip: Havip): boolean {
    return this.#uplinked.has(havip.vpc) && mayBeBeyond(this.network, this.links, havip);
  }

  noteAnnounced(port: number, atNs: number): void {
    this.#announced.set(port, atNs);
  }

  /** NEVER: it did not. */
  announcedNs(port: number): number {
    return this.#announced.get(port) ?? NEVER;
  }

  /** The records that are bound to this port; a copy, since acting on them changes the set. */
  heldBy(port: number): HavipRecord[] {
    return [...(this.#heldBy[port] ?? [])];
  }

  /** Its binding begins. */
  seat(record: HavipRecord): void {
    const port = portOf(record);
    if (port >= 0) {
      (this.#heldBy[port] ??= new Set()).add(record);
      return;
    }
    const instance = record.binding?.instance ?? '';
    const held = this.#heldElsewhere.get(instance) ?? new Set();
    this.#heldElsewhere.set(instance, held.add(record));
  }

  /** The records that are bound to this instance on another host; a copy. */
  heldElsewhere(instance: string): HavipRecord[] {
    return [...(this.#heldElsewhere.get(instance) ?? [])];
  }

  /** Its binding ends. */
  unseat(record: HavipRecord): void {
    const port = portOf(record);
    if (port >= 0) {
      this.#heldBy[port]?.delete(record);
      return;
    }
    const instance = record.binding?.instance ?? '';
    const held = this.#heldElsewhere.get(instance);
    if (held?.delete(record) === true && held.size === 0) this.#heldElsewhere.delete(instance);
  }

  /** Of a HAVIP that is no more, and that nobody holds. */
  forget(record: HavipRecord): void {
    this.deadlines.remove(record);
    this.recorder.forget(record.havip.index);
    if (record.contest !== null && record.contest.contestedNs !== NEVER) this.contested--;
  }

  /**
   * What a decision entails beside the switch's effect (cause, phases, contest, deadlines) waits for the commit, but not for the next
   * sign: the ledger catches up before it takes or tells anything. A CPU that has just woken takes as long for it as for the
   * commit: take() of a failover 45 us with it, 20 us without (npm run bench -- claim, idle).
   */
  afterwards(act: () => void): void {
    this.#rest.push(act);
  }

  /** Something waits for catchUp(). */
  get isBehind(): boolean {
    return this.#rest.length > 0;
  }

  noteService(havip: number, silence: Silence | null): void {
    if (silence === null) this.silentServices.delete(havip);
    else this.silentServices.set(havip, silence);
  }

  /** In the order of the decisions; each may leave something to be done after the rest. */
  catchUp(): void {
    if (this.#rest.length === 0 || this.#catchesUp) return;
    this.#catchesUp = true;
    for (let next = this.#rest[0], at = 0; next !== undefined; next = this.#rest[++at]) next();
    this.#rest.length = 0;
    this.#catchesUp = false;
  }

  /** What people are told of a change waits until the switch has it, and may wait for other changes too. */
  later(telling: () => void): void {
    this.#tellings.push(telling);
  }

  /** Does what was left for later; events go behind the effects. */
  tell(): void {
    this.catchUp();
    const tellings = this.#tellings;
    if (tellings.length === 0) return;
    this.#tellings = [];
    for (const telling of tellings) telling();
  }

  /** Told later, in the order of calls. */
  event(record: HavipRecord, kind: EventKind, wallMs: number, text: string, details: EventDetails = {}): void {
    const { from = null, to = null, cause = null, phasesMs = null } = details;
    const { havip, epoch } = record;
    const vpc = this.network.vpcs[havip.vpc]?.id ?? '';
    // What was decided before is told before.
    this.catchUp();
    this.later(() => {
      const at = details.at ?? new Date(wallMs).toISOString();
      this.effects.push({ kind: 'event', event: { kind, at, havip: havip.id, vpc, epoch, from, to, cause, phasesMs, text } });
    });
  }
}

function uplinkedVpcs({ uplinks }: Network): ReadonlySet<number> {
  return new Set(uplinks.flatMap((uplink) => uplink?.vpc ?? []));
}
