/** IPv6 in a configuration: what it means, and every mistake with what would be right. */
import { describe, expect, it } from 'vitest';
import { formatMistake, parseConfig } from '../../src/config/config.ts';

const SUBNET = 'ipv6: { cidr: "fd00:16::/64", gateway: "fd00:16::1", routers: ["fe80::1"], addresses: listed }';
const port = (name: string, octet: string, addresses: string, more = '') =>
  `  - { interface: ${name}, instance: ${name}, subnet: s, mac: "02:00:ac:11:10:${octet}", addresses: [${addresses}]${more} }`;

/** Lines 6 to 8 are subnets, the ports begin in line 10. */
function configuration({ subnet = SUBNET, other = '', ports = [port('tap7', '07', '"fd00:16::7"')] } = {}): string {
  return `host: { id: h }
vpcs:
  - id: v
    cidr: 10.0.0.0/8
    subnets:
      - { id: s, cidr: 10.0.0.0/24${subnet === '' ? '' : `, ${subnet}`} }
      - { id: t, cidr: 10.0.1.0/24${other === '' ? '' : `, ${other}`} }
      - { id: u, cidr: 10.0.2.0/24 }
ports:
${ports.join('\n')}
`;
}

const mistakesOf = (text: string) => {
  const parsed = parseConfig(text, 'f');
  return parsed.ok
    ? []
    : parsed.mistakes.map((mistake) =>
        formatMistake(mistake)
          .replace(/^f:/, '')
          .replace(/:\d+: /, ' '),
      );
};

describe('IPv6 in a configuration', () => {
  it('is resolved, each address in its canonical form', () => {
    const parsed = parseConfig(
      configuration({
        subnet: 'ipv6: { cidr: "FD00:16:0::/64", gateway: "fd00:16:0:0::1", routers: ["FE80::1"] }',
        ports: [port('tap7', '07', '10.0.0.7, "FD00:16:0::7", "fe80::7"'), port('tap9', '09', '', ', router: true')],
      }),
    );
    expect(parsed).toMatchObject({ ok: true });
    if (!parsed.ok) return;
    const [subnet, other] = parsed.config.vpcs[0]?.subnets ?? [];
    const cidr = { base: 'fd00:16::', bits: 64 };
    expect(subnet?.ipv6).toEqual({ cidr, gateway: 'fd00:16::1', routers: ['fe80::1'], addresses: 'listed' });
    expect(other?.ipv6).toBeNull();
    expect(parsed.config.ports).toMatchObject([
      { addresses: [0x0a00_0007], addresses6: ['fd00:16::7', 'fe80::7'], router: false },
      { addresses: [], addresses6: [], router: true },
    ]);
  });

  const right: [string, string][] = [
    ['link-local addresses alone need no `ipv6`', configuration({ subnet: '', ports: [port('tap7', '07', '"fe80::7"')] })],
    ['what a port makes of its MAC may be listed', configuration({ ports: [port('tap7', '07', '"fe80::acff:fe11:1007"')] })],
    [
      'two subnets with the same router',
      configuration({ other: 'ipv6: { cidr: "fd00:32::/64", gateway: "fe80::1", routers: ["fe80::1"] }' }),
    ],
    ['a router that is a guest', configuration({ ports: [port('tap7', '07', '"fe80::1", "fd00:16::1"', ', router: true')] })],
    [
      'a router by its MAC that is a guest',
      configuration({
        subnet: 'ipv6: { cidr: "fd00:16::/64", routers: ["fe80::acff:fe11:1007"] }',
        ports: [port('tap7', '07', '', ', router: true')],
      }),
    ],
    ['a long prefix', configuration({ subnet: 'ipv6: { cidr: "fd00:16::/120" }' })],
  ];
  it.each(right)('%s', (_says, text) => {
    expect(mistakesOf(text)).toEqual([]);
  });

  const rows: [says: string, text: string, mistakes: string[]][] = [
    [
      'no address',
      configuration({ ports: [port('tap7', '07', '"fd00:16::g"')] }),
      ['10 ports[0].addresses[0]: "fd00:16::g" is not an IPv6 address; write it like fd00:16::7'],
    ],
    [
      'a zone',
      configuration({ ports: [port('tap7', '07', '"fe80::1%eth0"')] }),
      ['10 ports[0].addresses[0]: "fe80::1%eth0" is not an IPv6 address; write it like fd00:16::7; leave out the zone behind %'],
    ],
    [
      'multicast, loopback, IPv4-mapped',
      configuration({ ports: [port('tap7', '07', '"ff02::1", "::1", "::ffff:10.0.0.1", "::"')] }),
      ['ff02::1', '::1', '::ffff:10.0.0.1', '::'].map(
        (text, i) =>
          `10 ports[0].addresses[${i}]: ${text} is no address of a machine (multicast, unspecified, loopback or IPv4-mapped)`,
      ),
    ],
    [
      'an address without `ipv6`',
      configuration({ subnet: '' }),
      [
        '10 ports[0].addresses[0]: fd00:16::7: s has no `ipv6`; give it `ipv6: { cidr: ... }` that fd00:16::7 is in, or leave the address out',
      ],
    ],
    [
      'outside the prefix',
      configuration({ ports: [port('tap7', '07', '"fd00:17::7"')] }),
      ['10 ports[0].addresses[0]: fd00:17::7 is outside s (fd00:16::/64); choose an address of that prefix'],
    ],
    [
      'the anycast address',
      configuration({ ports: [port('tap7', '07', '"fd00:16::"')] }),
      [
        '10 ports[0].addresses[0]: fd00:16:: is the subnet-router anycast address of s (fd00:16::/64); choose another address of that prefix',
      ],
    ],
    [
      'the gateway and a router',
      configuration({ ports: [port('tap7', '07', '"fd00:16::1", "fe80::1"')] }),
      ['fd00:16::1 is the gateway of s', 'fe80::1 is a router of s'].map(
        (what, i) =>
          `10 ports[0].addresses[${i}]: ${what}; choose another address, or give the port \`router: true\` if it is that router`,
      ),
    ],
    [
      'a neighbour’s',
      configuration({ ports: [port('tap7', '07', '"fd00:16::7"'), port('tap9', '09', '"fd00:16:0::7"')] }),
      ['11 ports[1].addresses[0]: fd00:16::7 already belongs to port tap7; choose a free address'],
    ],
    [
      'what a neighbour makes of its MAC',
      configuration({ ports: [port('tap7', '07', '"fe80::acff:fe11:1009", "fd00:16::acff:fe11:1009"'), port('tap9', '09', '')] }),
      ['fe80::acff:fe11:1009', 'fd00:16::acff:fe11:1009'].map(
        (text, i) =>
          `10 ports[0].addresses[${i}]: ${text} already belongs to port tap9, which makes it of its MAC; choose a free address`,
      ),
    ],
    [
      'twice',
      configuration({ ports: [port('tap7', '07', '"fd00:16::7", "FD00:16::7"')] }),
      ['10 ports[0].addresses[1]: fd00:16::7 is listed twice; list it once'],
    ],
    [
      'a prefix that is none',
      configuration({ subnet: 'ipv6: { cidr: "fd00:16::7/64" }', ports: [] }).replace('ports:\n', ''),
      [
        "6 vpcs[0].subnets[0].ipv6.cidr: fd00:16::7/64 has bits set beyond its /64: it names a host, not a network; write the network's first address",
      ],
    ],
    [
      'a prefix of IPv4, of link-local addresses, of multicast',
      configuration({ subnet: 'ipv6: { cidr: 10.0.0.0/24 }', other: 'ipv6: { cidr: "fe80::/64" }', ports: [] }).replace(
        'ports:\n',
        '',
      ),
      [
        '6 vpcs[0].subnets[0].ipv6.cidr: "10.0.0.0/24" is not an IPv6 prefix; write it like fd00:16::/64',
        '7 vpcs[0].subnets[1].ipv6.cidr: fe80::/64 is not a prefix that a subnet can have; link-local addresses need none, write a global or unique local prefix',
      ],
    ],
    [
      '`slaac` with a long prefix',
      configuration({ subnet: 'ipv6: { cidr: "fd00:16::/72", addresses: slaac }' }),
      [
        '6 vpcs[0].subnets[0].ipv6.addresses: `slaac` needs a prefix of 64 bits, fd00:16::/72 has 72; write `listed`, or a /64 as `cidr`',
      ],
    ],
    [
      'an unknown policy, an unknown key',
      configuration({ subnet: 'ipv6: { cidr: "fd00:16::/64", addresses: all, router: "fe80::1" }' }),
      [
        '6 vpcs[0].subnets[0].ipv6.addresses: must be listed or slaac, not "all"',
        '6 vpcs[0].subnets[0].ipv6.router: unknown key "router"; did you mean "routers"?',
      ],
    ],
    [
      'a gateway outside, a router that is not link-local',
      configuration({ subnet: 'ipv6: { cidr: "fd00:16::/64", gateway: "fd00:17::1", routers: ["fd00:16::2"] }' }),
      [
        '6 vpcs[0].subnets[0].ipv6.gateway: gateway fd00:17::1 is outside s (fd00:16::/64); choose an address of that prefix',
        '6 vpcs[0].subnets[0].ipv6.routers[0]: fd00:16::2 is not link-local; routers send from fe80::/64, write that address here and this one as `gateway`',
      ],
    ],
    [
      'an IPv6 gateway and prefix in IPv4’s place',
      configuration({ subnet: 'gateway: "fd00:16::1"', ports: [] })
        .replace('ports:\n', '')
        .replace('10.0.1.0/24', '"fd00:32::/64"'),
      [
        '6 vpcs[0].subnets[0].gateway: fd00:16::1: this is an IPv6 address; write it as `ipv6: { gateway }`',
        "7 vpcs[0].subnets[1].cidr: fd00:32::/64: this is an IPv6 prefix; it belongs to the subnet's `ipv6: { cidr }`, here write an IPv4 prefix",
      ],
    ],
    [
      'overlapping prefixes',
      configuration({ other: 'ipv6: { cidr: "fd00:16::8000:0:0:0/65" }' }),
      ['7 vpcs[0].subnets[1].ipv6.cidr: fd00:16:0:0:8000::/65 overlaps s (fd00:16::/64); subnets of a VPC must not overlap'],
    ],
    [
      'a router that a guest makes of its MAC',
      configuration({ subnet: 'ipv6: { cidr: "fd00:16::/64", routers: ["fe80::acff:fe11:1007"] }' }),
      [
        '10 ports[0].mac: this port makes fe80::acff:fe11:1007 of its MAC, which is a router of s; give the port `router: true`, or name another address there',
      ],
    ],
  ];
  it.each(rows)('%s', (_says, text, mistakes) => {
    expect(mistakesOf(text)).toEqual(mistakes);
  });
});
