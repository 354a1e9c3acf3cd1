/**
 * Ports of a switch that cannot hook an interface before it exists: when one appears, its hook has to be made, whatever the switch was
 * last heard to hold. Main thread.
 */
import type { Tracker } from './tracker.ts';
import type { EntryKind } from './vswitch.ts';

const HOOKS: readonly EntryKind[] = ['port', 'uplink'];

export class LateHooks {
  readonly #tracker: Tracker;
  /** Appeared while an answer was out, which may tell of the time before. */
  readonly #appeared = new Set<string>();

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  /** False: nothing of it is to be hooked. */
  appeared(name: string, isAsking: boolean): boolean {
    if (!HOOKS.some((kind) => this.#tracker.desires(kind, name))) return false;
    if (isAsking) this.#appeared.add(name);
    this.#damage(name);
    return true;
  }

  /** What was asked is answered. */
  answered(): void {
    for (const name of this.#appeared) this.#damage(name);
    this.#appeared.clear();
  }

  /** The chain, if it is still listed, hangs on an interface that is gone: `damaged` makes the driver build it anew. */
  #damage(name: string): void {
    for (const kind of HOOKS) if (this.#tracker.desires(kind, name)) this.#tracker.damage(kind, name);
  }
}
