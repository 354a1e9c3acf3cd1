/** What the kernel lists of the sets of EIPs, as entries. Pure. */
import { formatIpv4 } from '../../base/address.ts';
import type { Entry } from '../vswitch.ts';
import { eipPart, elementsOf } from './elements.ts';
import type { Element } from './keys.ts';

/** Under which what belongs to no EIP is listed, to be removed. */
const NOBODY = '0.0.0.0';

/** One that is not whole has a value of its elements, behind `damaged`. */
export function eipEntries(elements: readonly Element[]): Entry[] {
  const senders = new Map<string, string>();
  for (const { set, key, data } of elements) if (set === 'eip_out') senders.set(key.join(' '), data ?? NOBODY);
  const found = new Map<string, Element[]>();
  for (const one of elements) {
    const eip = eipOf(one, senders);
    const list = found.get(eip);
    if (list === undefined) found.set(eip, [one]);
    else list.push(one);
  }
  return Array.from(found, ([eip, list]) => entryOf(eip, list));
}

function eipOf({ set, key, data }: Element, senders: ReadonlyMap<string, string>): string {
  const [first = NOBODY] = key;
  if (set === 'eip_port') return formatIpv4(Number(first));
  if (set === 'eip_out') return data ?? NOBODY;
  return set === 'eip_go' ? (senders.get(key.join(' ')) ?? NOBODY) : first;
}

function entryOf(eip: string, list: readonly Element[]): Entry {
  const parts = list.map(eipPart).sort();
  const data = (name: string) => list.find(({ set }) => set === name)?.data ?? '';
  const [name = ''] = list.find(({ set }) => set === 'eip_out')?.key ?? [];
  const value = [data('eip_havip'), name, data('eip_mac'), data('eip_port'), data('eip_from')];
  const whole: Entry = { kind: 'eip', key: eip, value: value.join(' ') };
  if (!value.includes('') && elementsOf(whole).map(eipPart).sort().join(' ') === parts.join(' ')) return whole;
  return { ...whole, value: `damaged ${parts.join(' ')}` };
}
