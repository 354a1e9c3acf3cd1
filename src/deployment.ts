/**
 * What the workers judge by, as the main thread hands it to them: the compiled policy and the table of holders. Main thread.
 *
 * A worker changes over between two batches by exchanging two pointers; the old policy's block is written over by the next but one.
 */
import type { Network } from './base/network.ts';
import { compilePolicy, type Policy, recompilePolicy } from './filter/policy.ts';
import { Holders } from './lane/holders.ts';
import type { Workers } from './workers.ts';

export class Deployment {
  readonly #workers: Workers | null;
  #holders = new Holders(0);
  #epoch = 0;
  #deployed: { readonly policy: Policy; readonly network: Network } | null = null;
  /** The one before: free once every worker judges by the one that is deployed. */
  #former: Policy | null = null;

  constructor(workers: Workers | null) {
    this.#workers = workers;
  }

  /** The port that holds the HAVIP now, -1 for none: workers tell a refresh from a change by it from the next frame on. */
  setHolder(havip: number, port: number): void {
    this.#holders.ports[havip] = port;
  }

  /** A new network; after the guard has it, so that nobody acts on a claim that the kernel still drops. */
  deploy(network: Network, holderPort: (havip: number) => number): void {
    this.#holders = new Holders(network.havips.length);
    for (const [havip, thing] of network.havips.entries()) if (thing !== null) this.setHolder(havip, holderPort(havip));
    if (this.#workers === null) return;
    const before = this.#deployed;
    const epoch = ++this.#epoch;
    const spare = this.#workers.settled ? this.#former : null;
    const policy =
      before === null ? compilePolicy(network, epoch) : recompilePolicy(before.policy, before.network, network, epoch, spare);
    this.#deployed = { policy, network };
    this.#former = before?.policy ?? null;
    this.#workers.setPolicy(policy, this.#holders);
    this.#workers.follow(network);
  }
}
