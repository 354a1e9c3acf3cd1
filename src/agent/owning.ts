/** Tells guard and workers whose a VRID is, by what was heard. Main thread. */
import type { Ledger } from '../ledger/ledger.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import type { Deployment } from '../worker/deployment.ts';

export class Owning {
  readonly #ledger: Ledger;
  readonly #reconciler: Reconciler;
  readonly #deployment: Deployment;

  constructor(ledger: Ledger, reconciler: Reconciler, deployment: Deployment) {
    this.#ledger = ledger;
    this.#reconciler = reconciler;
    this.#deployment = deployment;
  }

  /** What the switch has from before. */
  adopt(nowNs: number): void {
    const { vrids } = this.#ledger;
    for (const [havip, found] of this.#reconciler.want((desired) => desired.adoptVrids())) vrids.adopt(havip, found, nowNs);
    this.tell();
  }

  /** True: something changed, and the switch is to be flushed. */
  tell(): boolean {
    const { vrids } = this.#ledger;
    const changed = vrids.takeChanged();
    for (const havip of changed) {
      const owned = vrids.vridsOf(havip);
      this.#reconciler.want((desired) => desired.own(havip, owned));
      this.#deployment.own(havip, owned);
    }
    return changed.length > 0;
  }

  /** The workers know nothing yet. */
  tellAll(): void {
    this.#ledger.vrids.tellAgain();
    this.tell();
  }
}
