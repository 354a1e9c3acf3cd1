import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Havip, mayClaim, type Network, type Port } from '../../src/base/network.ts';
import { compilePolicy, lookUp, Policy, portMayClaim, UNKNOWN } from '../../src/filter/policy.ts';
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

  it('attaches to the memory of another thread', () => {
    const compiled = compilePolicy(seedNetwork, 7);
    const attached = new Policy(compiled.words.buffer);
    expect(attached.epoch).toBe(7);
    expect(attached).toEqual(compiled);
    expect(attached.words.buffer).toBe(compiled.words.buffer);
    expect(() => new Policy(new SharedArrayBuffer(64))).toThrow('magic number');
  });
});
