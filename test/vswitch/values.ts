/** Small values that several tests of the switch need. */
import { must } from '../../src/base/assert.ts';
import { type Binding, bindingHere } from '../../src/base/binding.ts';
import { type Mac, parseMac } from '../../src/base/mac.ts';
import type { Havip, Network } from '../../src/base/network.ts';
import { eachEntry, holderKey, holderValue, type Mode } from '../../src/vswitch/entries.ts';
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
