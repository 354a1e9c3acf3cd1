/** The ports of this host, as the store shall have them: by them other hosts know who an instance's MAC is, and believe its bindings. */
import { formatIpv4 } from '../base/address.ts';
import { formatMac } from '../base/mac.ts';
import type { Network, Port } from '../base/network.ts';
import type { Fabric } from '../fabric/fabric.ts';
import type { PortRecord } from '../fabric/records.ts';

export class Publishing {
  readonly #fabric: Pick<Fabric, 'publishPort'>;
  readonly #vtep: string | null;
  /** By `VPC INTERFACE`, as text. */
  readonly #published = new Map<string, { readonly vpc: string; readonly name: string; readonly text: string }>();

  constructor(fabric: Pick<Fabric, 'publishPort'>, vtep: string | null) {
    this.#fabric = fabric;
    this.#vtep = vtep;
  }

  configure(network: Network): void {
    const wanted = new Set<string>();
    for (const port of network.ports) {
      if (port === null) continue;
      const vpc = network.vpcs[port.vpc]?.id ?? '';
      const record = this.#recordOf(port, network);
      const [key, name, text] = [`${vpc} ${port.interface}`, port.interface, JSON.stringify(record)];
      wanted.add(key);
      if (this.#published.get(key)?.text === text) continue;
      this.#published.set(key, { vpc, name, text });
      this.#fabric.publishPort(vpc, name, record);
    }
    for (const [key, { vpc, name }] of this.#published) {
      if (wanted.has(key)) continue;
      this.#published.delete(key);
      this.#fabric.publishPort(vpc, name, null);
    }
  }

  #recordOf({ instance, subnet, mac, addresses }: Port, network: Network): PortRecord {
    const vtep = this.#vtep;
    return {
      instance,
      subnet: network.subnets[subnet]?.id ?? '',
      mac: formatMac(mac),
      addresses: addresses.map(formatIpv4),
      vtep,
    };
  }
}
