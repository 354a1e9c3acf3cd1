/** Whether the agent's main loop and its workers turn, and what it is still waiting for before it is ready. Main thread. */
import type { Clock } from '../base/clock.ts';
import type { Network } from '../base/network.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import type { Workers } from '../worker/crew.ts';

/** The main loop, or a worker, counts as turning while its last turn is not older than this. Each turns twice a second at least. */
const HEALTHY_MS = 5000;

/** What of the agent its health depends on. */
export interface Vitals {
  readonly clock: Clock;
  readonly network: Network;
  readonly workers: Workers | null;
  readonly ledger: Ledger;
  readonly reconciler: Reconciler;
}

export class Health {
  readonly #of: Vitals;
  #lastBeatNs: number;

  constructor(vitals: Vitals) {
    this.#of = vitals;
    this.#lastBeatNs = vitals.clock.nowNs();
  }

  /** A few times a second, from a timer of the main loop. */
  beat(): void {
    const { clock, ledger } = this.#of;
    this.#lastBeatNs = clock.nowNs();
    ledger.countFindings(this.#lastBeatNs);
  }

  /** The main loop turns, and every worker does. */
  isTurning(): boolean {
    const { clock, workers } = this.#of;
    const workersTurn = workers?.turnAgesNs().every((ageNs) => ageNs < HEALTHY_MS * 1e6) ?? true;
    return workersTurn && clock.nowNs() - this.#lastBeatNs < HEALTHY_MS * 1e6;
  }

  /** Ports of which the workers have not told yet what became of them. */
  unfollowed(): number {
    const { workers, network, ledger } = this.#of;
    if (workers === null) return 0;
    return network.ports.filter((port) => port !== null && ledger.linkState(port.index) === null).length;
  }

  /** null when every port is captured or waited for and the switch is in sync; else what is missing. */
  notReady(): string | null {
    const { workers, network, reconciler } = this.#of;
    if (workers !== null && !workers.haveObeyed) return 'workers are starting';
    const unfollowed = this.unfollowed();
    if (unfollowed > 0) {
      const ports = network.ports.filter((port) => port !== null).length;
      return `${unfollowed} of ${ports} ports are not followed yet`;
    }
    if (reconciler.trouble !== null) return `virtual switch: ${reconciler.trouble}`;
    return reconciler.inSync ? null : 'virtual switch is not in sync yet';
  }
}
