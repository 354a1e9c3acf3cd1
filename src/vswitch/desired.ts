/** What the switch shall have: a network, a mode and who holds what, told to the tracker as entries. Pure; main thread. */
import type { Binding } from '../base/binding.ts';
import { uplinksOf } from '../base/elsewhere.ts';
import { type Havip, type Network, NO_NETWORK } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { bindingOf, eachEntry, holderKey, holderValue, type Mode, touchedParts } from './entries.ts';
import { Eips, type Outside } from './eips.ts';
import { Names } from './names.ts';
import type { Tracker } from './tracker.ts';
import type { VSwitch } from './vswitch.ts';

export class Desired {
  readonly #tracker: Tracker;
  #network: Network = NO_NETWORK;
  #mode: Mode = 'enforce';
  readonly #bindings = new Map<number, Binding>();
  readonly #names: Names;
  readonly #eips: Eips;
  #shut: ReadonlyMap<string, number> = new Map();

  /** @param forwardTo index of the interface by which the switch can send straight to a port; 0: it cannot */
  constructor(tracker: Tracker, vswitch: Pick<VSwitch, 'forwardTo' | 'indexOf'>) {
    const forwardTo = (name: string) => vswitch.forwardTo(name);
    const indexOf = (name: string) => vswitch.indexOf(name);
    this.#tracker = tracker;
    this.#names = new Names((kind, key, value) => tracker.want(kind, key, value), this.#bindings, forwardTo);
    this.#eips = new Eips((kind, key, value) => tracker.want(kind, key, value), this.#bindings, indexOf);
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
    this.#names.configure(network);
    this.#eips.configure(network);
  }

  /** Who holds the HAVIP now; null: nobody. Returns the key of its entry; null: there is no such HAVIP. */
  hold(havipIndex: number, binding: Binding | null): string | null {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return null;
    const before = this.#bindings.get(havipIndex) ?? null;
    if (binding === null) this.#bindings.delete(havipIndex);
    else this.#bindings.set(havipIndex, binding);
    this.#names.hold(havip, before, binding);
    this.#eips.hold(havipIndex);
    const key = holderKey(this.#network, havip);
    this.#tracker.want('holder', key, binding === null ? null : holderValue(havip, binding));
    return key;
  }

  /** The VRIDs that a HAVIP's cluster lives with. */
  own(havipIndex: number, vrids: readonly number[]): void {
    const havip = this.#network.havips[havipIndex];
    if (havip) this.#names.own(havip, vrids);
  }

  /** An interface came, went or changed its bridge; null: some may have. Returns whether something is to be told the switch. */
  moved(interfaceName: string | null): boolean {
    const moved = this.#eips.moved(interfaceName);
    return this.#names.moved(interfaceName) || moved;
  }

  /**
   * From these interfaces nothing passes; by name, the index of each. The kernel may have taken the hook away with the interface, and the
   * next one of its name has none: so what is said anew is made anew. Returns whether something is to be told the switch.
   */
  shut(interfaces: ReadonlyMap<string, number>): boolean {
    let differs = false;
    for (const [name, index] of this.#shut) {
      if (interfaces.get(name) === index) continue;
      this.#tracker.damage('shut', name);
      this.#tracker.want('shut', name, null);
      differs = true;
    }
    for (const [name, index] of interfaces) {
      if (this.#shut.get(name) === index) continue;
      this.#tracker.want('shut', name, '-');
      differs = true;
    }
    this.#shut = interfaces;
    return differs;
  }

  /** `INTERFACE MAC` of a tunnel's table, and the other end; null: not to be there. */
  reach(key: string, vtep: string | null): void {
    this.#tracker.want('fdb', key, vtep);
  }

  /** The way outside; null: nobody knows it. Returns whether something is to be told the switch. */
  leads(outside: Outside | null): boolean {
    return this.#eips.leads(outside);
  }

  /** How long the switch keeps what pins traffic to holders when nobody renews it; 0: for ever; null: it is not kept yet. */
  keepAlive(seconds: number | null): void {
    this.#tracker.want('alive', '-', seconds === null ? null : String(seconds));
  }

  /** VRIDs that a cluster lives with, as the switch has them from before, by HAVIP. */
  adoptVrids(): Map<number, number[]> {
    const found = new Map<number, number[]>();
    for (const [key, owner] of this.#tracker.actuals('vrid')) {
      const [vpc = '', vrid] = key.split(' ');
      const havip = this.#network.havips.find((one) => one !== null && holderKey(this.#network, one) === `${vpc} ${owner}`);
      if (!havip || havip.vrid !== null) continue;
      found.set(havip.index, [...(found.get(havip.index) ?? []), Number(vrid)]);
    }
    return found;
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
