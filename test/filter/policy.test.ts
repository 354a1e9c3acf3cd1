import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Havip, Network, Port } from '../../src/base/network.ts';
import { mayClaim } from '../../src/base/rights.ts';
import { UNKNOWN } from '../../src/filter/layout.ts';
import { compilePolicy, recompilePolicy } from '../../src/filter/compile.ts';
import { lookUp, Policy, portMayClaim } from '../../src/filter/policy.ts';
import { seedNetwork } from '../network.ts';

const instances = ['a', 'b', 'c', 'd'];

const networks = fc
  .record({
    ports: fc.array(
      fc.record({
        instance: fc.constantFrom(...instances),
        subnet: fc.nat(2),
        address: fc.nat(50),
      }),
      { maxLength: 12 },
    ),
    havips: fc.array(
      fc.record({
        subnet: fc.nat(2),
        address: fc.nat(50),
        members: fc.option(fc.uniqueArray(fc.constantFrom(...instances))),
        gone: fc.boolean(),
      }),
      { maxLength: 30 },
    ),
  })
  .map(({ ports, havips }): Network => {
    const used = new Set<number>();
    const fresh = (address: number) => !used.has(address) && used.add(address);
    return {
      vpcs: [],
      subnets: [],
      uplinks: [],
      peers: [],
      ports: ports.map((port, index): Port | null => {
        const addresses = fresh(port.address) ? [port.address] : [];
        return {
          index,
          interface: `tap${index}`,
          instance: port.instance,
          vpc: port.subnet >> 1,
          subnet: port.subnet,
          mac: 0x0200_0000_0000 + index,
          addresses,
          addresses6: [],
          router: false,
        };
      }),
      havips: havips.map((havip, index): Havip | null => {
        if (havip.gone || !fresh(havip.address)) return null;
        const { subnet, address, members } = havip;
        return {
          index,
          id: `h${index}`,
          vpc: subnet >> 1,
          subnet,
          address,
          members,
          fence: true,
          vrid: null,
          assist: null,
          verify: false,
          probe: false,
        };
      }),
    };
  });

describe('compiled policy', () => {
  it('says of every port and HAVIP what the network says', () => {
    fc.assert(
      fc.property(networks, (network) => {
        const policy = compilePolicy(network);
        for (const port of network.ports) {
          for (const havip of network.havips) {
            if (port && havip) expect(portMayClaim(policy, port.index, havip.index)).toBe(mayClaim(port, havip));
          }
        }
      }),
    );
  });

  it('knows the meaning of every address, and of no other', () => {
    fc.assert(
      fc.property(networks, (network) => {
        const policy = compilePolicy(network);
        const meanings = new Map<string, number>();
        for (const port of network.ports)
          for (const address of port?.addresses ?? []) meanings.set(`${port!.vpc} ${address}`, ~port!.index);
        for (const havip of network.havips) if (havip) meanings.set(`${havip.vpc} ${havip.address}`, havip.index);
        for (let vpc = 0; vpc < 3; vpc++) {
          for (let address = 0; address <= 60; address++) {
            expect(lookUp(policy, vpc, address)).toBe(meanings.get(`${vpc} ${address}`) ?? UNKNOWN);
          }
        }
      }),
    );
  });

  it('is the same made from the one before as made anew', () => {
    const edits = fc.array(fc.record({ index: fc.nat(40), from: fc.nat(29), address: fc.nat(60) }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(networks, fc.array(edits, { minLength: 1, maxLength: 4 }), (first, reloads) => {
        let before = first;
        let policy = compilePolicy(before);
        let former: Policy | null = null;
        for (const [generation, reload] of reloads.entries()) {
          const after = edited(before, reload);
          const patched: Policy = recompilePolicy(policy, before, after, generation, former);
          former = policy;
          policy = patched;
          const anew = compilePolicy(after, generation);
          expect(policy.words.slice(0, policy.lookupAt)).toEqual(anew.words.slice(0, anew.lookupAt));
          expect(allMeanings(policy)).toEqual(allMeanings(anew));
          before = after;
        }
      }),
    );
  });

  it('attaches to the memory of another thread', () => {
    const compiled = compilePolicy(seedNetwork, 7);
    const attached = new Policy(compiled.words.buffer);
    expect(attached.generation).toBe(7);
    expect(attached).toEqual(compiled);
    expect(attached.words.buffer).toBe(compiled.words.buffer);
    expect(() => new Policy(new SharedArrayBuffer(64))).toThrow('magic number');
  });
});

function allMeanings(policy: Policy): number[] {
  return Array.from({ length: 3 * 61 }, (_, i) => lookUp(policy, Math.floor(i / 61), i % 61));
}

/** Each edit puts a copy of a HAVIP at an index with an address nobody else of the network has, or leaves a hole there. */
function edited(network: Network, edits: readonly { index: number; from: number; address: number }[]): Network {
  const havips = [...network.havips];
  for (const { index, from, address } of edits) {
    const taken = [...havips, ...network.ports].some((one) => one && ('id' in one ? one.address : one.addresses[0]) === address);
    const model = havips[from] ?? null;
    while (havips.length < index) havips.push(null);
    havips[index] = model === null || taken ? null : { ...model, index, address };
  }
  return { ...network, havips };
}
