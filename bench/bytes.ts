/**
 * What a byte costs: the memory of each value that exists once per HAVIP, and what one more field of such a value would add. For who
 * is about to add one (CONTRIBUTING.md). After a collection each; arrays of numbers outside the heap are counted.
 */
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseConfig } from '../src/config/config.ts';
import { bindingHere } from '../src/base/binding.ts';
import type { Network } from '../src/base/network.ts';
import { plan } from '../src/config/plan.ts';
import { compilePolicy } from '../src/filter/compile.ts';
import { Ledger } from '../src/ledger/ledger.ts';
import type { Bench } from './bench.ts';

const SUBNETS = 1000;

export const bench: Bench = {
  name: 'bytes',
  question: 'what does a HAVIP take in memory, and what would one more field of its record take?',
  async run({ small, print }) {
    const havips = small ? 2000 : 100_000;
    const parsed = measure(() => parseConfig(configText(havips)));
    if (!parsed.value.ok) throw new Error('bytes: the configuration has mistakes');
    const { config } = parsed.value;
    const network = measure(() => plan(config));
    const policy = measure(() => compilePolicy(network.value));
    const ledger = new Ledger({ network: network.value, host: 'bench' });
    const held = measure(() => hold(ledger, network.value));
    if (held.value !== havips) throw new Error(`bytes: ${held.value} of ${havips} HAVIPs are held`);
    const steps: readonly (readonly [string, number])[] = [
      ['configuration', parsed.bytes],
      ['network', network.bytes],
      ['policy', policy.bytes],
      ['record of the ledger', held.bytes],
    ];
    for (const [what, bytes] of steps) {
      print(`  ${what.padEnd(22)}${(bytes / havips).toFixed(0).padStart(6)} bytes each, ${(bytes / 1e6).toFixed(1)} MB`);
    }
    for (const [what, make] of FIELDS)
      print(`  a field: ${what.padEnd(22)}${fieldBytes(100_000, make).toFixed(0).padStart(5)} bytes each`);
    print(
      `  hash ${createHash('sha256')
        .update(JSON.stringify(ledger.views(0)))
        .digest('hex')
        .slice(0, 8)}`,
    );
  },
};

/** Each HAVIP by the one port of its VPC; a record is made with its first holder. */
function hold(ledger: Ledger, network: Network): number {
  let held = 0;
  for (const havip of network.havips) {
    const port = network.ports[havip?.subnet ?? -1];
    if (!havip || !port) continue;
    if (ledger.adopt(havip.index, bindingHere(port, port.mac, 1, 0), 0, 0)) held++;
  }
  ledger.drain();
  return held;
}

/** Values made anew for each record, as they would be. */
const FIELDS: readonly (readonly [string, (i: number) => unknown])[] = [
  ['null, or a small integer', (i) => i & 0xffff],
  ['any other number', (i) => i + 0.5],
  ['a text of 12 letters', (i) => Buffer.from(String(i).padStart(12, 'x')).toString('latin1')],
  ['an empty array', () => []],
  ['an object of 3 fields', (i) => ({ first: i, second: null, third: i })],
  ['an empty Map', () => new Map()],
];

/** The difference that a fifth field makes to objects of four. */
function fieldBytes(count: number, make: (i: number) => unknown): number {
  const without = measure(() => Array.from({ length: count }, (_, i) => ({ a: i, b: i, c: i, d: i })));
  const larger = measure(() => Array.from({ length: count }, (_, i) => ({ a: i, b: i, c: i, d: i, e: make(i) })));
  if (without.value.length !== larger.value.length) throw new Error('bytes: lists of different length');
  return (larger.bytes - without.bytes) / count;
}

function measure<T>(make: () => T): { readonly value: T; readonly bytes: number } {
  const before = inUse();
  const value = make();
  return { value, bytes: inUse() - before };
}

function inUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function configText(havips: number): string {
  const vpcs = Array.from({ length: SUBNETS }, (_, v) => {
    const own = Array.from({ length: havips / SUBNETS }, (_unused, h) => ({
      id: `havip-${v}-${h}`,
      subnet: `subnet-${v}`,
      address: `172.16.1.${1 + h}`,
      members: [`vm-${v}`, `other-${v}`],
    }));
    return { id: `vpc-${v}`, cidr: '172.16.0.0/16', subnets: [{ id: `subnet-${v}`, cidr: '172.16.0.0/16' }], havips: own };
  });
  const ports = vpcs.map((_, v) => ({
    interface: `s${v}`,
    instance: `vm-${v}`,
    subnet: `subnet-${v}`,
    mac: `02:00:00:00:0${v >> 8}:${(v & 255).toString(16).padStart(2, '0')}`,
  }));
  return JSON.stringify({ host: { id: 'bench' }, vpcs, ports, vswitch: { driver: 'memory' } });
}
