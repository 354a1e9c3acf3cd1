/**
 * VSwitch, one of the three seams: policy and bindings out. A driver lists and commits entries; it knows nothing of claims,
 * time or retries. Those are the reconciler's, shared by all drivers.
 */

/**
 * What a flow table holds, as flat values that can be compared: `key` says which entry, `value` what it says.
 * The kinds, in the order in which a driver must be able to create them:
 *  - vpc      one forwarding domain
 *  - subnet   one per subnet: the flow map's scope
 *  - port     a guest's interface: hooked, default deny. value: vpc, subnet, mac
 *  - uplink   an interface through which other hosts' or networks' frames enter. value: vpc
 *  - own      (port, address): the port may use this fixed address
 *  - claim    (port, address): the port may claim this HAVIP
 *  - holder   (subnet, address): flow map and fence of a bound HAVIP. value: interface, mac, epoch, since, fence
 */
export type EntryKind = 'vpc' | 'subnet' | 'port' | 'uplink' | 'own' | 'claim' | 'holder';

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
  /** `unavailable`: cannot work on this host (no privilege, no kernel support). `refused`: this commit failed. */
  readonly kind: 'unavailable' | 'refused';
  constructor(kind: 'unavailable' | 'refused', message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface VSwitch {
  readonly name: string;
  /** All entries of ours that the switch holds now, read back from it. Throws VSwitchError. */
  list(): Entry[];
  /** All changes or none, in one transaction; returns when the switch has acknowledged. Throws VSwitchError. */
  commit(changes: readonly Change[]): void;
  /** Frames that the guard dropped, by the kernel's own count. */
  guardDropped(): number;
  /** Removes all that is ours. */
  cleanup(): void;
  close(): void;
}
