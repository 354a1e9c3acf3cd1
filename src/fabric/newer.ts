/**
 * P6: a claim of this host was beaten by a binding. Is the claim the newer act, so that it is proposed once more on top?
 *
 * In touch with the store, arrival decides: what came before the START was known to it, and what came after is the newer one, but for the
 * time that two acts may cross. Out of touch nobody can order them, and the wall clocks of both hosts choose. They can never make two
 * holders: whatever they say, the store still takes one write after another.
 */
import type { Doubt } from './belief.ts';
import type { Ruler } from './claimed.ts';
import type { Pending } from './proposals.ts';
import type { BindingRecord } from './records.ts';

/** A START so shortly before the arrival of what beat it may be the newer act all the same: then the ledger's rules choose. */
const CROSSING_NS = 1000e6;
/** Wall clocks of two hosts that differ by less say nothing. */
const WALL_MARGIN_MS = 2000;

const NEVER_VALID = new Set<Doubt | null>(['not-member', 'foreign-mac']);

export interface Held {
  readonly binding: BindingRecord | null;
  readonly doubt: Doubt | null;
}

export interface Here {
  readonly host: string;
  readonly boot: string;
  readonly ruler: Ruler;
}

export type Newer = (pending: Pending, held: Held, here: Here, atNs: number) => boolean;

export const isNewer: Newer = ({ claim, ordered }, { binding, doubt }, { host, boot, ruler }, atNs) => {
  if (binding === null || binding.instance === null) return claim.instance !== null;
  // Nobody withdraws for another host.
  if (claim.instance === null) return binding.host === host;
  if (NEVER_VALID.has(doubt)) return true;
  // Of one host the later claim is the newer one; it knew the earlier.
  if (binding.host === host && binding.id.startsWith(`${boot}.`)) return true;
  if (!ordered) return claim.startMs > binding.startMs + WALL_MARGIN_MS;
  return atNs - claim.startNs < CROSSING_NS && ruler.stillMoves(claim, binding, atNs);
};
