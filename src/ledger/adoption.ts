/** Bindings across restarts: what the switch already holds is taken over. Main thread. */
import type { Binding } from '../base/binding.ts';
import { UNKNOWN } from '../base/binding.ts';
import { claimantElsewhere, portWithMac, uplinksOf } from '../base/elsewhere.ts';
import type { Mac } from '../base/mac.ts';
import type { Havip, Network, Uplink } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import type { Book, Sign } from './book.ts';
import { newClaimant } from './claimant.ts';
import type { HavipRecord } from './record.ts';

/** False when it may not be there; then the switch is to be told so. When the holder was last heard is not known. */
export function noteAdoption(book: Book, record: HavipRecord, binding: Binding, { atNs, wallMs }: Sign): boolean {
  const port = binding.port === null ? null : book.port(binding.port);
  const isHere = port !== null && mayClaim(port, record.havip);
  if (record.holder !== null || !(isHere || (binding.port === null && binding.host !== null))) return false;
  const { interface: name, host } = binding;
  const instance = isHere ? binding.instance : nameBeyond(book, record.havip, binding);
  if (instance === null) return false;
  const known = record.claimants.find((one) => one.instance === instance);
  const claimant = known ?? newClaimant(instance, port?.index ?? -1, binding.mac);
  if (host !== null) claimant.elsewhere = { host, uplink: name };
  if (known === undefined) record.claimants.push(claimant);
  record.holder = claimant;
  record.binding = { ...binding, instance };
  record.epoch = Math.max(record.epoch, binding.epoch);
  record.sinceMs = binding.sinceMs;
  book.bound++;
  book.seat(record);
  book.recorder.adopted(record.havip.index, port?.index ?? -1, atNs, wallMs, binding);
  const who = instance === UNKNOWN ? 'somebody' : instance;
  const text = `${who} holds it ${port === null ? 'beyond' : 'on'} ${name}, as the switch says`;
  book.event(record, 'adopted', wallMs, text, { to: instance === UNKNOWN ? null : instance });
  return true;
}

/** Whose MAC that is, as far as is known; null: nobody's who is believed there, and no store will say otherwise. */
function nameBeyond({ network, store }: Book, havip: Havip, { interface: name, mac, instance }: Binding): string | null {
  const uplink = uplinksOf(network, havip.vpc).find((one) => one.interface === name);
  if (uplink === undefined) return null;
  return ownerBeyond(network, uplink, havip, mac) ?? (store === 'none' ? null : instance);
}

export function ownerBeyond(network: Network, uplink: Uplink, havip: Havip, mac: Mac): string | null {
  const port = portWithMac(network, uplink.vpc, mac);
  if (port === null) return claimantElsewhere(network, uplink, havip, mac);
  return uplink.trust === 'members' && mayClaim(port, havip) ? port.instance : null;
}
