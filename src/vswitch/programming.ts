/**
 * From a binding to the acknowledged entry: bindings of one turn become one transaction of the reconciler, and each is told when the
 * switch has it, which may be a retry later. Then the host's own neighbour entry follows. Main thread.
 */
import type { Rebinding } from '../base/binding.ts';
import type { Network } from '../base/network.ts';
import type { OnceLog } from '../base/log.ts';
import { GatewayNeighbours } from './neighbour.ts';
import type { Reconciler } from './reconciler.ts';
import type { Entry } from './vswitch.ts';
import { type Here, Ways } from './ways.ts';

export interface Programmed extends Rebinding {
  /** When the switch acknowledged. */
  readonly ackedNs: number;
}

export class Programming {
  readonly #reconciler: Reconciler;
  readonly #once: OnceLog;
  readonly #neighbours = new GatewayNeighbours();
  readonly #ways: Ways;
  /** Said to the reconciler and not acknowledged yet, by HAVIP. */
  readonly #open = new Map<number, Rebinding>();
  /** Said to the reconciler, and another was said before the answer: it may be on its way, and is then programmed for a moment. */
  readonly #asked = new Map<number, Rebinding>();

  constructor(reconciler: Reconciler, once: OnceLog, here: Here) {
    this.#reconciler = reconciler;
    this.#ways = new Ways((key, vtep) => reconciler.want((desired) => desired.reach(key, vtep)), here);
    this.#once = once;
  }

  configure(network: Network): void {
    this.#neighbours.configure(network);
    this.#ways.configure(network);
    if (this.#ways.tell()) this.#reconciler.flush();
  }

  /** What the switch holds at start, before the first flush. */
  adopt(found: readonly Entry[], network: Network): void {
    this.#ways.adopt(found);
    this.#ways.configure(network);
    this.#ways.tell();
  }

  /** Other hosts' machines, for who learns of them. */
  get ways(): Ways {
    return this.#ways;
  }

  /** True: a tunnel's table is to be changed. */
  tell(): boolean {
    return this.#ways.tell();
  }

  hold(bind: Rebinding): void {
    const earlier = this.#open.get(bind.havip);
    if (earlier !== undefined && this.#reconciler.isAsking && !this.#asked.has(bind.havip)) this.#asked.set(bind.havip, earlier);
    this.#reconciler.hold(bind.havip, bind.binding);
    this.#ways.hold(bind.havip, bind.binding);
    this.#ways.tell();
    this.#open.set(bind.havip, bind);
  }

  /** Commits what is open, in one transaction. */
  flush(onProgrammed: (programmed: Programmed) => void): void {
    const { ackedNs } = this.#reconciler.flush();
    this.#tell(ackedNs, onProgrammed);
  }

  /** The switch answered later than in the call that asked. */
  answered(ackedNs: number, onProgrammed: (programmed: Programmed) => void): void {
    for (const bind of this.#asked.values())
      if (this.#reconciler.has(bind.havip, bind.binding)) this.#done(bind, ackedNs, onProgrammed);
    this.#asked.clear();
    this.#tell(ackedNs, onProgrammed);
  }

  #tell(ackedNs: number, onProgrammed: (programmed: Programmed) => void): void {
    for (const [havip, bind] of this.#open) {
      if (!this.#reconciler.isProgrammed(havip)) continue;
      this.#open.delete(havip);
      this.#done(bind, ackedNs, onProgrammed);
    }
  }

  #done({ havip, epoch, capturedNs, binding }: Rebinding, ackedNs: number, onProgrammed: (programmed: Programmed) => void): void {
    onProgrammed({ havip, epoch, capturedNs, ackedNs, binding });
    const failed = this.#neighbours.hold(havip, binding);
    if (failed === null) this.#once.worked('neighbour');
    else this.#once.failed('neighbour', failed);
  }

  close(): void {
    this.#neighbours.close();
  }
}
