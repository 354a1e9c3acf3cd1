import { describe, expect, it } from 'vitest';
import { formatMistake, parseConfig } from '../../src/config/config.ts';
import { checkForDriver } from '../../src/vswitch/drivers.ts';
import type { Config } from '../../src/config/config.ts';
import { mistakesIn, withParts } from './parts.ts';

const GOOD = `
host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets:
      - { id: subnet-a, cidr: 172.17.16.0/24, gateway: 172.17.16.1 }
      - { id: subnet-b, cidr: 172.17.32.0/24, probe: true }
    havips:
      - { id: havip-1, subnet: subnet-a, address: 172.17.16.3, members: [cvm-1, cvm-2], assist: resign, fence: false, vrid: 51 }
      - { id: havip-2, subnet: subnet-b, address: 172.17.32.3 }
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.7] }
uplinks:
  - { interface: vx10, vpc: vpc-1 }
`;

function accepted(text: string): Config {
  const result = parseConfig(text, 'f', checkForDriver);
  if (!result.ok) throw new Error(result.mistakes.map(formatMistake).join('\n'));
  return result.config;
}

const havip = (address: string, more = '') => `{ id: x, subnet: s, address: ${address}${more} }`;
const port = (name: string, octet: number, address: string) =>
  `{ interface: ${name}, instance: i, subnet: s, mac: "02:00:00:00:00:${octet}", addresses: [${address}] }`;

const vpc = (n: number) =>
  `  - { id: v${n}, cidr: 10.0.0.0/16, subnets: [{ id: s${n}, cidr: 10.0.0.0/24 }], ` +
  `havips: [{ id: x${n}, subnet: s${n}, address: 10.0.0.9 }] }`;

describe('a right configuration', () => {
  it('is resolved, with defaults', () => {
    const config = accepted(GOOD);
    const plain = { assist: null, verify: 'auto' };
    expect(config.vpcs[0]?.havips).toEqual([
      {
        id: 'havip-1',
        subnet: 'subnet-a',
        address: 0xac111003,
        members: ['cvm-1', 'cvm-2'],
        fence: false,
        vrid: 51,
        assist: { on: ['link-down'], hasten: true },
        verify: 'auto',
        probe: false,
      },
      { ...plain, id: 'havip-2', subnet: 'subnet-b', address: 0xac112003, members: null, fence: true, vrid: null, probe: true },
    ]);
    expect(config.ports[0]).toMatchObject({ mac: 0x0200ac111007, addresses: [0xac111007] });
    expect(config).toMatchObject({
      capture: { source: 'ring', workers: 1 },
      vswitch: { driver: 'nftables', table: 'havip' },
      mode: 'enforce',
      http: { listen: { host: '127.0.0.1', port: 9712 } },
      log: { level: 'info' },
    });
  });

  it('is frozen to its leaves', () => {
    const config = accepted(GOOD);
    expect(Object.isFrozen(config.vpcs[0]?.havips[0]?.members)).toBe(true);
    expect(Object.isFrozen(config.ports[0]?.addresses)).toBe(true);
  });

  it('may be JSON', () => {
    const json = `{"host":{"id":"h"},"vpcs":[{"id":"v","cidr":"10.0.0.0/8","subnets":[{"id":"s","cidr":"10.0.0.0/24"}],
      "havips":[{"id":"x","subnet":"s","address":"10.0.0.9"}]}]}`;
    expect(accepted(json).vpcs[0]?.havips[0]?.address).toBe(0x0a000009);
  });

  it('may listen on a unix socket', () => {
    const config = accepted('host: { id: h }\nhttp: { listen: "unix:/run/havip.sock" }');
    expect(config.http.listen).toEqual({ unix: '/run/havip.sock' });
  });

  it.each([
    ['', { driver: 'nftables', table: 'havip' }],
    ['vswitch: {}', { driver: 'nftables', table: 'havip' }],
    ['vswitch: { table: mine }', { driver: 'nftables', table: 'mine' }],
    ['vswitch: { driver: nftables }', { driver: 'nftables', table: 'havip' }],
    ['vswitch: { driver: memory }', { driver: 'memory' }],
  ])('gives each driver its own settings: %s', (text, vswitch) => {
    expect(accepted(`host: { id: h }\n${text}`).vswitch).toEqual(vswitch);
  });

  it('may use one CIDR and one address in two VPCs', () => {
    expect(mistakesIn(`host: { id: h }\nvpcs:\n${vpc(1)}\n${vpc(2)}\n`)).toEqual([]);
  });

  it.each([
    ['10.0.0.1', '10.0.0.10'],
    ['10.0.0.10', '10.0.0.100'],
    ['10.0.0.2', '10.0.0.253'],
  ])('tells %s from %s', (ours, theirs) => {
    expect(mistakesIn(withParts({ havips: havip(ours), ports: port('t', 10, theirs) }))).toEqual([]);
    expect(mistakesIn(withParts({ havips: havip(theirs), ports: port('t', 10, ours) }))).toEqual([]);
  });
});

describe('a wrong one is answered with every mistake, its line and path', () => {
  const WHERE = 's (10.0.0.0/24)';
  it.each<[string, string, string[]]>([
    ['empty', '', ['1 the file is empty; it needs at least `host: { id: NAME }`']],
    ['a list', '- 1', ['1 must be a mapping of keys to values, not a list']],
    ['no host', 'mode: audit', ['1 host: is missing; give a mapping of keys to values']],
    [
      'HAVIP outside',
      withParts({ havips: havip('10.0.1.5') }),
      [`8 vpcs[0].havips[0].address: 10.0.1.5 is outside ${WHERE}; choose an address of that subnet`],
    ],
    [
      'HAVIP is network',
      withParts({ havips: havip('10.0.0.0') }),
      [`8 vpcs[0].havips[0].address: 10.0.0.0 is the network address of ${WHERE}; choose another address of that subnet`],
    ],
    [
      'HAVIP is broadcast',
      withParts({ havips: havip('10.0.0.255') }),
      [`8 vpcs[0].havips[0].address: 10.0.0.255 is the broadcast address of ${WHERE}; choose another address of that subnet`],
    ],
    [
      'HAVIP is gateway',
      withParts({ havips: havip('10.0.0.254') }),
      [`8 vpcs[0].havips[0].address: 10.0.0.254 is the gateway of ${WHERE}; choose another address of that subnet`],
    ],
    [
      'HAVIP is a fixed address',
      withParts({ havips: havip('10.0.0.5'), ports: port('t', 10, '10.0.0.5') }),
      ['8 vpcs[0].havips[0].address: 10.0.0.5 already belongs to port t of this VPC; choose a free address'],
    ],
    [
      'two HAVIPs, one address and id',
      withParts({ havips: `${havip('10.0.0.5')}\n${havip('10.0.0.5')}` }),
      [
        '9 vpcs[0].havips[1].id: id "x" is already used at vpcs[0].havips[0].id; each may stand once in the file',
        '9 vpcs[0].havips[1].address: 10.0.0.5 already belongs to HAVIP x of this VPC; choose a free address',
      ],
    ],
    [
      'HAVIP in unknown subnet',
      withParts({ havips: '{ id: x, subnet: z, address: 10.0.0.5 }' }),
      ['8 vpcs[0].havips[0].subnet: there is no subnet "z"; name one of the VPCs\' `subnets`'],
    ],
    [
      '11 members',
      withParts({ havips: havip('10.0.0.5', ', members: [a,b,c,d,e,f,g,h,i,j,k]') }),
      ['8 vpcs[0].havips[0].members: has 11 entries; at most 10 are allowed'],
    ],
    [
      'member twice',
      withParts({ havips: havip('10.0.0.5', ', members: [a,b,a]') }),
      ['8 vpcs[0].havips[0].members[2]: member "a" is listed twice; list it once'],
    ],
    [
      'IPv6',
      withParts({ havips: havip('"fd00::3"') }),
      ['8 vpcs[0].havips[0].address: fd00::3: IPv6 is not supported yet; use an IPv4 address'],
    ],
    [
      'leading zero',
      withParts({ havips: havip('10.0.0.010') }),
      [
        '8 vpcs[0].havips[0].address: "10.0.0.010" is not an IPv4 address; write four numbers of 0 to 255 without leading zeros, like 172.17.16.3',
      ],
    ],
    [
      'unknown key, near',
      withParts({ havips: havip('10.0.0.5', ', member: [a]') }),
      ['8 vpcs[0].havips[0].member: unknown key "member"; did you mean "members"?'],
    ],
    [
      'unknown key, far',
      withParts({ rest: 'elephants: 5' }),
      [
        '9 elephants: unknown key "elephants"; known here: host, vpcs, ports, uplinks, peers, eips, external, capture, vswitch, store, mode, strangers, failsafeSeconds, http, metrics, notify, log',
      ],
    ],
    [
      'wrong assist',
      withParts({ havips: havip('10.0.0.5', ', assist: always') }),
      ['8 vpcs[0].havips[0].assist: must be resign, resign-only or { on: [link-down, hung] }, not "always"'],
    ],
    [
      'wrong driver',
      withParts({ rest: 'vswitch: { driver: ovs }' }),
      ['9 vswitch.driver: must be nftables or memory, not "ovs"'],
    ],
    [
      'driver that is no name',
      withParts({ rest: 'vswitch: { driver: [] }' }),
      ['9 vswitch.driver: must be nftables or memory, not a list'],
    ],
    [
      'setting of another driver',
      withParts({ rest: 'vswitch: { driver: memory, table: havip }' }),
      ['9 vswitch.table: belongs to nftables, not to memory, which has no table; leave it out'],
    ],
    [
      'setting of no driver',
      withParts({ rest: 'vswitch: { driver: memory, bridge: br0 }' }),
      ['9 vswitch.bridge: unknown key "bridge"; known here: driver'],
    ],
    [
      'setting of no driver, near one of the driver that is meant',
      withParts({ rest: 'vswitch: { tables: havip }' }),
      ['9 vswitch.tables: unknown key "tables"; did you mean "table"?'],
    ],
    [
      'table that is no name',
      withParts({ rest: 'vswitch: { table: 5a }' }),
      ['9 vswitch.table: must be 1 to 31 letters, digits or "_", and begin with a letter'],
    ],
    [
      'port in unknown subnet',
      withParts({ ports: '{ interface: t, instance: i, subnet: z, mac: "02:00:00:00:00:01", addresses: [10.9.9.9] }' }),
      ['9 ports[0].subnet: there is no subnet "z"; name one of the VPCs\' `subnets`'],
    ],
    [
      'port outside',
      withParts({ ports: port('t', 10, '10.0.10.1') }),
      [`9 ports[0].addresses[0]: 10.0.10.1 is outside ${WHERE}; choose an address of that subnet`],
    ],
    [
      'port is gateway',
      withParts({ ports: port('t', 10, '10.0.0.254') }),
      [`9 ports[0].addresses[0]: 10.0.0.254 is the gateway of ${WHERE}; choose another address of that subnet`],
    ],
    [
      'interface, MAC, address twice',
      withParts({ ports: `${port('t', 10, '10.0.0.5')}\n${port('t', 10, '10.0.0.5')}` }),
      [
        '10 ports[1].interface: interface "t" is already used at ports[0].interface; each may stand once in the file',
        '10 ports[1].mac: MAC "02:00:00:00:00:10" is already used at ports[0].mac; each may stand once in the file',
        '10 ports[1].addresses[0]: 10.0.0.5 already belongs to port t of this VPC; choose a free address',
      ],
    ],
    [
      'multicast MAC',
      withParts({ ports: '{ interface: t, instance: i, subnet: s, mac: "01:00:5e:00:00:01" }' }),
      ["9 ports[0].mac: 01:00:5e:00:00:01 is not a unicast MAC; a port's own MAC has an even first octet and is not zero"],
    ],
    [
      'not a MAC',
      withParts({ ports: '{ interface: t, instance: i, subnet: s, mac: 02-00-00-00-00-01 }' }),
      ['9 ports[0].mac: "02-00-00-00-00-01" is not a MAC address; write six octets like 02:00:ac:11:10:07'],
    ],
    [
      'long interface',
      withParts({ ports: port('abcdefghijklmnop', 10, '10.0.0.5') }),
      ['9 ports[0].interface: "abcdefghijklmnop" is longer than the 15 characters that Linux allows in an interface name'],
    ],
    [
      'bad interface',
      withParts({ ports: port('a/b', 10, '10.0.0.5') }),
      ['9 ports[0].interface: "a/b" is not an interface name; use 1 to 15 visible characters without / : " \\ *'],
    ],
    [
      'subnet outside its VPC',
      withParts({ subnets: '      - { id: z, cidr: 11.0.0.0/24 }' }),
      ["7 vpcs[0].subnets[1].cidr: subnet 11.0.0.0/24 is outside its VPC's 10.0.0.0/8"],
    ],
    [
      'subnets overlap',
      withParts({ subnets: '      - { id: z, cidr: 10.0.0.128/25 }' }),
      ['7 vpcs[0].subnets[1].cidr: 10.0.0.128/25 overlaps s (10.0.0.0/24); subnets of a VPC must not overlap'],
    ],
    [
      'host bits',
      withParts({ subnets: '      - { id: z, cidr: 10.0.1.1/24 }' }),
      [
        "7 vpcs[0].subnets[1].cidr: 10.0.1.1/24 has bits set beyond its /24: it names a host, not a network; write the network's first address",
      ],
    ],
    [
      'gateway outside',
      withParts({ subnets: '      - { id: z, cidr: 10.0.1.0/24, gateway: 10.0.2.1 }' }),
      ['7 vpcs[0].subnets[1].gateway: gateway 10.0.2.1 is outside z (10.0.1.0/24); choose an address of that subnet'],
    ],
    [
      'uplink',
      withParts({ ports: port('t', 10, '10.0.0.5'), rest: 'uplinks:\n  - { interface: t, vpc: w }' }),
      [
        '11 uplinks[0].interface: interface "t" is already used at ports[0].interface; each may stand once in the file',
        '11 uplinks[0].vpc: there is no VPC "w"; name one of `vpcs`',
      ],
    ],
    [
      'two VPCs that are one to the switch',
      'host: { id: h }\nvpcs:\n  - { id: vpc-2084665, cidr: 10.0.0.0/8 }\n  - { id: vpc-16350204, cidr: 10.0.0.0/8 }',
      [
        '4 vpcs[1].id: the switch cannot tell "vpc-16350204" from "vpc-2084665" (both are 23:30:83:d7:34:5c to it); rename one of the two',
      ],
    ],
    ['number as text', 'host: { id: 5 }', ['1 host.id: must be text; put it in quotes, not 5']],
    [
      'enum, range, listen',
      'host: { id: h }\nmode: off\ncapture: { workers: 0 }\nhttp: { listen: 9712 }',
      [
        '2 mode: must be enforce or audit, not "off"',
        '3 capture.workers: must be at least 1, not 0',
        '4 http.listen: must be text; put it in quotes, not 9712',
      ],
    ],
    ['duplicate key', 'host: { id: h }\nmode: audit\nmode: enforce', ['3 Map keys must be unique']],
    ['syntax', 'host: { id: h\nmode: audit', ['2 Flow map in block collection must be sufficiently indented and end with a }']],
  ])('%s', (_name, text, expected) => {
    expect(mistakesIn(text)).toEqual(expected);
  });

  it('one typing error neither hides other mistakes nor causes false ones', () => {
    const text = withParts({
      subnets: '      - { id: "", cidr: 10.0.1.0/24 }',
      havips:
        '{ id: x, subnet: s, address: 10.0.0.300 }\n{ id: y, subnet: may-be-the-nameless, address: 10.0.1.9 }\n{ id: z, subnet: s, address: 10.0.9.9 }',
      ports: '{ interface: t, instance: i, subnet: s, mac: nonsense, addresses: [10.0.7.7] }',
    });
    expect(mistakesIn(text).map((mistake) => mistake.split(':')[0])).toEqual([
      '7 vpcs[0].subnets[1].id',
      '9 vpcs[0].havips[0].address',
      '11 vpcs[0].havips[2].address',
      '13 ports[0].mac',
      '13 ports[0].addresses[0]',
    ]);
  });
});

it('more ports than the shared counters have room for are refused', () => {
  const ports = Array.from({ length: 4097 }, (_, i) => ({ interface: `t${i}`, instance: 'i', subnet: 's', mac: macOf(i) }));
  const vpcs = [{ id: 'v', cidr: '10.0.0.0/8', subnets: [{ id: 's', cidr: '10.0.0.0/16' }] }];
  expect(mistakesIn(JSON.stringify({ host: { id: 'h' }, vpcs, ports }))).toEqual([
    '1 ports: has 4097 entries; at most 4096 are allowed',
  ]);
});

function macOf(i: number): string {
  return `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
}

describe('JSON', () => {
  const text = JSON.stringify(
    {
      host: { id: 'h', 'a"b\\': 1 },
      vpcs: [
        {
          id: 'v',
          cidr: '10.0.0.0/8',
          subnets: [{ id: 's', cidr: '10.0.0.0/24' }],
          havips: [
            { id: 'a', subnet: 's', address: '10.0.0.5' },
            { id: 'b', subnet: 's', address: '10.0.1.5', members: ['x', 'x'] },
          ],
        },
      ],
    },
    null,
    1,
  );

  it('gives the same lines as the YAML reader does', () => {
    const asYaml = parseConfig(`# not JSON\n${text}`, 'f');
    const asJson = parseConfig(text, 'f', checkForDriver);
    if (asYaml.ok || asJson.ok) throw new Error('both are wrong');
    expect(asJson.mistakes).toHaveLength(3);
    expect(asJson.mistakes).toEqual(asYaml.mistakes.map((mistake) => Object.assign({}, mistake, { line: mistake.line - 1 })));
  });

  it('is not allowed to have a key twice', () => {
    expect(mistakesIn('{"host":{"id":"h"},\n"mode":"audit",\n"mode":"enforce"}')).toEqual(['3 Map keys must be unique']);
  });

  it('nested absurdly deep is refused before any reader recurses', () => {
    for (const text of ['{"a":'.repeat(100_000), `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`]) {
      expect(mistakesIn(text)).toEqual(['1 brackets are nested more than 64 deep']);
    }
  });
});
