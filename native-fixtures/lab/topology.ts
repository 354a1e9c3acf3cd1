/**
 * The lab's one topology: the reference configuration's addresses, and around them what tests need.
 *
 *     vpc-1 172.17.0.0/16, bridge br1 of the host (one multicast domain for the whole VPC)
 *       subnet-a 172.17.16.0/24, gateway .1 on br1; havip-1 172.17.16.3 (members cvm-1, cvm-2)
 *         tap7   cvm-1  .7      tap13  cvm-2  .13     tap9   cvm-3  .9 (no member)     tap100 client .100
 *       subnet-b 172.17.32.0/24, gateway .1 on br1; havip-2 172.17.32.3 (whole subnet)
 *         tap5   cvm-4  .5
 *     vpc-2 172.17.0.0/16, bridge br2: the same addresses for another tenant
 *       subnet-c 172.17.16.0/24; havip-9 172.17.16.3
 *         tap97  cvm-9  .7
 *
 * With IPv6, 172.17.16.100 is fd00:16::64 too, and br1 is the router fe80::1 and fd00:16::1.
 */
export interface GuestSpec {
  readonly instance: string;
  readonly tap: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly address: string;
  /** Used in a lab with IPv6. */
  readonly address6: string;
  readonly mac: string;
  readonly gateway: string | null;
  /** Unicast VRRP peers. */
  readonly peers: readonly string[];
}

export const HAVIP = '172.17.16.3';

/** br2 has no address of its own: the host would have the same subnet twice. */
export const BRIDGES = [
  { name: 'br1', mac: '02:00:ac:11:10:01', addresses: ['172.17.16.1/24', '172.17.32.1/24'] },
  { name: 'br2', mac: '02:01:ac:11:10:01', addresses: [] },
] as const;

/** Of br1, in a lab with IPv6. */
export const BRIDGE_IPV6 = ['fe80::1/64', 'fd00:16::1/64', 'fd00:32::1/64'] as const;

export const GUESTS: readonly GuestSpec[] = [
  guest('cvm-1', 'tap7', 'subnet-a', '172.17.16.7', '02:00:ac:11:10:07', ['172.17.16.13']),
  guest('cvm-2', 'tap13', 'subnet-a', '172.17.16.13', '02:00:ac:11:10:0d', ['172.17.16.7']),
  guest('cvm-3', 'tap9', 'subnet-a', '172.17.16.9', '02:00:ac:11:10:09', []),
  guest('client', 'tap100', 'subnet-a', '172.17.16.100', '02:00:ac:11:10:64', []),
  guest('cvm-4', 'tap5', 'subnet-b', '172.17.32.5', '02:00:ac:11:20:05', []),
  { ...guest('cvm-9', 'tap97', 'subnet-c', '172.17.16.7', '02:01:ac:11:10:07', []), bridge: 'br2', gateway: null },
];

function guest(instance: string, tap: string, subnet: string, address: string, mac: string, peers: string[]): GuestSpec {
  const [, , net = '', host = ''] = address.split('.');
  const address6 = `fd00:${net}::${Number(host).toString(16)}`;
  return { instance, tap, bridge: 'br1', subnet, address, address6, mac, gateway: address.replace(/\d+$/, '1'), peers };
}

/** The agent's configuration, as far as the lab writes it. */
export interface AgentConfig {
  host: { id: string; vtep?: string };
  vpcs: {
    id: string;
    cidr: string;
    quota?: number;
    subnets: ({ id: string; cidr: string; gateway?: string } & Record<string, unknown>)[];
    havips: ({ id: string; subnet: string; address: string; members?: string[] } & Record<string, unknown>)[];
  }[];
  ports: { interface: string; instance: string; subnet: string; mac: string; addresses: string[] }[];
  eips?: { id: string; address: string; havip: string }[];
  external?: { interface: string; gateway: string; notNat?: string[] };
  uplinks?: ({ interface: string; vpc: string } & Record<string, unknown>)[];
  peers?: { instance: string; vpc: string; mac: string; addresses: string[]; vtep?: string }[];
  store?: { endpoints: string[] } & Record<string, unknown>;
  capture?: Record<string, unknown>;
  vswitch?: Record<string, unknown>;
  mode?: 'enforce' | 'audit';
  http: { listen: string };
  log?: { level: string };
}

/** A fresh configuration for the guests that are there; the caller may change it. */
export function agentConfig(guests: readonly GuestSpec[], listen: string): AgentConfig {
  return {
    host: { id: 'host-a' },
    vpcs: [
      {
        id: 'vpc-1',
        cidr: '172.17.0.0/16',
        subnets: [
          { id: 'subnet-a', cidr: '172.17.16.0/24', gateway: '172.17.16.1' },
          { id: 'subnet-b', cidr: '172.17.32.0/24', gateway: '172.17.32.1' },
        ],
        havips: [
          { id: 'havip-1', subnet: 'subnet-a', address: HAVIP, members: ['cvm-1', 'cvm-2'] },
          { id: 'havip-2', subnet: 'subnet-b', address: '172.17.32.3' },
        ],
      },
      {
        id: 'vpc-2',
        cidr: '172.17.0.0/16',
        subnets: [{ id: 'subnet-c', cidr: '172.17.16.0/24' }],
        havips: [{ id: 'havip-9', subnet: 'subnet-c', address: HAVIP }],
      },
    ],
    ports: guests.map((each) => ({
      interface: each.tap,
      instance: each.instance,
      subnet: each.subnet,
      mac: each.mac,
      addresses: [each.address],
    })),
    http: { listen },
  };
}
