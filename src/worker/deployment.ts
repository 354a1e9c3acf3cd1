/**
 * What the workers judge by, as the main thread hands it to them: the compiled policy and the table of holders. Main thread.
 *
 * A worker changes over between two batches by exchanging two pointers; the old policy's block is written over by the next but one.
 */
import { changedHavips, type Network, NO_NETWORK } from '../base/network.ts';
import { compilePolicy, type Policy, recompilePolicy } from '../filter/policy.ts';
import { Holders } from '../lane/lane.ts';
import type { Workers } from './crew.ts';

export class Deployment {
  readonly #workers: Workers | null;
  #holders = new Holders(0);
  #generation = 0;
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

  /** Who that is as far as workers were told. */
  holderOf(havip: number): number {
    return this.#holders.ports[havip] ?? -1;
  }

  /** A new network; after the guard has it, so that nobody acts on a claim that the kernel still drops. */
  deploy(network: Network, holderPort: (havip: number) => number): void {
    const before = this.#deployed;
    const holders = new Holders(network.havips.length);
    holders.ports.set(this.#holders.ports.subarray(0, network.havips.length));
    for (const havip of changedHavips(before?.network ?? NO_NETWORK, network)) {
      if (havip < network.havips.length) holders.ports[havip] = network.havips[havip] === null ? -1 : holderPort(havip);
    }
    this.#holders = holders;
    const policy = this.#compile(network);
    this.#deployed = { policy, network };
    this.#former = before?.policy ?? null;
    this.#workers?.setPolicy(policy, holders);
    this.#workers?.follow(network);
  }

  #compile(network: Network): Policy {
    const before = this.#deployed;
    const generation = ++this.#generation;
    if (before === null) return compilePolicy(network, generation);
    const spare = this.#workers?.haveObeyed === false ? null : this.#former;
    return recompilePolicy(before.policy, before.network, network, generation, spare);
  }
}
