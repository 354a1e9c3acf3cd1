/** The network of a simulated host: the guests that are on it, the HAVIPs of all, one uplink. */
import type { Network } from '../../src/base/network.ts';
import type { Stage } from './stage.ts';

export const VPC = 'vpc-1';
export const UPLINK = 'vx10';

const CIDR = { base: 0x0a000000, bits: 24 };

export function networkFor({ guests, havips }: Stage, host: string): Network {
  const members = guests.map(({ instance }) => instance);
  return {
    vpcs: [{ index: 0, id: VPC, cidr: CIDR }],
    subnets: [{ index: 0, id: 'subnet-a', vpc: 0, cidr: CIDR, gateway: null, ipv6: null, sources: 'checked' }],
    havips: havips.map((index) => ({
      index,
      id: `havip-${index}`,
      vpc: 0,
      subnet: 0,
      address: 0x0a000000 + 100 + index,
      members,
      fence: true,
      assist: null,
      verify: false,
      probe: false,
      vrid: null,
    })),
    ports: guests.map(({ instance, mac, hosts }, index) => {
      if (!hosts.includes(host)) return null;
      return {
        index,
        interface: `tap${index}`,
        instance,
        vpc: 0,
        subnet: 0,
        mac,
        addresses: [0x0a000000 + 10 + index],
        addresses6: [],
        router: false,
      };
    }),
    uplinks: [{ index: 0, interface: UPLINK, vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true }],
    peers: guests.flatMap(({ instance, mac, hosts }, index) => {
      return hosts.includes(host) ? [] : [{ instance, vpc: 0, mac, addresses: [0x0a000000 + 10 + index], vtep: null }];
    }),
  };
}
