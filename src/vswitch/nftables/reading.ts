/** What the kernel lists of our sets, as entries: elements.ts the other way round. Pure. */
import type { Entry } from '../vswitch.ts';
import { eipEntries } from './eip-reading.ts';
import { domainOf } from './domain.ts';
import { ALIVE, KIND_OF_SET } from './elements.ts';
import { type Element, flowMapOf, isByDomain } from './keys.ts';

/** What the structure of the table says of names that stand as numbers in elements. */
export interface Places {
  /** VPC of each hooked interface. */
  readonly vpcOf: ReadonlyMap<string, string>;
  /** By subnetOf(). */
  readonly subnets: Iterable<string>;
}

/**
 * The entries that these elements make up. A VPC that nothing else names is called by its domain; what stands in a map that no rule of
 * its VPC leads to is no entry. An incomplete holder's value is `damaged MAC|- fence|open INTERFACE...`.
 */
export function entriesOfElements(elements: readonly Element[], { vpcOf, subnets }: Places): Entry[] {
  const nameOf = new Map<string, string>();
  const learn = (name: string) => nameOf.set(domainOf(name), name);
  for (const vpc of vpcOf.values()) learn(vpc);
  for (const subnet of subnets) learn(subnet);
  for (const { set, comment } of elements) if (set === 'holder' && comment !== null) learn(comment.split(' ')[0] ?? '');
  const named = (domain: string) => nameOf.get(domain) ?? domain;
  const holders = new Holders();
  const owns = new Owns();
  const places = new HeldNames();
  const members = new Members();
  const eips: Element[] = [];
  const alive: Element[] = [];
  const entries: Entry[] = [];
  for (const one of elements) {
    const { set, key, data, comment } = one;
    const [first = '', second = '', third = ''] = key;
    const kind = KIND_OF_SET.get(set);
    if (kind !== undefined) {
      const place = isByDomain(set) ? [named(first), ...key.slice(1)] : key;
      entries.push({ kind, key: place.join(' '), value: '-' });
    } else if (set === 'sender') {
      entries.push({ kind: 'sender', key: `${first} ${second}`, value: second === third ? '-' : `damaged ${third}` });
    } else if (set === 'vrid') entries.push({ kind: 'vrid', key: `${named(first)} ${second}`, value: comment ?? 'damaged' });
    else if (set === 'alive') alive.push(one);
    else if (set.startsWith('eip')) eips.push(one);
    else if (set === 'vmacs') places.at(named(first), second).name = true;
    else if (set === 'vports') places.at(named(first), second).straight = data ?? '?';
    else if (set === 'vmember') members.at(first, second).member = true;
    else if (set === 'vown') members.at(first, second).own = data ?? '?';
    else if (set === 'vholder') places.at(vpcOf.get(first) ?? '-', second).holders.push(first);
    else if (set === 'own') owns.at(first, second).own = true;
    else if (set === 'speaks') owns.at(first, third).macs.push(second);
    else if (set === 'holder') {
      const vpc = comment?.split(' ')[0] || vpcOf.get(first) || '-';
      holders.at(vpc, second).at.push({ name: first, comment: comment ?? '' });
    } else if (set === flowMapOf(first)) holders.at(named(first), second).mac = data ?? '-';
    else if (set === 'fenced') holders.at(named(first), second).fence = 'fence';
  }
  if (alive.length > 0) entries.push({ kind: 'alive', key: '-', value: aliveValue(alive) });
  return [...entries, ...eipEntries(eips), ...owns.entries(), ...places.entries(), ...members.entries(), ...holders.entries()];
}

/** Parts of entries that are made of several elements, by the two parts of their key. */
class Parts<T> {
  readonly #parts = new Map<string, T>();
  readonly #none: () => T;
  readonly #entry: (key: string, part: T) => Entry;

  constructor(none: () => T, entry: (key: string, part: T) => Entry) {
    this.#none = none;
    this.#entry = entry;
  }

  at(first: string, second: string): T {
    const key = `${first} ${second}`;
    let part = this.#parts.get(key);
    if (part === undefined) this.#parts.set(key, (part = this.#none()));
    return part;
  }

  entries(): Entry[] {
    return Array.from(this.#parts, ([key, part]) => this.#entry(key, part));
  }
}

class Owns extends Parts<{ own: boolean; macs: string[] }> {
  constructor() {
    super(
      () => ({ own: false, macs: [] }),
      (key, { own, macs }) => {
        const [mac] = macs;
        const whole = own && macs.length === 1 && mac !== undefined;
        return { kind: 'own', key, value: whole ? mac : ['damaged', own ? 'own' : '-', ...macs].join(' ') };
      },
    );
  }
}

class HeldNames extends Parts<{ name: boolean; straight: string; holders: string[] }> {
  constructor() {
    super(
      () => ({ name: false, straight: '0', holders: [] }),
      (key, { name, straight, holders }) => {
        const said = [straight, ...holders.sort()];
        const value = name && holders.length > 0 ? said : ['damaged', straight, name ? 'name' : '-', ...holders];
        return { kind: 'place', key, value: value.join(' ') };
      },
    );
  }
}

class Members extends Parts<{ member: boolean; own: string }> {
  constructor() {
    super(
      () => ({ member: false, own: '-' }),
      (key, { member, own }) => ({ kind: 'vmember', key, value: member ? own : `damaged ${own} -` }),
    );
  }
}

function aliveValue(elements: readonly Element[]): string {
  const types = elements.map(({ key }) => key[0] ?? '').sort();
  const [timeoutMs = null, ...others] = new Set(elements.map((one) => one.timeoutMs));
  const whole = others.length === 0 && types.join(' ') === ALIVE.join(' ');
  return whole ? String((timeoutMs ?? 0) / 1000) : ['damaged', ...types].join(' ');
}

class Holders extends Parts<{ mac: string; fence: string; at: { name: string; comment: string }[] }> {
  constructor() {
    super(
      () => ({ mac: '-', fence: 'open', at: [] }),
      (key, { mac, fence, at }) => {
        const [one] = at;
        const said = /^\S+ (\d+) (\d+)$/.exec(one?.comment ?? '');
        const whole = at.length === 1 && one !== undefined && said !== null && mac !== '-';
        const value = whole
          ? `${one.name} ${mac} ${said[1]} ${said[2]} ${fence}`
          : ['damaged', mac, fence, ...at.map(({ name }) => name)].join(' ');
        return { kind: 'holder', key, value };
      },
    );
  }
}
