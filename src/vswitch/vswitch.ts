/**
 * VSwitch, one of the seams: policy and bindings out. A driver lists and commits entries; it knows nothing of claims,
 * time or retries. Those are the reconciler's, shared by all drivers.
 *
 * Of a driver two kinds of things are wanted. What it is *asked* for (list, commit, renew, cleanup) may take its time: a driver whose
 * switch answers within microseconds (a system call) returns when it has, one that waits for another process returns a promise. It is
 * asked one thing at a time. When it is asked before it has answered, the reconciler has given the answer up: the driver begins afresh,
 * say with a new connection, and rejects what was open. What is *looked up* (all the rest) is what the driver knows by now, and never
 * waits: who learns it from another process keeps a copy as that tells of changes, answers 0 or nothing until it has one, and says that
 * it has changed by watch(), or as the next renew() asks again.
 *
 * entries.ts says what a switch should hold, tracker.ts what differs, reconciler.ts commits it; programming.ts tells when a binding is
 * there. Each driver is a folder, and a row of drivers.ts.
 */
import type { Reason } from '../base/verdict.ts';

/**
 * What a flow table holds, as flat values that can be compared: `key` says which entry, `value` what it says. In the order in
 * which entries are created (removed in the reverse, strays last), so that an interface is hooked only when all it may do is in place.
 * Fields are separated by one blank; ids stand as labels (entries.ts). Text, for a key is one of a map, and both sides compare what they
 * say as a whole: of a claim's transaction of 65 us and more, reading its entry takes the driver 0.4 us, and making it 0.1.
 *
 *     kind     key               value                                   says
 *     guard    -                 enforce | audit                         the rules that all ports share
 *     sender   INTERFACE MAC     -                                       the port's own MAC
 *     virtual  INTERFACE         -                                       may send from VRRP virtual MACs: it may claim something
 *     option   INTERFACE MAC     -                                       the MAC that it may say in an option of neighbour discovery
 *     anysource INTERFACE        -                                       may send IPv4 packets from any address
 *     router   INTERFACE         -                                       may send router advertisements, redirects, DHCP offers, and from held HAVIPs
 *     own      INTERFACE IPV4    MAC                                     may use this fixed address, and its own MAC with it
 *     own      INTERFACE IPV6    -                                       may use this address
 *     claim    INTERFACE IPV4    -                                       may claim this HAVIP
 *     source   INTERFACE IPV4    -                                       may send from this HAVIP, which is not fenced
 *     fellow   INTERFACE IPV4    -                                       may send VRRP there: a fellow member's address
 *     peer     VPC/CIDR IPV4     -                                       the same for all of a subnet, where all may claim something
 *     taken    VPC IP            -                                       somebody's, or nobody's to have: only who has it as `own` may use it
 *     havip    VPC IPV4          -                                       a HAVIP
 *     vrid     VPC VRID          config | IPV4                           owned: by the configuration, or by this HAVIP's cluster, that lives with it
 *     vrider   INTERFACE VRID    -                                       may use it by multicast
 *     prefix   INTERFACE CIDR    -                                       may use any IPv6 address of this /64 that is not taken
 *     open     INTERFACE         -                                       may use any IPv6 address that is not taken
 *     place    VPC MAC           IFINDEX INTERFACE...                     a held virtual MAC: its holders, and where it is sent straight, or 0
 *     vmember  INTERFACE MAC     - | MAC                                 may send ARP and VRRP from it; who does not hold it, under this MAC of its own
 *     fdb      INTERFACE MAC     IPV4                                    a tunnel's table: behind which other end the MAC is
 *     holder   VPC IPV4          INTERFACE MAC EPOCH SINCE fence|open    flow map and fence of a bound HAVIP
 *     external INTERFACE         IFINDEX MAC GATEWAY-MAC CIDR,...        hooked: the way outside; to these prefixes nothing is translated
 *     eip      IPV4              HAVIP INTERFACE MAC IFINDEX FROM-MAC    an address outside, and the holder here that it leads to
 *     alive    -                 SECONDS                                 how long all about holders is kept unless renewed; 0: for ever
 *     port     INTERFACE         VPC CIDR MAC                            hooked: default deny; its subnet, where the flow map applies
 *     uplink   INTERFACE         VPC [program]                           hooked: flow map only; `program`: its `fdb` is ours alone
 *     shut     INTERFACE         -                                       hooked: nothing that comes in passes
 *     stray    KIND NAME         -                                       found in our table, not ours; never desired
 *
 * A driver that finds an entry incomplete lists it with a value that starts with `damaged`; nobody desires such a value, so the
 * entry is replaced.
 */
export const ENTRY_KINDS = [
  'guard',
  'external',
  'sender',
  'option',
  'virtual',
  'anysource',
  'router',
  'own',
  'claim',
  'source',
  'fellow',
  'peer',
  'taken',
  'havip',
  'vrid',
  'vrider',
  'prefix',
  'open',
  'place',
  'vmember',
  'fdb',
  'holder',
  'eip',
  'alive',
  'port',
  'uplink',
  'shut',
  'stray',
] as const;

export type EntryKind = (typeof ENTRY_KINDS)[number];

export interface Entry {
  readonly kind: EntryKind;
  readonly key: string;
  readonly value: string;
}

/** `before` null: create; `after` null: remove; both: replace. */
export interface Change {
  readonly before: Entry | null;
  readonly after: Entry | null;
}

/** An operating error: expected, retried by the reconciler, said once in one line. */
export class VSwitchError extends Error {
  override name = 'VSwitchError';
  readonly failure = 'virtual-switch';
  /** `unavailable`: cannot work on this host (no privilege, no kernel support). `refused`: this commit failed. */
  readonly kind: 'unavailable' | 'refused';
  constructor(kind: 'unavailable' | 'refused', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Reasons that only the kernel sees at work: bulk traffic never reaches the agent (capture/bpf.ts). Each has a counter of its own there. */
export const COUNTED_REASONS = [
  'source',
  'dhcp-offer',
  'redirect',
  'fence',
  'vmac-held',
  'unknown-port',
] as const satisfies readonly Reason[];
export type CountedReason = (typeof COUNTED_REASONS)[number];

/** Whose frames were dropped for such a reason within the last minute, and which address or MAC they had; one for each. */
export interface KernelRefusal {
  readonly reason: CountedReason;
  readonly interface: string;
  readonly what: string | null;
}

/** A port of a Linux bridge that nobody named, beside one of ours. */
export interface Beside {
  readonly interface: string;
  /** Another one when it comes again under the same name. */
  readonly index: number;
  /** As its driver calls it; empty for hardware. */
  readonly kind: string;
  readonly bridge: string;
  /** One of ours there. */
  readonly beside: string;
}

export interface VSwitch {
  readonly name: string;
  /** Where in the switch its entries are, in words. */
  readonly place: string;
  /** An interface that does not exist yet can be hooked. Otherwise its port must be committed again when it appears. */
  readonly hooksByName: boolean;
  /** What an operator should know of the switch on this host, a line each. */
  readonly notes: readonly string[];
  /** All entries of ours that the switch holds now, read back from it. Throws VSwitchError, or rejects with one. */
  list(): Entry[] | Promise<Entry[]>;
  /** All changes or none, in one transaction; done when the switch has acknowledged. Throws VSwitchError, or rejects with one. */
  commit(changes: readonly Change[]): void | Promise<void>;
  /** So many changes go to commit() at once all the same: it has an order of its own for them. Else they are split, kind by kind. */
  takesAtOnce?(changes: readonly Change[]): boolean;
  /** Keeps `alive` from running out, whose value is given; null: there is none. Throws VSwitchError, or rejects with one. */
  renew(alive: string | null): void | Promise<void>;
  /** Index of the interface by which frames can be sent straight to a port, past the bridge, as last known; 0: it is no port of a bridge. */
  forwardTo(interfaceName: string): number;
  /** Index of an interface, as last known; 0: it is not there. */
  indexOf(interfaceName: string): number;
  /** Who shares a bridge with one of these interfaces and is none of them; the same list while nothing has changed. Cheap, never waits. */
  beside(known: ReadonlySet<string>): readonly Beside[];
  /**
   * Interfaces whose frames somebody else forwards before the switch has dropped any, and why; the same map while nothing has changed. Known
   * some time after watch() was called. Cheap, never waits.
   */
  bypasses(): ReadonlyMap<string, string>;
  /** Somebody else may have changed the switch since the last call; cheap, never waits. */
  changed(): boolean;
  /**
   * Calls back soon after somebody else may have changed the switch or an interface, for the owner to ask changed() and beside(). Without
   * it the owner asks in time.
   */
  watch?(onChange: () => void): void;
  /** Packets from and to EIPs, by the switch's own count, as last known; never waits. */
  eipPackets(direction: 'in' | 'out'): number;
  /** Frames that the guard dropped (in audit: would have dropped), by the switch's own count, as last known; never waits. */
  guardDropped(): number;
  /** Those of them for this reason. */
  droppedFor(reason: CountedReason): number;
  refusals(): readonly KernelRefusal[];
  /** Removes all that is ours. Throws VSwitchError, or rejects with one. */
  cleanup(): void | Promise<void>;
  close(): void;
}
