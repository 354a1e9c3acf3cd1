/** The VPCs of a configuration as sites to allocate in, each made when it is first asked for. */
import type { Ipv4 } from '../base/address.ts';
import type { Config, VpcConfig } from '../config/config.ts';
import { hasId } from '../config/ids.ts';
import { note, type Owner, type Site } from './rules.ts';

export class Sites {
  readonly config: Config;
  readonly #sites = new Map<string, Site>();
  /** What was allocated and released since the configuration was read: the VPC of an id, null where it is free again. */
  readonly #since = new Map<string, string | null>();

  constructor(config: Config) {
    this.config = config;
  }

  /** The VPC in which there is a HAVIP of this id; null: there is none. */
  vpcOfHavip(id: string): string | null {
    const since = this.#since.get(id);
    if (since !== undefined) return since;
    return this.config.vpcs.find(({ havips }) => hasId(havips, id))?.id ?? null;
  }

  noteHavip(id: string, vpc: string | null): void {
    this.#since.set(id, vpc);
  }

  /** null: there is no such VPC. */
  of(id: string): Site | null {
    const known = this.#sites.get(id);
    if (known !== undefined) return known;
    const vpc = this.config.vpcs.find((one) => one.id === id);
    if (vpc === undefined) return null;
    const site = siteOf(vpc, this.config);
    this.#sites.set(id, site);
    return site;
  }

  /** The VPC that has this subnet; null: none. */
  vpcOf(subnet: string): string | null {
    return this.config.vpcs.find(({ subnets }) => subnets.some(({ id }) => id === subnet))?.id ?? null;
  }
}

function siteOf(vpc: VpcConfig, { ports, peers }: Config): Site {
  const subnets = new Set(vpc.subnets.map(({ id }) => id));
  const owners = new Map<Ipv4, Owner>();
  const homes = new Map<string, Set<string>>();
  for (const { instance, subnet, interface: name, addresses } of ports) {
    homes.set(instance, (homes.get(instance) ?? new Set()).add(subnet));
    if (subnets.has(subnet)) for (const address of addresses) owners.set(address, { kind: 'fixed', name: `port ${name}` });
  }
  for (const peer of peers) {
    if (peer.vpc !== vpc.id) continue;
    for (const address of peer.addresses) owners.set(address, { kind: 'fixed', name: `${peer.instance}, on another host` });
  }
  const site = { vpc: vpc.id, quota: vpc.quota, subnets: vpc.subnets, owners, havips: 0, vrids: new Map(), homes };
  for (const havip of vpc.havips) note(site, havip, havip.address);
  return site;
}
