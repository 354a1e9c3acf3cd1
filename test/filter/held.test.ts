/** What the judge says while somebody holds something: an address, a virtual MAC, a VRID. */
import { describe, expect, it } from 'vitest';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import { carp, ipv4 } from '../../native-fixtures/packets.ts';
import { type Reason, reasonOf } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { Held } from '../../src/filter/held.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { Policy } from '../../src/filter/policy.ts';
import { CVM1, CVM2, CVM3, CVM4, HAVIP1, HAVIP2, HAVIP_OPEN, MAC1, MAC2, MAC3, MAC4, seedNetwork } from '../network.ts';

const VMAC = '00:00:5e:00:01:33';
const VRID = 0x33;
const network = { ...seedNetwork, havips: seedNetwork.havips.filter((havip) => havip?.index !== HAVIP_OPEN) };
const compiled = compilePolicy(network);
const sighting = new Sighting();

function world(arrange: (held: Held) => void): (frame: Uint8Array, port: number) => Reason {
  const held = new Held({ havips: 3, vpcs: 2 });
  arrange(held);
  // As a worker has it: by the memory alone.
  const policy = new Policy(compiled.words.buffer, new Held(held.memory));
  return (frame, port) => reasonOf(judge(policy, frame, 0, frame.length, 0, port, sighting));
}

const packet = (source: string, ipSource: string) => ipv4({ source, ipSource, ipDestination: '172.17.16.200', protocol: 17 });
const advert = (source: string, ipSource: string, more = {}) =>
  vrrp({ source, ipSource, vrid: VRID, addresses: ['172.17.16.3'], ...more });

const claim = (source: string, senderAddress: string, senderMac = VMAC) => arp({ source, senderMac, senderAddress });
const foreign = (more = {}) => advert(MAC4, '172.17.32.5', { addresses: ['172.17.32.3'], ...more });

describe('what is held', () => {
  it('starts with nobody, is shared, and goes over into the next one', () => {
    const held = new Held({ havips: 3, vpcs: 1 });
    expect([...new Held(held.memory).ports]).toEqual([-1, -1, -1]);
    held.hold(0, 1, 5, VRID);
    held.own(0, 1, [7]);
    expect(new Held(held.memory).ports[1]).toBe(5);
    const next = new Held({ havips: 2, vpcs: 1 });
    next.copy(held);
    expect([next.ports[1], next.vmacs.first[VRID], next.vrids.first[7]]).toEqual([5, 1, 2]);
    next.hold(0, 1, -1, 0);
    next.own(0, 1, []);
    expect([next.ports[1], next.vmacs.first[VRID], next.vrids.first[7]]).toEqual([-1, -1, -1]);
  });
});

describe('the fence', () => {
  const verdict = world((held) => held.hold(0, HAVIP1, CVM1, 0));

  it('lets the holder alone send from a held HAVIP', () => {
    expect(verdict(packet(MAC1, '172.17.16.3'), CVM1)).toBe('other-ip');
    expect(verdict(packet(MAC2, '172.17.16.3'), CVM2)).toBe('fence');
    expect(sighting.havip).toBe(HAVIP1);
    expect(verdict(packet(MAC3, '172.17.16.3'), CVM3)).toBe('source');
    expect(verdict(advert(MAC2, '172.17.16.3'), CVM2)).toBe('fence');
  });

  it('moves with the holder, and is open while there is none', () => {
    const moved = world((held) => {
      held.hold(0, HAVIP1, CVM1, 0);
      held.hold(0, HAVIP1, CVM2, 0);
    });
    expect(moved(packet(MAC2, '172.17.16.3'), CVM2)).toBe('other-ip');
    expect(moved(packet(MAC1, '172.17.16.3'), CVM1)).toBe('fence');
    const none = world((held) => {
      held.hold(0, HAVIP1, CVM1, 0);
      held.hold(0, HAVIP1, -1, 0);
    });
    expect(none(packet(MAC2, '172.17.16.3'), CVM2)).toBe('other-ip');
  });
});

describe('a virtual MAC that somebody holds', () => {
  const verdict = world((held) => held.hold(0, HAVIP1, CVM1, VRID));

  it('is its holder’s for everything', () => {
    expect(verdict(packet(VMAC, '172.17.16.3'), CVM1)).toBe('other-ip');
    expect(verdict(advert(VMAC, '172.17.16.7'), CVM1)).toBe('vrrp-advert');
    expect(verdict(claim(VMAC, '172.17.16.3'), CVM1)).toBe('havip-claim');
  });

  it('is a fellow member’s for ARP and VRRP alone', () => {
    expect(verdict(claim(VMAC, '172.17.16.3'), CVM2)).toBe('havip-claim');
    expect(verdict(claim(MAC2, '172.17.16.3'), CVM2)).toBe('havip-claim');
    expect(verdict(advert(VMAC, '172.17.16.13'), CVM2)).toBe('vrrp-advert');
    expect(verdict(advert(VMAC, '172.17.16.13', { checksum: 'wrong' }), CVM2)).toBe('vrrp-checksum');
    expect(verdict(packet(VMAC, '172.17.16.13'), CVM2)).toBe('vmac-held');
    expect(sighting.havip).toBe(HAVIP1);
  });

  it('is nothing of another cluster’s, nor what it may say to be its own', () => {
    expect(verdict(claim(VMAC, '172.17.32.3'), CVM4)).toBe('vmac-held');
    expect(verdict(claim(MAC4, '172.17.32.3'), CVM4)).toBe('vmac-held');
    expect(verdict(packet(VMAC, '172.17.32.5'), CVM4)).toBe('vmac-held');
    expect(verdict(advert(VMAC, '172.17.32.5', { addresses: ['172.17.32.3'] }), CVM4)).toBe('vmac-held');
    expect(verdict(claim('00:00:5e:00:01:34', '172.17.32.3', '00:00:5e:00:01:34'), CVM4)).toBe('havip-claim');
  });

  it('is free again when nobody holds under it, also for one of several', () => {
    const two = world((held) => {
      held.hold(0, HAVIP1, CVM1, VRID);
      held.hold(0, HAVIP2, CVM4, VRID);
      held.hold(0, HAVIP1, CVM2, 0x34);
    });
    expect(two(packet(VMAC, '172.17.32.5'), CVM4)).toBe('other-ip');
    expect(two(packet(VMAC, '172.17.16.7'), CVM1)).toBe('vmac-held');
    const none = world((held) => {
      held.hold(0, HAVIP1, CVM1, VRID);
      held.hold(0, HAVIP1, -1, 0);
    });
    expect(none(packet(VMAC, '172.17.32.5'), CVM4)).toBe('other-ip');
  });

  it('is another one in another VPC', () => {
    const other = world((held) => held.hold(1, HAVIP1, CVM1, VRID));
    expect(other(packet(VMAC, '172.17.32.5'), CVM4)).toBe('other-ip');
  });
});

describe('a VRID that a cluster owns', () => {
  const verdict = world((held) => held.own(0, HAVIP1, [VRID, 7]));

  it('is its members’ by multicast', () => {
    expect(verdict(advert(MAC2, '172.17.16.13'), CVM2)).toBe('vrrp-advert');
    expect(verdict(foreign(), CVM4)).toBe('foreign-vrrp');
    expect(sighting.havip).toBe(HAVIP1);
    expect(verdict(foreign({ signed: true }), CVM4)).toBe('foreign-vrrp');
    expect(verdict(foreign({ addresses: [] }), CVM4)).toBe('foreign-vrrp');
    expect(verdict(foreign({ addresses: ['172.17.32.99'], priority: 255, version: 3 }), CVM4)).toBe('foreign-vrrp');
    expect(verdict(foreign({ ipDestination: '239.1.1.1' }), CVM4)).toBe('foreign-vrrp');
    expect(verdict(foreign({ vrid: 7 }), CVM4)).toBe('foreign-vrrp');
    expect(verdict(foreign({ vrid: 8 }), CVM4)).toBe('vrrp-advert');
  });

  it('is everybody’s by unicast, whom one may speak to', () => {
    expect(verdict(foreign({ ipDestination: '172.17.32.99' }), CVM4)).toBe('vrrp-advert');
    expect(verdict(foreign({ ipDestination: '172.17.16.7' }), CVM4)).toBe('foreign-vrrp');
  });

  it('is no name to CARP', () => {
    expect(verdict(carp({ vhid: VRID, ipSource: '172.17.32.5' }), CVM4)).toBe('carp-advert');
  });

  it('names its owner also where it is not the reason', () => {
    expect(verdict(advert(MAC3, '172.17.16.9', { addresses: [] }), CVM3)).toBe('foreign-vrrp');
    expect(sighting.havip).toBe(HAVIP1);
  });

  it('names the HAVIP that an advert lists, though another one has the VRID', () => {
    const taken = world((held) => held.own(0, HAVIP2, [VRID]));
    // Of a non-member of HAVIP1, which would be a stranger to the VRID's cluster too.
    expect(taken(foreign({ addresses: ['172.17.16.3'] }), CVM4)).toBe('foreign-vrrp');
    expect(sighting.havip).toBe(HAVIP1);
    expect(taken(advert(MAC1, '172.17.16.7'), CVM1)).toBe('foreign-vrrp');
    expect(sighting.havip).toBe(HAVIP2);
  });

  it('is free when it is given up', () => {
    const free = world((held) => {
      held.own(0, HAVIP1, [VRID, 7]);
      held.own(0, HAVIP1, [7]);
    });
    expect(free(foreign(), CVM4)).toBe('vrrp-advert');
    expect(free(foreign({ vrid: 7 }), CVM4)).toBe('foreign-vrrp');
  });
});
