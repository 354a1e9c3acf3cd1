/** Contradictions that can be proved from the file alone, and what messages show of a file that may be the wrong one. */
import { expect, it } from 'vitest';
import { formatMistake, parseConfig } from '../../src/config/config.ts';
import { checkForDriver } from '../../src/vswitch/drivers.ts';
import { mistakesIn, withParts } from './parts.ts';

const bonded = (name: string, instance: string, subnet: string) =>
  `{ interface: ${name}, instance: ${instance}, subnet: ${subnet}, mac: "02:00:00:00:00:01", addresses: [10.0.0.7] }\n`;
const havip = (address: string, more = '') => `{ id: x, subnet: s, address: ${address}${more} }`;

it.each<[string, string, string[]]>([
  [
    'member whose ports are all elsewhere',
    withParts({
      havips: havip('10.0.0.5', ', members: [a, b]'),
      ports: '{ interface: t, instance: b, subnet: s2, mac: "02:00:00:00:00:01" }',
      subnets: '      - { id: s2, cidr: 10.0.1.0/24 }',
    }),
    [
      '9 vpcs[0].havips[0].members[1]: "b" has no port in s, only t in s2: it can never claim this HAVIP; give it a port there, or leave it out',
    ],
  ],
  [
    'interface as ip(8) shows it',
    withParts({ ports: '{ interface: tap9@if12, instance: i, subnet: s, mac: "02:00:00:00:00:01" }' }),
    ['9 ports[0].interface: "tap9@if12" is how ip(8) shows tap9 with the interface behind it; write "tap9"'],
  ],
  [
    'uplink as ip(8) shows it',
    withParts({ rest: 'uplinks: [{ interface: eth0.5@eth0, vpc: v }]' }),
    ['9 uplinks[0].interface: "eth0.5@eth0" is how ip(8) shows eth0.5 with the interface behind it; write "eth0.5"'],
  ],
  [
    'two documents',
    'host: { id: h }\n---\nhost: { id: g }',
    ['2 a second YAML document begins here; a configuration is one: merge them and remove this line'],
  ],
  ...(
    [
      ['of one instance in one subnet', ['i', 's'], ['i', 's'], true],
      ['of three ports', ['i', 's'], ['i', 's'], true],
      ['of two instances', ['i', 's'], ['j', 's'], false],
    ] as const
  ).map(([what, [a, sa], [b, sb], fits]): [string, string, string[]] => {
    const third = what.includes('three') ? bonded('t3', a, sa) : '';
    return [
      `a MAC and an address ${what}`,
      withParts({ ports: `${bonded('t1', a, sa)}${bonded('t2', b, sb)}${third}` }),
      fits
        ? []
        : [
            '10 ports[1].mac: MAC "02:00:00:00:00:01" is already used at ports[0].mac; each may stand once in the file',
            '10 ports[1].addresses[0]: 10.0.0.7 already belongs to port t1 of this VPC; choose a free address',
          ],
    ];
  }),
  [
    'the MAC of a bond in two subnets, and an address twice at one of its ports',
    withParts({
      ports: `{ interface: t1, instance: i, subnet: s, mac: "02:00:00:00:00:01", addresses: [10.0.0.7, 10.0.0.7] }
{ interface: t2, instance: i, subnet: s2, mac: "02:00:00:00:00:01" }`,
      subnets: '      - { id: s2, cidr: 10.0.1.0/24 }',
    }),
    [
      '10 ports[0].addresses[1]: 10.0.0.7 already belongs to port t1 of this VPC; choose a free address',
      '11 ports[1].mac: MAC "02:00:00:00:00:01" is already used at ports[0].mac; each may stand once in the file',
    ],
  ],
])('%s', (_, text, expected) => {
  expect(mistakesIn(text)).toEqual(expected);
});

it.each<[string, string]>([
  ['a text, all of it one value', 'x'.repeat(100_000)],
  ['a key', `${'k'.repeat(900)}: 1`],
  ['a value', `host: { id: "${'v'.repeat(100_000)} " }`],
  [
    'an interface',
    withParts({ ports: `{ interface: "${'t'.repeat(9000)}", instance: i, subnet: s, mac: "02:00:00:00:00:01" }` }),
  ],
  ['an enum', `host: { id: h }\nmode: ${'m'.repeat(9000)}`],
  ['broken YAML', `host: { id: "${'y'.repeat(9000)}`],
])('a wrong file is shown in 200 characters at most: %s', (_, text) => {
  const result = parseConfig(text, 'f', checkForDriver);
  const mistakes = result.ok ? [] : result.mistakes.map(formatMistake);
  expect(mistakes.length).toBeGreaterThan(0);
  for (const mistake of mistakes) for (const long of mistake.match(/([a-z])\1{9,}/g) ?? []) expect(long.length).toBeLessThan(101);
  for (const mistake of mistakes) expect((mistake.match(/([a-z])\1{9,}/g) ?? []).join('').length).toBeLessThan(201);
});
