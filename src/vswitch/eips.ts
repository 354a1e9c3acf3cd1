/**
 * Addresses of the outside and the holders here that they lead to, as entries, told to the tracker one by one: in the same transaction as the
 * holder itself. Pure but for the question where a port can be forwarded to; main thread.
 */
import { formatCidr, formatIpv4 } from '../base/address.ts';
import type { Binding } from '../base/binding.ts';
import { formatMac, type Mac } from '../base/mac.ts';
import type { Eip, Network } from '../base/network.ts';
import type { EntryKind } from './vswitch.ts';

type Want = (kind: EntryKind, key: string, value: string | null) => void;

/** The way outside, as it is now. */
export interface Outside {
  readonly interface: string;
  readonly ifindex: number;
  readonly mac: Mac;
  /** Of the gateway there. */
  readonly gateway: Mac;
  /** From which MAC a guest of this subnet, by its index, gets what comes in. */
  readonly from: (subnet: number) => Mac;
}

export class Eips {
  readonly #want: Want;
  readonly #bindings: ReadonlyMap<number, Binding>;
  readonly #indexOf: (interfaceName: string) => number;
  #network: Network | null = null;
  #outside: Outside | null = null;
  /** By HAVIP. */
  #eips = new Map<number, Eip>();
  /** By kind and key of the entry, its value as told last. */
  readonly #told = new Map<string, string>();

  /** @param indexOf of an interface that is there; else 0 */
  constructor(want: Want, bindings: ReadonlyMap<number, Binding>, indexOf: (interfaceName: string) => number) {
    this.#want = want;
    this.#bindings = bindings;
    this.#indexOf = indexOf;
  }

  /** The map of bindings is that of the new network. */
  configure(network: Network): void {
    this.#network = network;
    this.#eips = new Map((network.eips ?? []).map((eip) => [eip.havip, eip]));
    this.#tellAll();
  }

  /** Null: there is none, or nobody knows it yet. Returns whether something is to be told the switch. */
  leads(outside: Outside | null): boolean {
    this.#outside = outside;
    return this.#tellAll();
  }

  /** The map of bindings has the new one. */
  hold(havip: number): void {
    const eip = this.#eips.get(havip);
    if (eip !== undefined) this.#tell('eip', formatIpv4(eip.address), this.#valueOf(eip));
  }

  /** The interface came or went; null: some may have. Returns whether something is to be told the switch. */
  moved(interfaceName: string | null): boolean {
    let differs = false;
    for (const eip of this.#eips.values()) {
      const at = this.#bindings.get(eip.havip)?.interface;
      if (at !== undefined && (interfaceName === null || at === interfaceName))
        differs = this.#tell('eip', formatIpv4(eip.address), this.#valueOf(eip)) || differs;
    }
    return differs;
  }

  #tellAll(): boolean {
    const wanted = new Map<string, readonly [kind: 'eip' | 'external', key: string, value: string]>();
    const take = (kind: 'eip' | 'external', key: string, value: string) => wanted.set(`${kind} ${key}`, [kind, key, value]);
    const outside = this.#outside;
    const external = this.#network?.external ?? null;
    if (outside !== null && external !== null) {
      const inside = external.notNat.map(formatCidr).join(',');
      const way = `${outside.ifindex} ${formatMac(outside.mac)} ${formatMac(outside.gateway)} ${inside}`;
      take('external', outside.interface, way.trimEnd());
      for (const eip of this.#eips.values()) {
        const value = this.#valueOf(eip);
        if (value !== null) take('eip', formatIpv4(eip.address), value);
      }
    }
    let differs = false;
    for (const id of this.#told.keys()) {
      const [kind, key = ''] = id.split(' ');
      if (!wanted.has(id)) differs = this.#tell(kind === 'eip' ? 'eip' : 'external', key, null) || differs;
    }
    for (const [kind, key, value] of wanted.values()) differs = this.#tell(kind, key, value) || differs;
    return differs;
  }

  /** null: its holder is not here, or the way outside is not known. */
  #valueOf(eip: Eip): string | null {
    const havip = this.#network?.havips[eip.havip];
    const binding = this.#bindings.get(eip.havip);
    if (this.#outside === null || !havip || binding === undefined || binding.port === null) return null;
    const ifindex = this.#indexOf(binding.interface);
    if (ifindex === 0) return null;
    const from = formatMac(this.#outside.from(havip.subnet));
    return `${formatIpv4(havip.address)} ${binding.interface} ${formatMac(binding.mac)} ${ifindex} ${from}`;
  }

  #tell(kind: 'eip' | 'external', key: string, value: string | null): boolean {
    const id = `${kind} ${key}`;
    if ((this.#told.get(id) ?? null) === value) return false;
    if (value === null) this.#told.delete(id);
    else this.#told.set(id, value);
    this.#want(kind, key, value);
    return true;
  }
}
