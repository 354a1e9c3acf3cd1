/**
 * What the workers judge by, as the main thread hands it to them: the compiled policy and what is held. Main thread.
 *
 * A worker changes over between two batches by exchanging two pointers; the old policy's block is written over by the next but one.
 */
import type { Binding } from '../base/binding.ts';
import { macLow, vridOf } from '../base/mac.ts';
import { type Network, NO_NETWORK } from '../base/network.ts';
import { changedHavips } from '../base/sorted.ts';
import { compileElsewhere, type Elsewhere } from '../filter/elsewhere.ts';
import { compilePolicy, recompilePolicy } from '../filter/compile.ts';
import type { Policy } from '../filter/policy.ts';
import { Held } from '../filter/held.ts';
import { farHolder } from '../lane/far.ts';
import type { Workers } from './crew.ts';

export class Deployment {
  readonly #workers: Workers | null;
  #held = new Held({ havips: 0, vpcs: 0 });
  #elsewhere: Elsewhere | null = null;
  #generation = 0;
  #deployed: { readonly policy: Policy; readonly network: Network } | null = null;
  /** The one before: free once every worker judges by the one that is deployed. */
  #former: Policy | null = null;

  constructor(workers: Workers | null) {
    this.#workers = workers;
  }

  /** Who holds the HAVIP now: workers judge by it, and tell a refresh from a change, from the next frame on. */
  setHolder(havip: number, binding: Binding | null): void {
    const vpc = this.#deployed?.network.havips[havip]?.vpc;
    if (vpc !== undefined) this.#held.hold(vpc, havip, holderWord(binding), binding === null ? 0 : vridOf(binding.mac));
  }

  /** The VRIDs that the HAVIP's cluster lives with, where the configuration gives it none. */
  own(index: number, vrids: readonly number[]): void {
    const havip = this.#deployed?.network.havips[index] ?? null;
    if (havip !== null && havip.vrid === null) this.#held.own(havip.vpc, index, vrids);
  }

  /** What workers judge by; null: nothing is deployed yet. */
  get policy(): Policy | null {
    return this.#deployed?.policy.seeing(this.#held) ?? null;
  }

  /** A new network; after the guard has it, so that nobody acts on a claim that the kernel still drops. */
  deploy(network: Network, bindingOf: (havip: number) => Binding | null): void {
    const before = this.#deployed;
    const held = new Held({ havips: network.havips.length, vpcs: network.vpcs.length });
    held.copy(this.#held);
    this.#held = held;
    const policy = this.#compile(network);
    this.#deployed = { policy, network };
    for (const index of changedHavips(before?.network ?? NO_NETWORK, network)) {
      if (index >= network.havips.length) continue;
      const havip = network.havips[index] ?? null;
      held.hold(havip?.vpc ?? 0, index, -1, 0);
      if (havip === null || havip.vrid !== null) held.own(havip?.vpc ?? 0, index, havip?.vrid ? [havip.vrid] : []);
      if (havip !== null) this.setHolder(index, bindingOf(index));
    }
    this.#former = before?.policy ?? null;
    this.#workers?.setPolicy(policy, held, this.#compileElsewhere(before?.network ?? null, network));
    this.#workers?.follow(network);
  }

  #compileElsewhere(before: Network | null, network: Network): Elsewhere | null {
    if (
      before === null ||
      before.peers !== network.peers ||
      !isSame(before.ports, network.ports) ||
      !isSame(before.uplinks, network.uplinks)
    )
      this.#elsewhere = compileElsewhere(network);
    return this.#elsewhere;
  }

  #compile(network: Network): Policy {
    const before = this.#deployed;
    const generation = ++this.#generation;
    if (before === null) return compilePolicy(network, generation);
    const spare = this.#workers?.haveObeyed === false ? null : this.#former;
    return recompilePolicy(before.policy, before.network, network, generation, spare);
  }
}

function holderWord(binding: Binding | null): number {
  return binding === null ? -1 : (binding.port ?? farHolder(macLow(binding.mac)));
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
