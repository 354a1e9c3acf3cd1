import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { plan } from '../../src/config/plan.ts';

const EXTERNAL = 'external: { interface: ext0, gateway: 203.0.113.1 }';
const EIP = 'eips: [{ id: eip-1, address: 203.0.113.10, havip: havip-1 }]';

function parse(outside: string, cidr = '172.17.0.0/16') {
  const net = cidr.split('.').slice(0, 2).join('.');
  return parseConfig(`
host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: ${cidr}
    subnets: [{ id: subnet-a, cidr: ${net}.16.0/24 }]
    havips: [{ id: havip-1, subnet: subnet-a, address: ${net}.16.3 }, { id: havip-2, subnet: subnet-a, address: ${net}.16.4 }]
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [${net}.16.7] }
${outside}
`);
}

describe('eips and external', () => {
  it('lead from an address to a HAVIP', () => {
    const parsed = parse(`${EIP}\n${EXTERNAL}`);
    if (!parsed.ok) throw new Error(parsed.mistakes[0]?.message);
    const network = plan(parsed.config);
    expect(network.eips).toEqual([{ id: 'eip-1', address: 0xcb00_710a, havip: 0 }]);
    expect(network.external?.notNat.length).toBe(3);
    expect(plan(parsed.config, network).eips).toBe(network.eips);
  });

  it('lead nowhere while there is no such HAVIP', () => {
    const parsed = parse(`eips: [{ id: eip-1, address: 203.0.113.10, havip: later }]\n${EXTERNAL}`);
    expect(parsed.ok && plan(parsed.config).eips).toEqual([]);
  });

  it.each([
    [EIP, '`eips` need `external`: the interface that leads outside, and the gateway there'],
    [
      `eips: [{ id: e, address: 203.0.113.1, havip: havip-1 }]\n${EXTERNAL}`,
      '203.0.113.1 is the gateway outside; choose another address',
    ],
    [
      `eips: [{ id: e, address: 10.0.0.1, havip: havip-1 }]\n${EXTERNAL}`,
      '10.0.0.1 is in `external.notNat`; take it out there, or choose another address',
    ],
    [
      `eips: [{ id: e, address: 203.0.113.10, havip: havip-1 }, { id: f, address: 203.0.113.11, havip: havip-1 }]\n${EXTERNAL}`,
      'HAVIP havip-1 is in another EIP already; each has one',
    ],
    [
      `eips: [{ id: e, address: 203.0.113.10, havip: havip-1 }, { id: f, address: 203.0.113.10, havip: havip-2 }]\n${EXTERNAL}`,
      'address 203.0.113.10 is in another EIP already; each has one',
    ],
    [
      `eips: [{ id: e, address: 203.0.113.10, havip: havip-1 }, { id: e, address: 203.0.113.11, havip: havip-2 }]\n${EXTERNAL}`,
      'id e is in another EIP already; each has one',
    ],
    ['external: { interface: tap7, gateway: 203.0.113.1 }', 'tap7 is a port; the outside is behind an interface of its own'],
  ])('%s', (outside, mistake) => {
    const parsed = parse(outside);
    expect(parsed.ok ? [] : parsed.mistakes.map(({ message }) => message)).toEqual([mistake]);
  });

  it('want a VPC that has EIPs among the prefixes where nothing is translated', () => {
    const parsed = parse(`${EIP}\n${EXTERNAL}`, '100.64.0.0/16');
    expect(parsed.ok ? [] : parsed.mistakes.map(({ message }) => message)).toEqual([
      'VPC vpc-1 has HAVIPs with an EIP; add its 100.64.0.0/16, where nothing is translated',
    ]);
  });
});
