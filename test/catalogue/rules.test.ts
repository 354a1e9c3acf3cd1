/** What may be allocated: a refusal of its own for each thing that is wrong. */
import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/base/address.ts';
import { allocate, note, type Request, type Site } from '../../src/catalogue/rules.ts';
import { Sites } from '../../src/catalogue/sites.ts';
import { configOf } from '../agent/hand.ts';

const CONFIG = `
host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    quota: 4
    subnets:
      - { id: subnet-a, cidr: 172.17.16.0/24, gateway: 172.17.16.1 }
      - { id: subnet-b, cidr: 172.17.17.0/30 }
      - { id: subnet-c, cidr: 172.17.18.0/31 }
    havips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.3 }]
  - id: vpc-2
    cidr: 169.254.0.0/16
    subnets: [{ id: subnet-m, cidr: 169.254.169.252/30 }]
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.2] }
  - { interface: tap8, instance: cvm-2, subnet: subnet-b, mac: "02:00:ac:11:10:08" }
peers:
  - { instance: cvm-9, vpc: vpc-1, mac: "02:00:ac:11:10:09", addresses: [172.17.16.4] }
`;

const address = (text: string) => parseIpv4(text);
const request = (changes: Partial<Request> = {}): Request => ({
  id: 'web',
  subnet: 'subnet-a',
  address: null,
  members: null,
  vrid: null,
  ...changes,
});
const siteOf = (vpc = 'vpc-1'): Site => new Sites(configOf(CONFIG)).of(vpc)!;

function ask(changes: Partial<Request>, vpc?: string): string {
  const given = allocate(siteOf(vpc), request(changes));
  return 'refusal' in given ? `${given.refusal.code}: ${given.refusal.message}` : formatIpv4(given.address);
}

describe('an allocation', () => {
  it.each<[string, Partial<Request>, string]>([
    ['without an address takes the lowest free one', {}, '172.17.16.5'],
    ['of a free address takes it', { address: address('172.17.16.9') }, '172.17.16.9'],
    ['with members of no known home', { members: ['cvm-1', 'cvm-7'] }, '172.17.16.5'],
    ['in a /31 may have both addresses', { subnet: 'subnet-c', address: address('172.17.18.0') }, '172.17.18.0'],
    ['outside of the subnet', { address: address('172.17.17.1') }, 'outside-subnet: 172.17.17.1 is outside subnet-a'],
    ['of the network address', { address: address('172.17.16.0') }, 'network: 172.17.16.0 is the network address of subnet-a'],
    ['of the broadcast address', { address: address('172.17.16.255') }, 'broadcast: 172.17.16.255 is the broadcast address of'],
    ['of the gateway', { address: address('172.17.16.1') }, 'gateway: 172.17.16.1 is the gateway of subnet-a'],
    ['of a port', { address: address('172.17.16.2') }, 'fixed-address: 172.17.16.2 is the fixed address of port tap7'],
    [
      'of a peer',
      { address: address('172.17.16.4') },
      'fixed-address: 172.17.16.4 is the fixed address of cvm-9, on another host',
    ],
    ['of another HAVIP', { address: address('172.17.16.3') }, 'taken: 172.17.16.3 already belongs to HAVIP havip-1'],
    [
      'in a subnet that is not there',
      { subnet: 'none' },
      'no-subnet: VPC vpc-1 has no subnet "none"; name one of subnet-a, subnet-b',
    ],
    [
      'for too many',
      { members: Array.from({ length: 11 }, (_, i) => `m${i}`) },
      'members: 11 members are too many; a HAVIP has at most 10',
    ],
    ['for one twice', { members: ['a', 'b', 'a'] }, 'members: member "a" is named twice'],
    ['for a machine of another subnet', { members: ['cvm-2'] }, 'no-home: "cvm-2" has no port in subnet-a, only in subnet-b'],
  ])('%s', (_what, changes, wanted) => {
    const said = ask(changes);
    expect(said.slice(0, wanted.length)).toBe(wanted);
  });

  it('of the metadata address', () => {
    expect(ask({ subnet: 'subnet-m', address: address('169.254.169.254') }, 'vpc-2')).toMatch(
      /^metadata: .* is the metadata address/,
    );
    expect(ask({ subnet: 'subnet-m' }, 'vpc-2')).toMatch(/^full: subnet-m \(169\.254\.169\.252\/30\) has no free address/);
  });

  it('counts against the quota of the VPC, with what the file has', () => {
    const site = siteOf();
    const given: string[] = [];
    for (let i = 0; i < 5; i++) {
      const one = allocate(site, request({ id: `h${i}` }));
      if ('refusal' in one) given.push(one.refusal.code);
      else {
        note(site, request({ id: `h${i}` }), one.address);
        given.push(formatIpv4(one.address));
      }
    }
    expect(given).toEqual(['172.17.16.5', '172.17.16.6', '172.17.16.7', 'quota', 'quota']);
  });
});
