/** The seed's network as a value, for tests of pure parts: two guests of subnet-a, a stranger, another subnet, another VPC. */
import { must } from '../src/base/assert.ts';
import { parseCidr, parseIpv4 } from '../src/base/address.ts';
import { parseMac } from '../src/base/mac.ts';
import type { Havip, Network, Port } from '../src/base/network.ts';

const cidr = (text: string) => must(parseCidr(text), text);
const ip = (text: string) => must(parseIpv4(text), text);
const mac = (text: string) => must(parseMac(text), text);

export const MAC1 = '02:00:ac:11:10:07';
export const MAC2 = '02:00:ac:11:10:0d';
export const MAC3 = '02:00:ac:11:10:09';
export const MAC4 = '02:00:ac:11:20:05';
export const MAC6 = '02:00:ac:11:10:06';
export const MAC9 = '02:00:ac:22:10:07';

/** Port indices, by instance. */
export const CVM1 = 0;
export const CVM2 = 1;
export const CVM3 = 2;
export const CVM4 = 3;
export const CVM9 = 4;
/** In `bareNetwork` alone. */
export const CVM6 = 5;

export const HAVIP1 = 0;
export const HAVIP2 = 1;
/** A HAVIP without members: every machine of subnet-a may claim it. */
export const HAVIP_OPEN = 2;

function port(
  index: number,
  name: string,
  instance: string,
  vpc: number,
  subnet: number,
  hardware: string,
  address: string | null,
): Port {
  return {
    index,
    interface: name,
    instance,
    vpc,
    subnet,
    mac: mac(hardware),
    addresses: address === null ? [] : [ip(address)],
    addresses6: [],
    router: false,
  };
}

function havip(index: number, id: string, subnet: number, address: string, members: string[] | null): Havip {
  return {
    index,
    id,
    vpc: 0,
    subnet,
    address: ip(address),
    members,
    fence: true,
    vrid: null,
    assist: null,
    verify: false,
    probe: false,
  };
}

export const seedNetwork: Network = {
  vpcs: [
    { index: 0, id: 'vpc-1', cidr: cidr('172.17.0.0/16') },
    { index: 1, id: 'vpc-2', cidr: cidr('172.17.0.0/16') },
  ],
  subnets: [
    {
      index: 0,
      id: 'subnet-a',
      vpc: 0,
      cidr: cidr('172.17.16.0/24'),
      gateway: ip('172.17.16.1'),
      sources: 'checked',
      ipv6: null,
    },
    { index: 1, id: 'subnet-b', vpc: 0, cidr: cidr('172.17.32.0/24'), gateway: null, sources: 'checked', ipv6: null },
    { index: 2, id: 'subnet-z', vpc: 1, cidr: cidr('172.17.16.0/24'), gateway: null, sources: 'checked', ipv6: null },
  ],
  havips: [
    havip(HAVIP1, 'havip-1', 0, '172.17.16.3', ['cvm-1', 'cvm-2']),
    havip(HAVIP2, 'havip-2', 1, '172.17.32.3', null),
    havip(HAVIP_OPEN, 'havip-3', 0, '172.17.16.33', null),
  ],
  ports: [
    port(CVM1, 'tap7', 'cvm-1', 0, 0, MAC1, '172.17.16.7'),
    port(CVM2, 'tap13', 'cvm-2', 0, 0, MAC2, '172.17.16.13'),
    port(CVM3, 'tap9', 'cvm-3', 0, 0, MAC3, '172.17.16.9'),
    port(CVM4, 'tap5', 'cvm-4', 0, 1, MAC4, '172.17.32.5'),
    port(CVM9, 'tap99', 'cvm-9', 1, 2, MAC9, '172.17.16.7'),
  ],
  uplinks: [],
  peers: [],
};

/** The same and one more guest of subnet-a, whose port has no fixed address: all it may say is a HAVIP that is open to all. */
export const bareNetwork: Network = {
  ...seedNetwork,
  ports: [...seedNetwork.ports, port(CVM6, 'tap6', 'cvm-6', 0, 0, MAC6, null)],
};
