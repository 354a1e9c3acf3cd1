/**
 * What the HTTP API says, as types: the server's side fills them, `havip-agent status` reads them. Fields may be added, never
 * changed: scripts rely on them.
 */
import type { Refusal } from '../agent/refusals.ts';
import type { Config } from '../config/config.ts';
import type { LedgerEvent } from '../ledger/effects.ts';
import type { PortFinding } from '../ledger/port-findings.ts';
import type { HavipView as LedgerView } from '../ledger/view.ts';

export interface HavipView extends LedgerView {
  /** Present with a store: its revision of the binding, 0 for none; what is `provisional` others have yet to hear of. */
  readonly revision?: number;
  readonly provisional?: boolean;
  /** Present where it has one: its address outside. */
  readonly eip?: string;
}

/** `captured`, or what is waited for: that its interface comes up or appears, or that a worker tells of it. */
export type PortState = 'captured' | 'down' | 'absent' | 'unknown';

export interface PortView {
  readonly interface: string;
  readonly instance: string;
  readonly vpc: string;
  readonly subnet: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly state: PortState;
  /** Frames by reason; reasons that never occurred are left out. */
  readonly verdicts?: Readonly<Record<string, number>>;
  /** The last refused frame of each reason, the newest first. */
  readonly refused?: readonly RefusalView[];
}

/** Where frames of other hosts enter. */
export interface UplinkView {
  readonly interface: string;
  readonly vpc: string;
  readonly state: PortState;
  readonly trust: 'members' | 'none';
  readonly fdb: 'learn' | 'program' | 'evpn';
}

/** An address outside, and whom it leads to. */
export interface EipView {
  readonly id: string;
  readonly address: string;
  readonly havip: string;
  /** `host` null: another one, and nobody told which. */
  readonly holder: { readonly instance: string; readonly host: string | null } | null;
  /** This host has the holder, and speaks for it outside. */
  readonly here: boolean;
}

/** A host that shares the store, and whose agent is there. */
export interface HostView {
  readonly id: string;
  readonly here: boolean;
  readonly vtep: string | null;
  readonly version: string;
  readonly startedAt: string;
}

/** The last frame of a port that was refused for a reason. */
export interface RefusalView extends Refusal {
  readonly agoMs: number;
}

export interface EventView extends LedgerEvent {
  /** Counts up by one per event since the agent started. */
  readonly seq: number;
}

export type FailoverView = NonNullable<LedgerView['lastFailover']>;

export interface StatusView {
  readonly host: string;
  readonly version: string;
  readonly mode: Config['mode'];
  readonly driver: string;
  readonly ready: boolean;
  /** Why not; null when ready. */
  readonly reason: string | null;
  /** Frames dropped, by reason; reasons that never occurred are left out. */
  readonly drops: Readonly<Record<string, number>>;
  /** The kernel's own count. */
  readonly guardDropped: number;
  /** Where other hosts' frames enter. */
  readonly uplinks: readonly { readonly interface: string; readonly vpc: string }[];
  /** Present with a store: how this host stands with others. */
  readonly store?: {
    readonly state: 'synced' | 'away';
    /** The member that answers, or why none does. */
    readonly why: string;
    /** HAVIPs whose holder here the store has yet to hear of. */
    readonly pending: number;
    /** Hosts whose agent is there, this one included. */
    readonly hosts: number;
    /** The last one that the store told of. */
    readonly revision: number;
  };
  /** What is wrong with ports and subnets; each HAVIP has its own. */
  readonly findings: readonly PortFinding[];
  /** What an operator should know: hooks that must be re-made, assistance that is impossible, ... */
  readonly notes: readonly string[];
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };
