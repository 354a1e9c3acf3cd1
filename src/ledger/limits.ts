/** The ledger's times and sizes. Every one is a default that a test or an operator may replace. */
export interface Limits {
  /** After a move, a claim that would move the HAVIP back waits this long; doubles up to waitMaxMs while that goes on. */
  readonly waitMs: number;
  readonly waitMaxMs: number;
  /** Without a move for so long, that wait starts over from waitMs. */
  readonly calmMs: number;
  /** So many moves within so long make a HAVIP contested. */
  readonly contestedMoves: number;
  readonly contestedMs: number;
  /**
   * A holder whose port is gone, or who resigned, keeps the binding so long if nobody claims. Longer than keepalived's longest
   * take-over with the default interval (3 intervals + skew, under 4 s) with room for a guest that reboots its daemon.
   */
  readonly graceMs: number;
  /** A repetition, after which the holder gave no sign of life for so long, was a take-over. */
  readonly repeatMs: number;
  /** Between two questions to a silent holder, how many, and between two rounds. */
  readonly verifyMs: number;
  readonly verifyAsks: number;
  readonly verifyAgainMs: number;
  /** Between two questions to a holder that talks. */
  readonly verifyTalkingMs: number;
  /** false: nobody can be asked, this is a replay. */
  readonly asks: boolean;
  /**
   * From carrier loss to the assisted resign: time for the same instance to show up on another port (QEMU announces itself the
   * moment the migrated guest runs, before the old tap goes) and for a carrier that only blinked.
   */
  readonly assistGuardMs: number;
  /** A likely successor that was told alone advertises within that, or the others are told too. */
  readonly successorMs: number;
  /** How long a failover waits for the first echo reply before it is reported without. */
  readonly reachableMs: number;
  /** Instances remembered per HAVIP; the one that was quiet longest goes first. */
  readonly claimants: number;
  /** Flight recorder: bytes over all HAVIPs. */
  readonly recorderBytes: number;
}

export const LIMITS: Limits = {
  waitMs: 1000,
  waitMaxMs: 10_000,
  calmMs: 30_000,
  contestedMoves: 5,
  contestedMs: 180_000,
  graceMs: 10_000,
  repeatMs: 10_000,
  verifyMs: 1000,
  verifyAsks: 3,
  verifyAgainMs: 30_000,
  verifyTalkingMs: 10_000,
  asks: true,
  assistGuardMs: 8,
  successorMs: 50,
  reachableMs: 5000,
  claimants: 16,
  recorderBytes: 16 * 1024 * 1024,
};

/** A time that has not come yet: before every other. */
export const NEVER = Number.NEGATIVE_INFINITY;

export const NS_PER_MS = 1e6;
