/**
 * What things are called in the store, where they are in the ledger: `VPC HAVIP` there, an index here. The protocol's directory, as far as
 * this host is configured. Main thread.
 */
import { parseMac } from '../base/mac.ts';
import type { Havip, Network } from '../base/network.ts';
import type { Directory } from '../fabric/claimed.ts';
import type { BindingRecord } from '../fabric/records.ts';
import { FAILOVER_CAUSES } from '../ledger/effects.ts';
import type { StoredBinding } from '../ledger/stored.ts';

export class SharedNames implements Directory {
  readonly #host: string;
  #network: Network;
  /** `VPC HAVIP` -> index. */
  #havips = new Map<string, number>();

  constructor(host: string, network: Network) {
    this.#host = host;
    this.#network = network;
  }

  configure(network: Network): void {
    this.#network = network;
    this.#havips = new Map();
    for (const havip of network.havips) if (havip !== null) this.#havips.set(`${this.vpcOf(havip)} ${havip.id}`, havip.index);
  }

  havip(vpc: string, id: string): { readonly subnet: string; readonly members: readonly string[] | null } | null {
    const havip = this.find(vpc, id);
    return havip === null ? null : { subnet: this.#network.subnets[havip.subnet]?.id ?? '', members: havip.members };
  }

  find(vpc: string, id: string): Havip | null {
    return this.#network.havips[this.#havips.get(`${vpc} ${id}`) ?? -1] ?? null;
  }

  vpcOf({ vpc }: Pick<Havip, 'vpc'>): string {
    return this.#network.vpcs[vpc]?.id ?? '';
  }

  /** The store's binding as the ledger takes it; null: nobody, or somebody whom this host has no way to. */
  storedOf(
    havip: Havip,
    { instance, host, mac: macText, sinceMs, holdMs, cause: why }: BindingRecord,
    revision: number,
  ): StoredBinding | null {
    const mac = parseMac(macText ?? '');
    if (instance === null || mac === null) return null;
    const isHere = host === this.#host;
    const uplink = this.#network.uplinks.find((one) => one?.vpc === havip.vpc)?.interface ?? null;
    if (!isHere && uplink === null) return null;
    const cause = FAILOVER_CAUSES.find((one) => one === why) ?? null;
    return { instance, host: isHere ? null : host, uplink: isHere ? null : uplink, mac, revision, sinceMs, holdMs, cause };
  }
}

/** VPCs of which this host has a port or an uplink: nobody else's bindings are any of its business. */
export function followedVpcs(network: Network): string[] {
  const here = new Set<number>(network.uplinks.flatMap((one) => one?.vpc ?? []));
  for (const port of network.ports) if (port !== null) here.add(port.vpc);
  return network.vpcs.flatMap((vpc) => (vpc !== null && here.has(vpc.index) ? [vpc.id] : []));
}
