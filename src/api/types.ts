/**
 * What the HTTP API says, as types: the server's side fills them, `havip-agent status` reads them. Fields may be added, never
 * changed: scripts rely on them.
 */
import type { Config } from '../config/config.ts';
import type { EventKind } from '../ledger/effects.ts';

export type { HavipView } from '../ledger/view.ts';

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
}

export interface EventView {
  /** Counts up by one per event since the agent started. */
  readonly seq: number;
  readonly at: string;
  readonly kind: EventKind;
  readonly text: string;
}

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
  /** What an operator should know: hooks that must be re-made, assistance that is impossible, ... */
  readonly notes: readonly string[];
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };
