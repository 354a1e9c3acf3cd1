/** Whether a HAVIP may be held where this host does not look, as far as its ports tell. Pure; main thread. */
import { membersElsewhere } from '../base/elsewhere.ts';
import type { Havip, Network } from '../base/network.ts';
import { portsOf } from '../base/sorted.ts';
import type { Links } from './links.ts';

/** May somebody who is not reached through a port of this host claim the HAVIP? */
export function mayBeBeyond(network: Network, links: Links, havip: Havip): boolean {
  if (membersElsewhere(network, havip)?.length !== 0) return true;
  // A member whose port is down may have gone to another host.
  const here = portsOf(network, havip.subnet).filter(({ index }) => links.isUp(index));
  return !(havip.members ?? []).every((member) => here.some(({ instance }) => instance === member));
}
