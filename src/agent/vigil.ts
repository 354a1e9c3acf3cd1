/**
 * The agent's life as the switch sees it. What pins traffic to a holder is kept there only while the agent lives: it says so again and
 * again, and when it has been silent for `failsafeSeconds` the kernel by itself lets the flow map, the fence and the virtual MACs go. The
 * bridge then learns as it would without an agent, a failover in that time works, and the guard stays. Main thread.
 *
 * After a start there may be holders from before. If the switch had let go meanwhile, another may hold it by now: the pins wait until
 * each holder has given a sign of life or lost the HAVIP, or until it has had the time for that.
 */
import type { Clock } from '../base/clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import type { Entry } from '../vswitch/vswitch.ts';

/** Three questions a second apart, and the time to answer the last. */
const DOUBT_MS = 4000;
/** A third of the time: two signs may be lost. */
const SIGNS = 3;

export class Vigil {
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #reconciler: Reconciler;
  #seconds: number;
  /** Adopted HAVIPs whose holder gave no sign yet; null: nothing is waited for any more. */
  #doubted: Set<number> | null = null;
  /** null: nobody was asked yet. */
  #doubtUntilNs: number | null = null;
  #renewedNs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, ledger: Ledger, reconciler: Reconciler, seconds: number) {
    this.#clock = clock;
    this.#ledger = ledger;
    this.#reconciler = reconciler;
    this.#seconds = seconds;
  }

  /** True when the switch had let go: then what it has of holders may be long over. */
  static wasSilent(found: readonly Entry[]): boolean {
    return !found.some(({ kind }) => kind === 'alive');
  }

  /** After the adoption of these HAVIPs, before the first flush. */
  begin(adopted: Iterable<number>, wasSilent: boolean): void {
    const doubted = new Set(adopted);
    if (wasSilent && doubted.size > 0) {
      this.#doubted = doubted;
    } else this.#pin();
  }

  configure(seconds: number): void {
    if (seconds === this.#seconds) return;
    this.#seconds = seconds;
    if (this.#doubted === null) this.#pin();
  }

  /** Many times in each of the intervals. */
  beat(): void {
    const nowNs = this.#clock.nowNs();
    this.#ledger.vrids.expire(nowNs);
    if (this.#doubted !== null) {
      // From here on: between adoption and the first question there are seconds on a busy machine, and a holder that is dead was pinned.
      this.#doubtUntilNs ??= nowNs + DOUBT_MS * 1e6;
      for (const havip of this.#doubted) if (!this.#ledger.isUnheard(havip)) this.#doubted.delete(havip);
      if (this.#doubted.size > 0 && nowNs < this.#doubtUntilNs) return;
      this.#doubted = null;
      this.#pin();
      this.#reconciler.flush();
      return;
    }
    // 0: for ever. Interfaces may have changed their bridge all the same.
    const everyNs = ((this.#seconds === 0 ? 10 : this.#seconds) * 1e9) / SIGNS;
    if (nowNs - this.#renewedNs < everyNs) return;
    this.#renewedNs = nowNs;
    this.#reconciler.renew();
  }

  #pin(): void {
    this.#renewedNs = this.#clock.nowNs();
    this.#reconciler.want((desired) => desired.keepAlive(this.#seconds));
  }
}
