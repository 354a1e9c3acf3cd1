/** What is around the host as the API shows it: its ways to other hosts, its addresses outside, the hosts that share its store. Main thread. */
import type { Agent } from '../agent/agent.ts';
import { formatIpv4 } from '../base/address.ts';
import { UNKNOWN } from '../base/binding.ts';
import { placeOf } from '../base/elsewhere.ts';
import type { EipView, HostView, UplinkView } from './types.ts';

export function* uplinksOf({ network, ledger }: Agent): Iterable<UplinkView> {
  for (const uplink of network.uplinks) {
    if (uplink === null) continue;
    const { interface: name, trust, fdb } = uplink;
    const state = ledger.linkState(placeOf(uplink));
    yield {
      interface: name,
      vpc: network.vpcs[uplink.vpc]?.id ?? '',
      state: state === 'up' ? 'captured' : (state ?? 'unknown'),
      trust,
      fdb,
    };
  }
}

/** Those whose HAVIP is there. */
export function* eipsOf({ network, ledger, config }: Agent): Iterable<EipView> {
  for (const { id, address, havip } of network.eips ?? []) {
    const binding = ledger.bindingOf(havip);
    const host = binding?.host ?? null;
    yield {
      id,
      address: formatIpv4(address),
      havip: network.havips[havip]?.id ?? '',
      holder: binding === null ? null : { instance: binding.instance, host: host === UNKNOWN ? null : (host ?? config.host.id) },
      here: binding !== null && binding.port !== null,
    };
  }
}

/** Without a store nobody tells of others. */
export function* hostsOf({ sharing, config }: Pick<Agent, 'config'> & { readonly sharing: Known | null }): Iterable<HostView> {
  for (const [id, { vtep, version, startedMs }] of sharing?.hosts ?? [])
    yield {
      id,
      here: id === config.host.id,
      vtep,
      version,
      startedAt: new Date(startedMs).toISOString(),
    };
}

interface Known {
  readonly hosts: ReadonlyMap<string, { readonly vtep: string | null; readonly version: string; readonly startedMs: number }>;
}
