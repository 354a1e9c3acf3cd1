/**
 * VSwitch, one of the three seams: policy and bindings out. A driver lists and commits entries; it knows nothing of claims,
 * time or retries. Those are the reconciler's, shared by all drivers.
 *
 * A driver whose switch answers within microseconds (a system call) returns when it has. One that waits for another process returns a
 * promise: it is asked one thing at a time, by list() or commit(). When it is asked before it has answered, the reconciler has given the
 * answer up: the driver begins afresh, say with a new connection, and rejects what was open.
 *
 * entries.ts says what a switch should hold, tracker.ts what differs, reconciler.ts commits it; programming.ts tells when a binding is
 * there. Each driver is a folder, and a row of drivers.ts.
 */

/**
 * What a flow table holds, as flat values that can be compared: `key` says which entry, `value` what it says. In the order in
 * which entries are created (removed in the reverse, strays last), so that an interface is hooked only when all it may do is in place.
 * Fields are separated by one blank; ids stand as labels (entries.ts).
 *
 *     kind     key               value                                   says
 *     guard    -                 enforce | audit                         the rules that all ports share
 *     sender   INTERFACE MAC     -                                       the port's own MAC
 *     virtual  INTERFACE         -                                       may send from VRRP virtual MACs: it may claim something
 *     option   INTERFACE MAC     -                                       the MAC that it may say in an option of neighbour discovery
 *     own      INTERFACE IP      -                                       may use this address, IPv4 or IPv6
 *     claim    INTERFACE IPV4    -                                       may claim this HAVIP
 *     taken    VPC IPV6          -                                       somebody's: only who has it as `own` may use it
 *     prefix   INTERFACE CIDR    -                                       may use any IPv6 address of this /64 that is not taken
 *     open     INTERFACE         -                                       may use any IPv6 address that is not taken
 *     router   INTERFACE         -                                       may advertise itself as IPv6 router
 *     holder   VPC IPV4          INTERFACE MAC EPOCH SINCE fence|open    flow map and fence of a bound HAVIP
 *     port     INTERFACE         VPC CIDR MAC                            hooked: default deny; its subnet, where the flow map applies
 *     uplink   INTERFACE         VPC                                     hooked: flow map only
 *     stray    KIND NAME         -                                       found in our table, not ours; never desired
 *
 * A driver that finds an entry incomplete lists it with a value that starts with `damaged`; nobody desires such a value, so the
 * entry is replaced.
 */
export const ENTRY_KINDS = [
  'guard',
  'sender',
  'option',
  'virtual',
  'own',
  'claim',
  'taken',
  'prefix',
  'open',
  'router',
  'holder',
  'port',
  'uplink',
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
  /** Somebody else may have changed the switch since the last call; cheap, never waits. */
  changed(): boolean;
  /** Calls back soon after somebody else may have changed the switch, for the owner to ask changed(). Without it the owner asks in time. */
  watch?(onChange: () => void): void;
  /** Frames that the guard dropped (in audit: would have dropped), by the switch's own count, as last known; never waits. */
  guardDropped(): number;
  /** Removes all that is ours. Throws VSwitchError, or rejects with one. */
  cleanup(): void | Promise<void>;
  close(): void;
}
