/**
 * The seed's network with IPv6: subnet-a by a policy of the test's choice, subnet-b `slaac` with a guest that routes, subnet-z (another
 * VPC) without any.
 */
import { must } from '../src/base/assert.ts';
import { type Ipv6, parseCidr6, parseIpv6 } from '../src/base/ipv6.ts';
import type { Network, Port, Subnet, SubnetIpv6 } from '../src/base/network.ts';
import { CVM4, seedNetwork } from './network.ts';

export type Ipv6Policy = 'listed' | 'slaac' | 'any';

const ip = (text: string): Ipv6 => must(parseIpv6(text), text);
const cidr = (text: string) => must(parseCidr6(text), text);

const A: Omit<SubnetIpv6, 'addresses'> = { cidr: cidr('fd00:16::/64'), gateway: ip('fd00:16::1'), routers: [ip('fe80::1')] };
const B: SubnetIpv6 = { cidr: cidr('fd00:32::/64'), gateway: ip('fd00:32::1'), routers: [], addresses: 'slaac' };
const LISTED = ['fd00:16::7', 'fd00:16::d', 'fd00:16::9', 'fd00:32::5'].map(ip);

export function ipv6Network(policy: Ipv6Policy): Network {
  const ipv6 = [policy === 'any' ? null : { ...A, addresses: policy }, B, null];
  const withIpv6 = (subnet: Subnet): Subnet => ({ ...subnet, ipv6: ipv6[subnet.index] ?? null });
  const addressesOf = ({ index, subnet }: Port): readonly Ipv6[] => {
    const listed = LISTED[index];
    return listed === undefined || (policy === 'any' && subnet === 0) ? [] : [listed];
  };
  const withAddresses = (port: Port): Port => ({ ...port, addresses6: addressesOf(port), router: port.index === CVM4 });
  return {
    ...seedNetwork,
    subnets: seedNetwork.subnets.map((subnet) => withIpv6(must(subnet, 'subnet'))),
    ports: seedNetwork.ports.map((port) => withAddresses(must(port, 'port'))),
  };
}
