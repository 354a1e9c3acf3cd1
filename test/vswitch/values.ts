/** Small values that several tests of the switch need. */
import { must } from '../../src/base/assert.ts';
import { type Binding, bindingHere } from '../../src/base/binding.ts';
import { type Mac, parseMac } from '../../src/base/mac.ts';
import type { Havip, Network } from '../../src/base/network.ts';
import { eachEntry, entryId, holderKey, holderValue, type Mode } from '../../src/vswitch/entries.ts';
import type { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import type { Reason } from '../../src/base/verdict.ts';
import type { SwitchLog } from '../../src/vswitch/trouble.ts';
import type { Entry } from '../../src/vswitch/vswitch.ts';
import { seedNetwork } from '../network.ts';

export function macOf(text: string): Mac {
  return must(parseMac(text), text);
}

/** Bound to a port of the seed's network, by the name of its interface. */
export function boundTo(name: string, mac: string, epoch: number, sinceMs: number): Binding {
  const port = must(
    seedNetwork.ports.find((one) => one?.interface === name),
    name,
  );
  return bindingHere(port, macOf(mac), epoch, sinceMs);
}

/** All entries but the holders. */
export function entriesOf(network: Network, mode: Mode): Entry[] {
  const entries: Entry[] = [];
  eachEntry(network, mode, null, (kind, key, value) => entries.push({ kind, key, value }));
  return entries;
}

export function holderEntry(network: Network, havip: Havip, binding: Binding): Entry {
  return { kind: 'holder', key: holderKey(network, havip), value: holderValue(havip, binding) };
}

export function holdersOf(held: readonly (readonly [havip: number, Binding])[], network: Network = seedNetwork): Entry[] {
  return held.map(([index, binding]) => holderEntry(network, must(network.havips[index], 'a HAVIP'), binding));
}

/** Entries as sorted text. */
export function texts(entries: readonly Entry[]): string[] {
  return entries.map((item) => `${entryId(item)} = ${item.value}`).sort();
}

/** A stranger removes the n-th entry, also while the agent cannot reach the switch. */
export function loseOne(vswitch: MemorySwitch, number: number): void {
  const wasUnavailable = vswitch.unavailable;
  vswitch.unavailable = false;
  const entries = vswitch.list();
  vswitch.unavailable = wasUnavailable;
  const item = entries[number % Math.max(1, entries.length)];
  if (item !== undefined) vswitch.drift(entryId(item), null);
}

/** The same with one HAVIP as the seed has it, fenced or not; null: released. */
export function withHavip(network: Network, index: number, fence: boolean | null): Network {
  const havip = fence === null ? null : { ...must(seedNetwork.havips[index], 'a HAVIP'), fence };
  return { ...network, havips: network.havips.with(index, havip) };
}

/** Keeps what was said. */
export class KeptLog implements SwitchLog {
  readonly lines: string[] = [];
  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }
  info(message: string): void {
    this.lines.push(`info ${message}`);
  }
}

/** The same with so many more HAVIPs of the first one's kind. */
export function withMore(network: Network, count: number): Network {
  const havip = must(network.havips[0], 'a HAVIP');
  const more = Array.from({ length: count }, (_, i) => {
    const index = network.havips.length + i;
    return { ...havip, id: `more-${i}`, index, address: 0x0a00_0000 + i };
  });
  return { ...network, havips: [...network.havips, ...more] };
}
/** Reasons that no IPv4 frame can have. */
export const OF_IPV6: readonly Reason[] = [
  'nd-malformed',
  'nd-hidden',
  'router-advert',
  'redirect',
  'nd-checksum',
  'foreign-vrrp',
];
