import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Havip, type Network, NO_NETWORK } from '../../src/base/network.ts';
import { changedHavips, countHavips, havipsOf } from '../../src/base/sorted.ts';
import { type Config, parseConfig } from '../../src/config/config.ts';
import { plan } from '../../src/config/plan.ts';

interface World {
  readonly havips: readonly { id: string; address: string; members?: string[] }[];
  readonly ports: readonly { interface: string; mac: string }[];
}

function network(world: World, previous?: Network): Network {
  const parsed = parseConfig(
    JSON.stringify({
      host: { id: 'h' },
      vpcs: [
        {
          id: 'v',
          cidr: '10.0.0.0/16',
          subnets: [{ id: 's', cidr: '10.0.0.0/24' }],
          havips: world.havips.map((havip) => ({ subnet: 's', ...havip })),
        },
      ],
      ports: world.ports.map((port) => ({ instance: 'i', subnet: 's', ...port })),
    }),
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes));
  return plan(parsed.config, previous);
}

const ids = (things: readonly ({ id: string } | null)[]) => things.map((thing) => thing?.id ?? null);
const A = { id: 'a', address: '10.0.0.1' };
const B = { id: 'b', address: '10.0.0.10' };
const C = { id: 'c', address: '10.0.0.100' };
const only = (...havips: World['havips'][number][]): World => ({ havips, ports: [] });

describe('plan', () => {
  it('keeps an index with its thing, whatever the order', () => {
    const before = network(only(A, B, C));
    const after = network(only(C, A, B), before);
    expect(ids(after.havips)).toEqual(['a', 'b', 'c']);
    expect(after.havips[1]).toBe(before.havips[1]);
  });

  it('leaves a hole, and fills it one reload later', () => {
    const first = network(only(A, B));
    const second = network(only(B, C), first);
    expect(ids(second.havips)).toEqual([null, 'b', 'c']);
    const third = network(only(B, C, A), second);
    expect(ids(third.havips)).toEqual(['a', 'b', 'c']);
  });

  it('gives a HAVIP with another address a new index, one with other members a new object at the old one', () => {
    const before = network(only(A, B));
    const moved = network(only({ ...A, address: '10.0.0.2' }, { ...B, members: ['i'] }), before);
    expect(ids(moved.havips)).toEqual([null, 'b', 'a']);
    expect(moved.havips[1]).not.toBe(before.havips[1]);
  });

  it('gives a port with another MAC a new index', () => {
    const before = network({ havips: [], ports: [{ interface: 't', mac: '02:00:00:00:00:01' }] });
    const after = network({ havips: [], ports: [{ interface: 't', mac: '02:00:00:00:00:02' }] }, before);
    expect(after.ports.map((port) => port?.mac ?? null)).toEqual([null, 0x020000000002]);
  });

  it('never gives a live index of the previous network to something else', () => {
    const havips = fc.uniqueArray(fc.record({ n: fc.integer({ min: 0, max: 9 }), address: fc.integer({ min: 0, max: 3 }) }), {
      selector: ({ n }) => n,
    });
    fc.assert(
      fc.property(fc.array(havips, { minLength: 2, maxLength: 8 }), (reloads) => {
        let before: Network | undefined;
        for (const reload of reloads) {
          const after = network(
            only(...reload.map(({ n, address }) => ({ id: `x${n}`, address: `10.0.0.${1 + n * 4 + address}` }))),
            before,
          );
          expect(after.havips.filter((havip) => havip !== null)).toHaveLength(reload.length);
          for (const [index, havip] of after.havips.entries()) {
            const earlier = before?.havips[index] ?? null;
            if (havip !== null) expect(havip.index).toBe(index);
            if (havip !== null && earlier !== null) expect([havip.id, havip.address]).toEqual([earlier.id, earlier.address]);
          }
          before = after;
        }
      }),
      { numRuns: 50 },
    );
  });

  it('says what changed, VPC by VPC or all anew', () => {
    // By VPC and subnet: the last bytes of the addresses of its HAVIPs.
    const hosts = fc.uniqueArray(fc.integer({ min: 2, max: 9 }), { maxLength: 5 });
    const worlds = fc.array(fc.array(fc.tuple(hosts, hosts), { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(worlds, (reloads) => {
        let network: Network = NO_NETWORK;
        let config: Config | null = null;
        for (const reload of reloads) {
          const next: Config = withKept(manyVpcs(reload), config);
          const after = plan(next, network, config);
          expect(after).toEqual(plan(next, network));
          expect(changedHavips(network, after).sort((a, b) => a - b)).toEqual(differences(network.havips, after.havips));
          expect(after.subnets.map((_, subnet) => byIndex(havipsOf(after, subnet)))).toEqual(
            after.subnets.map((_, subnet) => after.havips.filter((havip) => havip?.subnet === subnet)),
          );
          expect(countHavips(after)).toBe(reload.flat(2).length);
          [network, config] = [after, next];
        }
      }),
      { numRuns: 100 },
    );
  });
});

function manyVpcs(world: readonly (readonly [readonly number[], readonly number[]])[]): Config {
  const vpcs = world.map((subnets, v) => ({
    id: `vpc-${v}`,
    cidr: '10.0.0.0/16',
    subnets: subnets.map((_, s) => ({ id: `subnet-${v}-${s}`, cidr: `10.0.${s}.0/24` })),
    havips: subnets.flatMap((hosts, s) =>
      // An id is the place in the list: HAVIPs get other addresses, come and go.
      hosts.map((host, i) => ({ id: `havip-${v}-${s}-${i}`, subnet: `subnet-${v}-${s}`, address: `10.0.${s}.${host}` })),
    ),
  }));
  const parsed = parseConfig(JSON.stringify({ host: { id: 'h' }, vpcs, ports: [] }));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes));
  return parsed.config;
}

/** VPCs that are as before are the same objects, as from a file that is read again. */
function withKept(config: Config, before: Config | null): Config {
  const vpcs = config.vpcs.map((vpc) => before?.vpcs.find((one) => JSON.stringify(one) === JSON.stringify(vpc)) ?? vpc);
  return { ...config, vpcs };
}

function differences(before: Network['havips'], after: Network['havips']): number[] {
  const indexes = Array.from({ length: Math.max(before.length, after.length) }, (_, i) => i);
  return indexes.filter((i) => (before[i] ?? null) !== (after[i] ?? null));
}

function byIndex(havips: readonly Havip[]): Havip[] {
  return havips.toSorted((a, b) => a.index - b.index);
}
