/** What the switch shall have: a network, a mode and who holds what, told to the tracker as entries. Pure; main thread. */
import { type Havip, mayClaim, type Network, NO_NETWORK } from '../base/network.ts';
import { eachEntry, holderKey, holderValue, type Holding, holdingOf, type Mode, touchedParts } from './entries.ts';
import type { Tracker } from './tracker.ts';

export class Desired {
  readonly #tracker: Tracker;
  #network: Network = NO_NETWORK;
  #mode: Mode = 'enforce';
  readonly #holdings = new Map<number, Holding>();

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  /** A new network or mode; only the entries that differ are touched. */
  configure(network: Network, mode: Mode): void {
    const before = this.#network;
    const touched = touchedParts(before, network);
    eachEntry(before, this.#mode, touched, (kind, key) => this.#tracker.want(kind, key, null));
    for (const [index] of this.#holdings) {
      const havip = before.havips[index];
      if (havip && touched.has(havip)) this.#tracker.want('holder', holderKey(before, havip), null);
    }
    this.#network = network;
    this.#mode = mode;
    eachEntry(network, mode, touched, (kind, key, value) => this.#tracker.want(kind, key, value));
    for (const [index, holding] of this.#holdings) {
      const havip = network.havips[index];
      if (!havip) this.#holdings.delete(index);
      else if (touched.has(havip)) this.#tracker.want('holder', holderKey(network, havip), holderValue(havip, holding));
    }
  }

  /** Who holds the HAVIP now; null: nobody. Returns the key of its entry; null: there is no such HAVIP. */
  hold(havipIndex: number, holding: Holding | null): string | null {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return null;
    if (holding === null) this.#holdings.delete(havipIndex);
    else this.#holdings.set(havipIndex, holding);
    const key = holderKey(this.#network, havip);
    this.#tracker.want('holder', key, holding === null ? null : holderValue(havip, holding));
    return key;
  }

  /** Takes over the holders that the switch has and that may still hold; returns them by HAVIP index. */
  adopt(): Map<number, Holding> {
    const found = new Map<number, Holding>();
    const ports = new Map(this.#network.ports.flatMap((port) => (port === null ? [] : [[port.interface, port] as const])));
    for (const havip of this.#network.havips) {
      if (havip === null || this.#holdings.has(havip.index)) continue;
      const value = this.#tracker.actual('holder', holderKey(this.#network, havip));
      const holding = value === null ? null : holdingOf(value);
      const port = holding === null ? undefined : ports.get(holding.interface);
      if (holding === null || port === undefined || !mayClaim(port, havip)) continue;
      found.set(havip.index, holding);
      this.hold(havip.index, holding);
    }
    return found;
  }

  /** The key of a HAVIP's entry; null: there is no such HAVIP. */
  keyOf(havipIndex: number): string | null {
    const havip: Havip | null | undefined = this.#network.havips[havipIndex];
    return havip ? holderKey(this.#network, havip) : null;
  }

  /** The switch has this holding, by its last acknowledgement, whether or not it is still wanted. */
  has(havipIndex: number, holding: Holding | null): boolean {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return false;
    const value = holding === null ? null : holderValue(havip, holding);
    return this.#tracker.actual('holder', holderKey(this.#network, havip)) === value;
  }
}
