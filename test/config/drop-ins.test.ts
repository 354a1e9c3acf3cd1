/** Files beside the configuration: all that is right is taken, and what is wrong refuses the file that has it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatMistake, parseConfig, type Parsed } from '../../src/config/config.ts';
import { ConfigFile } from '../../src/config/file.ts';

const MAIN = `host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }]
    havips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.3 }]
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.7] }
vswitch: { driver: memory }
`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-dropins-'));
  mkdirSync(join(folder, 'ports.d'));
  mkdirSync(join(folder, 'havips.d'));
  writeFileSync(join(folder, 'agent.yaml'), MAIN);
});

afterEach(() => rmSync(folder, { recursive: true }));

const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
const port = (n: number, changes = {}) => ({
  interface: `tap${n}`,
  instance: `cvm-${n}`,
  subnet: 'subnet-a',
  mac: `02:00:ac:11:10:${n.toString(16).padStart(2, '0')}`,
  addresses: [`172.17.16.${n}`],
  ...changes,
});
const ports = (...list: object[]) => JSON.stringify({ ports: list });

function read() {
  const file = new ConfigFile(join(folder, 'agent.yaml'));
  const parsed = file.read();
  return { parsed, refused: file.refused.map((mistake) => formatMistake(mistake).replaceAll(`${folder}/`, '')) };
}

function configOf(parsed: Parsed) {
  if (!parsed.ok) throw new Error(parsed.mistakes.map(formatMistake).join('\n'));
  return parsed.config;
}

describe('drop-ins', () => {
  it('are taken as if they stood in the file', () => {
    write('ports.d/b.yaml', ports(port(20), port(21)));
    write('ports.d/a.yaml', `ports:\n  - ${JSON.stringify(port(22))}\n`);
    write('havips.d/web.yaml', 'vpc: vpc-1\nhavips: [{ id: web, subnet: subnet-a, address: 172.17.16.9, members: [cvm-20] }]\n');
    const { parsed, refused } = read();
    expect(refused).toEqual([]);
    const whole = MAIN.replace(
      '172.17.16.3 }]',
      '172.17.16.3 }, { id: web, subnet: subnet-a, address: 172.17.16.9, members: [cvm-20] }]',
    ).replace('vswitch:', [22, 20, 21].map((n) => `  - ${JSON.stringify(port(n))}\n`).join('') + 'vswitch:');
    expect(configOf(parsed)).toEqual(configOf(parseConfig(whole)));
  });

  it('are YAML or JSON files, and no others', () => {
    write('ports.d/.tap20.yaml.new', ports(port(20)));
    write('ports.d/.hidden.yaml', ports(port(21)));
    write('ports.d/notes.txt', 'ports');
    write('ports.d/c.json', ports(port(22)));
    write('ports.d/d.yml', ports(port(23)));
    expect(configOf(read().parsed).ports.map((one) => one.interface)).toEqual(['tap7', 'tap22', 'tap23']);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['text that is no YAML', { 'ports.d/x.yaml': 'ports: [' }, ['ports.d/x.yaml:1:']],
    [
      'a key that is none',
      { 'ports.d/x.yaml': 'ports: []\nport: 1\n' },
      ['ports.d/x.yaml:2:1: port: unknown key "port"; known here: ports'],
    ],
    ['no list', { 'ports.d/x.yaml': 'ports: 7\n' }, ['ports.d/x.yaml:1:8: ports: must be a list']],
    ['nothing', { 'ports.d/x.yaml': '' }, ['ports.d/x.yaml:1:1: must be a mapping with ports']],
    [
      'a value of the wrong shape',
      { 'ports.d/x.yaml': `ports:\n  - ${JSON.stringify(port(30, { mac: 'x' }))}\n` },
      ['ports.d/x.yaml:2:'],
    ],
    ['a subnet that is not there', { 'ports.d/x.yaml': ports(port(30, { subnet: 'none' })) }, ['ports.d/x.yaml:1:']],
    ['an interface of the main file', { 'ports.d/x.yaml': ports(port(30, { interface: 'tap7' })) }, ['ports.d/x.yaml:1:']],
    [
      'an interface of a file before it',
      { 'ports.d/a.yaml': ports(port(31)), 'ports.d/x.yaml': ports(port(30, { interface: 'tap31' })) },
      ['ports.d/x.yaml:1:'],
    ],
    [
      'an address that is a HAVIP of the main file',
      { 'ports.d/x.yaml': ports(port(30, { addresses: ['172.17.16.3'] })) },
      ['ports.d/x.yaml:1:'],
    ],
    [
      'a VPC that is not there',
      { 'havips.d/x.yaml': 'vpc: vpc-9\nhavips: []\n' },
      ['havips.d/x.yaml:1:6: vpc: names no VPC of the main file'],
    ],
    [
      'an id twice',
      { 'havips.d/x.yaml': 'vpc: vpc-1\nhavips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.9 }]\n' },
      ['havips.d/x.yaml:2:'],
    ],
  ])('with %s are refused alone, and named', (_what, files, wanted) => {
    write('ports.d/good.yaml', ports(port(20)));
    write('ports.d/zz.yaml', ports(port(21)));
    for (const [file, text] of Object.entries(files)) write(file, text);
    const { parsed, refused } = read();
    expect(configOf(parsed).ports.map((one) => one.interface)).toEqual(expect.arrayContaining(['tap7', 'tap20', 'tap21']));
    expect(refused.map((line) => wanted.find((begin) => line.startsWith(begin)) ?? line)).toEqual(wanted);
    expect(configOf(parsed).vpcs[0]?.havips).toHaveLength(1);
  });

  it('are not looked at while the main file is wrong', () => {
    write('ports.d/x.yaml', 'ports: [');
    writeFileSync(join(folder, 'agent.yaml'), MAIN.replace('172.17.16.3', '172.17.99.3'));
    const { parsed, refused } = read();
    expect([parsed.ok, refused]).toEqual([false, []]);
  });

  it('of any number and state leave exactly those that fit together, whatever is wrong with the others', () => {
    const n = fc.integer({ min: 2, max: 12 });
    const file = fc.record({
      interface: n.map((i) => `tap${i}`),
      address: n,
      subnet: fc.constantFrom('subnet-a', 'subnet-a', 'none'),
    });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 8 }), (files) => {
        rmSync(join(folder, 'ports.d'), { recursive: true });
        mkdirSync(join(folder, 'ports.d'));
        const texts = files.map(({ interface: name, address, subnet }, i) =>
          port(100 + i, { interface: name, addresses: [`172.17.16.${address}`], subnet }),
        );
        for (const [i, one] of texts.entries()) write(`ports.d/${i}.yaml`, ports(one));
        const file = new ConfigFile(join(folder, 'agent.yaml'));
        const config = configOf(file.read());
        const taken = config.ports.slice(1).map((one) => one.instance);
        const refused = new Set(file.refused.map((mistake) => mistake.file));
        expect(taken.length + refused.size).toBe(files.length);
        expect(parseConfig(main(texts.filter(({ instance }) => taken.includes(instance)))).ok).toBe(true);
        // Each refused one is wrong by itself, or does not fit to those before it that were taken.
        for (const [i, one] of texts.entries()) {
          if (taken.includes(one.instance)) continue;
          const before = texts.slice(0, i).filter(({ instance }) => taken.includes(instance));
          expect(parseConfig(main([...before, one])).ok).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('drop-ins that come and go', () => {
  it('are taken by their difference as by a reading of all', () => {
    const file = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      vpc: fc.constantFrom('vpc-1', 'vpc-1', 'vpc-2', 'none'),
      ids: fc.array(fc.constantFrom('h1', 'h2', 'h3', 'h4', 'havip-1'), { maxLength: 2 }),
      last: fc.integer({ min: 1, max: 9 }),
      changes: fc.constantFrom({}, {}, {}, { members: ['cvm-1'] }, { members: ['cvm-20'] }, { vrid: 7 }, { fence: 7 }),
      gone: fc.boolean(),
    });
    const second = { id: 'vpc-2', cidr: '10.0.0.0/8', subnets: [{ id: 'subnet-b', cidr: '10.0.0.0/24', probe: true }] };
    const whole = {
      ...configJson,
      vpcs: [...configJson.vpcs, second],
      ports: [port(7), port(20, { subnet: 'subnet-b', addresses: [] })],
    };
    writeFileSync(join(folder, 'agent.yaml'), JSON.stringify(whole));
    fc.assert(
      fc.property(fc.array(file, { maxLength: 12 }), (steps) => {
        rmSync(join(folder, 'havips.d'), { recursive: true });
        mkdirSync(join(folder, 'havips.d'));
        const read = new ConfigFile(join(folder, 'agent.yaml'));
        read.read();
        for (const { name, vpc, ids, last, changes, gone } of steps) {
          const [subnet, network] = vpc === 'vpc-2' ? ['subnet-b', '10.0.0'] : ['subnet-a', '172.17.16'];
          const havips = ids.map((id, i) => Object.assign({ id, subnet, address: `${network}.${last + i}` }, changes));
          if (gone) rmSync(join(folder, 'havips.d', `${name}.yaml`), { force: true });
          else write(`havips.d/${name}.yaml`, JSON.stringify({ vpc, havips }));
          const anew = new ConfigFile(join(folder, 'agent.yaml'));
          expect(configOf(read.read())).toEqual(configOf(anew.read()));
          expect(read.refused).toEqual(anew.refused);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('of a port that goes are looked at too: its instance may be a member where it has no port any more', () => {
    const subnets = [
      { id: 'subnet-a', cidr: '172.17.16.0/24' },
      { id: 'subnet-b', cidr: '172.17.32.0/24' },
    ];
    const havips = [{ id: 'havip-1', subnet: 'subnet-a', address: '172.17.16.3', members: ['cvm-20'] }];
    const vpcs = [{ id: 'vpc-1', cidr: '172.17.0.0/16', subnets, havips }];
    writeFileSync(join(folder, 'agent.yaml'), JSON.stringify({ ...configJson, vpcs, ports: [] }));
    write('ports.d/a.yaml', ports(port(20)));
    write('ports.d/b.yaml', ports(port(21, { instance: 'cvm-20', subnet: 'subnet-b', addresses: [] })));
    const file = new ConfigFile(join(folder, 'agent.yaml'));
    expect(configOf(file.read()).ports).toHaveLength(2);
    rmSync(join(folder, 'ports.d/a.yaml'));
    expect(configOf(file.read()).ports).toEqual([]);
    expect(file.refused.map(({ message }) => message)).toEqual([expect.stringMatching(/"cvm-20" has no port in subnet-a/)]);
  });

  it('of ports, beside those of HAVIPs, are taken by their difference too', () => {
    const one = fc.record({
      n: fc.integer({ min: 20, max: 23 }),
      mac: fc.integer({ min: 20, max: 23 }),
      instance: fc.constantFrom('cvm-1', 'cvm-2', 'cvm-20', 'cvm-21'),
      last: fc.integer({ min: 2, max: 9 }),
      six: fc.constantFrom<string | undefined>(undefined, undefined, 'fe80::1', '2001:db8::5', '2001:db8:1::5'),
      changes: fc.constantFrom(
        {},
        {},
        {},
        { subnet: 'none' },
        { interface: 'up0' },
        { interface: 'tap7' },
        { interface: 'out0' },
        { router: true },
      ),
    });
    const step = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      kind: fc.constantFrom('ports', 'ports', 'ports', 'havips'),
      inSecond: fc.boolean(),
      list: fc.array(one, { maxLength: 2 }),
      gone: fc.boolean(),
    });
    const ipv6 = { cidr: '2001:db8::/64', addresses: 'slaac', routers: ['fe80::1'] };
    const subnets = [
      { id: 'subnet-b', cidr: '10.0.0.0/24', sources: 'any', ipv6 },
      { id: 'subnet-c', cidr: '10.0.1.0/24' },
    ];
    const havips = [{ id: 'far', subnet: 'subnet-b', address: '10.0.0.3', members: ['cvm-2', 'cvm-20'] }];
    const whole = {
      ...configJson,
      vpcs: [...configJson.vpcs, { id: 'vpc-2', cidr: '10.0.0.0/8', subnets, havips }],
      ports: [port(7), port(8, { subnet: 'subnet-b', addresses: ['10.0.0.8'] })],
      uplinks: [{ interface: 'up0', vpc: 'vpc-1' }],
      peers: [{ instance: 'cvm-21', vpc: 'vpc-2', mac: port(22).mac, addresses: ['10.0.0.4'] }],
      external: { interface: 'out0', gateway: '192.0.2.1' },
    };
    writeFileSync(join(folder, 'agent.yaml'), JSON.stringify(whole));
    let alone = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        for (const kind of ['ports.d', 'havips.d']) {
          rmSync(join(folder, kind), { recursive: true });
          mkdirSync(join(folder, kind));
        }
        const read = new ConfigFile(join(folder, 'agent.yaml'));
        let before = configOf(read.read());
        for (const { name, kind, inSecond, list, gone } of steps) {
          const [vpc, subnet, network] = inSecond ? ['vpc-2', 'subnet-b', '10.0.0'] : ['vpc-1', 'subnet-a', '172.17.16'];
          const path = `${kind}.d/${name}.yaml`;
          const made = list.map(({ n, mac, instance, last, six, changes }) => {
            if (kind === 'havips') return { id: `h${n}`, subnet, address: `${network}.${last}`, members: [instance] };
            const addresses = [`${network}.${last}`, ...(six === undefined ? [] : [six])];
            return port(n, { subnet, mac: port(mac).mac, instance, addresses, ...changes });
          });
          if (gone) rmSync(join(folder, path), { force: true });
          else write(path, JSON.stringify(kind === 'ports' ? { ports: made } : { vpc, havips: made }));
          const anew = new ConfigFile(join(folder, 'agent.yaml'));
          const config = configOf(read.read());
          expect(config).toEqual(configOf(anew.read()));
          expect(read.refused).toEqual(anew.refused);
          // What is parsed anew is other objects.
          if (config !== before && config.vpcs.some((one) => before.vpcs.includes(one))) alone++;
          before = config;
        }
      }),
      { numRuns: 400 },
    );
    expect(alone).toBeGreaterThan(100);
  });
});

const configJson = {
  host: { id: 'host-a' },
  vpcs: [
    {
      id: 'vpc-1',
      cidr: '172.17.0.0/16',
      subnets: [{ id: 'subnet-a', cidr: '172.17.16.0/24' }],
      havips: [{ id: 'havip-1', subnet: 'subnet-a', address: '172.17.16.3' }],
    },
  ],
  ports: [port(7, { instance: 'cvm-1' })],
  vswitch: { driver: 'memory' },
};

const main = (some: readonly object[]) => JSON.stringify({ ...configJson, ports: [configJson.ports[0], ...some] });
