/** The last failovers of each HAVIP, since the agent started: bounded in all, so that one that flaps does not take the others' away. Main thread. */
import type { Failover } from '../ledger/effects.ts';

const PER_HAVIP = 20;
/** Of as many HAVIPs, those that failed over last. 1 MB. */
const HAVIPS = 1000;

export class History {
  /** By id of the HAVIP, the one that failed over longest ago first. */
  readonly #lists = new Map<string, Failover[]>();

  add(havip: string, failover: Failover): void {
    const list = this.#lists.get(havip) ?? [];
    this.#lists.delete(havip);
    this.#lists.set(havip, list);
    list.push(failover);
    if (list.length > PER_HAVIP) list.shift();
    const [oldest] = this.#lists.keys();
    if (this.#lists.size > HAVIPS && oldest !== undefined) this.#lists.delete(oldest);
  }

  /** Oldest first. */
  of(havip: string): readonly Failover[] {
    return this.#lists.get(havip) ?? [];
  }
}
