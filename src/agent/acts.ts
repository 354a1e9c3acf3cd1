/**
 * What follows from what the ledger decided: the switch first, then workers, other hosts and people. Main thread.
 *
 *     decide()  bindings, as one transaction, until the ledger has nothing more to say; frames that a backup waits for go at once
 *     tell()    the rest, which can wait until the switch has it; people wait until what other hosts are told is on its way, too
 */
import type { Clock } from '../base/clock.ts';
import type { Network } from '../base/network.ts';
import type { BindEffect, Effect } from '../ledger/effects.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Programmed, Programming } from '../vswitch/programming.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import type { Deployment } from '../worker/deployment.ts';
import type { Outbox } from './outbox.ts';
import type { Owning } from './owning.ts';
import type { Sharing } from './sharing.ts';
import type { Observations } from './timings.ts';
import type { Upkeep } from './upkeep.ts';

/** The agent, of which some parts change while it runs, or are made later than this. */
export interface Actor {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly reconciler: Reconciler;
  readonly network: Network;
  readonly outbox: Outbox;
  readonly sharing: Sharing | null;
  readonly upkeep: Upkeep;
}

export interface ActsParts {
  readonly programming: Programming;
  readonly deployment: Deployment;
  readonly owning: Owning;
  readonly observe: Partial<Observations>;
}

export class Acts {
  readonly #of: Actor;
  readonly #programming: Programming;
  readonly #deployment: Deployment;
  readonly #owning: Owning;
  readonly #observe: Partial<Observations>;
  /** People are told at the end of this turn of the event loop, of this network. */
  #later: { readonly network: Network; readonly immediate: NodeJS.Immediate } | null = null;

  constructor(of: Actor, { programming, deployment, owning, observe }: ActsParts) {
    this.#of = of;
    this.#programming = programming;
    this.#deployment = deployment;
    this.#owning = owning;
    this.#observe = observe;
  }

  act(): void {
    this.decide();
    this.tell();
  }

  /** Programs what the ledger decided, until it has nothing more to say: an acknowledged commit makes it say more. */
  decide(): void {
    const { clock, ledger, reconciler, sharing } = this.#of;
    for (let effects = ledger.decisions(); effects.length > 0; effects = ledger.decisions()) {
      for (const effect of effects) {
        if (effect.kind === 'bind') {
          this.#programming.hold(effect);
          this.#deployment.setHolder(effect.havip, effect.binding);
          sharing?.bound(effect.havip, effect.binding);
        } else this.#put(effect);
      }
      this.program();
    }
    const isDue = reconciler.nextRetryNs !== null && clock.nowNs() >= reconciler.nextRetryNs;
    if (this.#programming.tell() || this.#owning.tell() || isDue) this.program();
  }

  /** Commits what is open, and tries again what is due. */
  program(): void {
    this.#programming.flush((programmed) => this.#programmed(programmed));
  }

  /** The switch has answered, later than in the turn that asked; and what waited for that goes now. */
  answered(atNs: number): void {
    this.#programming.answered(atNs, (programmed) => this.#programmed(programmed));
    this.decide();
    this.program();
    this.tell();
  }

  /** People and probes can wait until the switch has it. */
  tell(): void {
    const { ledger, network, outbox, sharing } = this.#of;
    if (this.#later !== null && this.#later.network !== network) this.tellPeople();
    for (const effect of ledger.drain()) if (effect.kind !== 'bind') this.#put(effect);
    const sent = sharing?.flush() ?? false;
    if (this.#later !== null) return;
    // A connection writes when the present callback is over, and the lines of 50 HAVIPs take longer than their transaction.
    if (sent) this.#later = { network, immediate: setImmediate(() => this.tellPeople()) };
    else outbox.tell(network);
  }

  /** What they still wait for. */
  tellPeople(): void {
    if (this.#later === null) return;
    const { network, immediate } = this.#later;
    clearImmediate(immediate);
    this.#later = null;
    this.#of.outbox.tell(network);
  }

  #put(effect: Exclude<Effect, BindEffect>): void {
    if (effect.kind === 'propose') this.#of.sharing?.propose(effect);
    else this.#of.outbox.put(effect, this.#of.network);
  }

  #programmed({ havip, epoch, capturedNs, ackedNs, binding }: Programmed): void {
    const { ledger, network, outbox, sharing, upkeep } = this.#of;
    outbox.programmed(havip, binding, network);
    if (capturedNs !== null) this.#observe.claimToProgrammed?.((ackedNs - capturedNs) / 1e9);
    ledger.programmed(havip, epoch, ackedNs);
    upkeep.outside?.programmed(havip);
    sharing?.programmed(havip, ackedNs);
  }
}
