/** What the switch shall have: a network, a mode and who holds what, told to the tracker as entries. Pure; main thread. */
import type { Binding } from '../base/binding.ts';
import { uplinksOf } from '../base/elsewhere.ts';
import { type Havip, mayClaim, type Network, NO_NETWORK } from '../base/network.ts';
import { bindingOf, eachEntry, holderKey, holderValue, type Mode, touchedParts } from './entries.ts';
import type { Tracker } from './tracker.ts';

export class Desired {
  readonly #tracker: Tracker;
  #network: Network = NO_NETWORK;
  #mode: Mode = 'enforce';
  readonly #bindings = new Map<number, Binding>();

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  /** A new network or mode; only the entries that differ are touched. */
  configure(network: Network, mode: Mode): void {
    const before = this.#network;
    const touched = touchedParts(before, network);
    eachEntry(before, this.#mode, touched, (kind, key) => this.#tracker.want(kind, key, null));
    for (const [index] of this.#bindings) {
      const havip = before.havips[index];
      if (havip && touched.has(havip)) this.#tracker.want('holder', holderKey(before, havip), null);
    }
    this.#network = network;
    this.#mode = mode;
    eachEntry(network, mode, touched, (kind, key, value) => this.#tracker.want(kind, key, value));
    for (const [index, binding] of this.#bindings) {
      const havip = network.havips[index];
      if (!havip) this.#bindings.delete(index);
      else if (touched.has(havip)) this.#tracker.want('holder', holderKey(network, havip), holderValue(havip, binding));
    }
  }

  /** Who holds the HAVIP now; null: nobody. Returns the key of its entry; null: there is no such HAVIP. */
  hold(havipIndex: number, binding: Binding | null): string | null {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return null;
    if (binding === null) this.#bindings.delete(havipIndex);
    else this.#bindings.set(havipIndex, binding);
    const key = holderKey(this.#network, havip);
    this.#tracker.want('holder', key, binding === null ? null : holderValue(havip, binding));
    return key;
  }

  /** Takes over the holders that the switch has and that may still hold; returns them by HAVIP index. */
  adopt(): Map<number, Binding> {
    const found = new Map<number, Binding>();
    const ports = new Map(this.#network.ports.flatMap((port) => (port === null ? [] : [[port.interface, port] as const])));
    for (const havip of this.#network.havips) {
      if (havip === null || this.#bindings.has(havip.index)) continue;
      const value = this.#tracker.actual('holder', holderKey(this.#network, havip));
      const binding = value === null ? null : bindingOf(value, ports, uplinksOf(this.#network, havip.vpc));
      const port = binding === null ? undefined : ports.get(binding.interface);
      // Who holds it on another host was judged there.
      if (binding === null || (binding.port !== null && (port === undefined || !mayClaim(port, havip)))) continue;
      found.set(havip.index, binding);
      this.hold(havip.index, binding);
    }
    return found;
  }

  /** The key of a HAVIP's entry; null: there is no such HAVIP. */
  keyOf(havipIndex: number): string | null {
    const havip: Havip | null | undefined = this.#network.havips[havipIndex];
    return havip ? holderKey(this.#network, havip) : null;
  }

  /** The switch has this binding, by its last acknowledgement, whether or not it is still wanted. */
  has(havipIndex: number, binding: Binding | null): boolean {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return false;
    const value = binding === null ? null : holderValue(havip, binding);
    return this.#tracker.actual('holder', holderKey(this.#network, havip)) === value;
  }
}
