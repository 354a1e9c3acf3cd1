/** Neighbour discovery and VRRP over IPv6: frame -> reason, by policy. */
import { describe, expect, it } from 'vitest';
import { ipv6Frame, nd, type NdFields, nonce, sourceMac, targetMac } from '../../native-fixtures/frames6.ts';
import { ND_ATTACKS } from '../../native-fixtures/nd-attacks.ts';
import { type Reason, reasonOf } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { CVM1, CVM3, CVM4, CVM9, MAC1, MAC2, MAC3, MAC4, MAC9, seedNetwork } from '../network.ts';
import { ipv6Network, type Ipv6Policy } from '../network6.ts';

const POLICIES = {
  listed: compilePolicy(ipv6Network('listed')),
  slaac: compilePolicy(ipv6Network('slaac')),
  any: compilePolicy(ipv6Network('any')),
};
const sighting = new Sighting();

/** The frame somewhere inside a larger buffer, as in a ring: an offset that is forgotten shows at once. */
function verdictOf(frame: Uint8Array, port: number, which: Ipv6Policy): Reason {
  const memory = new Uint8Array(frame.length + 64).fill(0xee);
  memory.set(frame, 32);
  return reasonOf(judge(POLICIES[which], memory, 32, frame.length, 0, port, sighting));
}

/**
 * Of the attacks by cvm-3: `name: reason`, of each of its frames; where nothing is known of the subnet's IPv6, behind a slash. A frame that
 * is other-ip harms nobody: it is no neighbour discovery to any receiver, or a later fragment of what has lost its first.
 */
const VERDICTS_OF_ATTACKS = `
na-mcast-src-target: not-havip / own-address
na-mcast-src-own-ll: not-havip / own-address
na-unicast-O: not-havip / own-address
na-unicast-SO: not-havip / own-address
na-unicast-none: not-havip / own-address
na-mcast-none: not-havip / own-address
na-mcast-S: not-havip / own-address
na-no-option: not-havip / own-address
na-unknown-then-tlla: nd-malformed
na-nonce-then-tlla: nd-malformed
na-two-tlla-victim-first: nd-malformed
na-two-tlla-attacker-first: nd-malformed
na-zero-length-option: nd-malformed
na-tlla-zero-length: nd-malformed
na-slla-for-tlla: nd-malformed
na-hop-254: nd-malformed
na-code-1: nd-malformed
na-bad-checksum: not-havip / nd-checksum
na-dst-solicited-node: not-havip / own-address
na-eth-unicast-ip-mcast: not-havip / own-address
na-dst-ff01: not-havip / own-address
na-foreign-tlla: not-havip / mac-mismatch
na-tlla-broadcast: not-havip / mac-mismatch
na-tlla-zero: not-havip / mac-mismatch
na-vmac-vmac: mac-mismatch
na-own-vmac: not-havip / mac-mismatch
na-eth-padding: not-havip / own-address
na-trailing-garbage-in-ip: nd-malformed
na-plen-24-of-32: not-havip / own-address
na-version-5: nd-hidden
na-hbh: nd-hidden
na-dstopt: nd-hidden
na-dstopt-264: nd-hidden
na-hbh-dstopt: nd-hidden
na-routing-4: nd-hidden
na-atomic-fragment: nd-hidden
na-atomic-dstopt: nd-hidden
na-two-fragments: nd-hidden other-ip
na-fragments-chain-cut: nd-hidden nd-hidden
na-overlap-offset-0: other-ip nd-hidden other-ip
na-behind-ah: nd-hidden
na-behind-no-next-header: other-ip
na-behind-hip: other-ip
na-behind-shim6: other-ip
na-vlan-0: tagged
na-vlan-0-twice: tagged
na-8021ad-8021q: tagged
na-snap: encapsulated
na-6in6: other-ip
na-jumbogram: nd-hidden
ns-src-victim-slla-unicast: not-havip / own-address
ns-src-victim-slla-ethbcast: not-havip / own-address
ns-src-victim-unknown-slla: nd-malformed
ns-src-victim-no-slla: not-havip / own-address
ns-src-victim-slla-tlla: nd-malformed
ns-src-victim-hop-64: nd-malformed
ns-dad-victim-nonce: not-havip / probe
ns-dad-victim-slla: nd-malformed
ns-dstopt: nd-hidden
ns-hbh: nd-hidden
ns-vlan-0: tagged
rs-src-victim-slla: not-havip / own-address
rs-unspecified-slla: nd-malformed
rs-dstopt: nd-hidden
ra-src-gateway-slla: router-advert
ra-src-gateway-lifetime-0: router-advert
ra-unicast: router-advert
ra-hbh: nd-hidden
ra-atomic-fragment: nd-hidden
ra-fragments-header-in-2nd: nd-hidden nd-hidden
redirect-onlink-victim: redirect
redirect-via-attacker: redirect
ins: nd-malformed
ina: nd-malformed
`;

describe('forged neighbour discovery', () => {
  const rows = VERDICTS_OF_ATTACKS.trim()
    .split('\n')
    .map((line) => {
      const [name = '', verdicts = ''] = line.split(': ');
      const [listed = '', any = listed] = verdicts.split(' / ');
      return { name, listed: listed.split(' '), any: any.split(' ') };
    });

  it('has a row for each', () => {
    expect(rows.map(({ name }) => name)).toEqual(ND_ATTACKS.map(({ name }) => name));
  });

  it.each(rows)('$name', ({ name, listed, any }) => {
    const frames = ND_ATTACKS.find((attack) => attack.name === name)?.frames ?? [];
    const verdicts = (which: Ipv6Policy) => frames.map((frame) => verdictOf(frame, CVM3, which));
    expect(verdicts('listed')).toEqual(listed);
    expect(verdicts('slaac')).toEqual(listed);
    expect(verdicts('any')).toEqual(any);
  });

  it('that harms a Linux neighbour is dropped where addresses are listed', () => {
    const passing = ND_ATTACKS.filter(
      ({ harms, frames }) =>
        harms && frames.every((frame) => ['own-address', 'probe', 'other-ip'].includes(verdictOf(frame, CVM3, 'listed'))),
    );
    expect(passing).toEqual([]);
  });
});

const LL3 = 'fe80::acff:fe11:1009';
const na = (more: Partial<NdFields> = {}) =>
  nd({ icmpType: 136, source: MAC3, ipSource: LL3, target: 'fd00:16::9', flags: 0x20, options: [targetMac(MAC3)], ...more });
const ns = (more: Partial<NdFields> = {}) =>
  nd({ icmpType: 135, source: MAC3, ipSource: 'fd00:16::9', target: 'fd00:16::7', options: [sourceMac(MAC3)], ...more });
const dad = (target: string, more: Partial<NdFields> = {}) => ns({ ipSource: '::', target, options: [nonce], ...more });
const rs = (more: Partial<NdFields> = {}) =>
  nd({ icmpType: 133, source: MAC3, ipSource: LL3, ipDestination: 'ff02::2', options: [sourceMac(MAC3)], ...more });
const ra = (more: Partial<NdFields> = {}) =>
  nd({ icmpType: 134, source: MAC3, ipSource: LL3, options: [sourceMac(MAC3)], ...more });
const vrrp6 = (more: object = {}) =>
  ipv6Frame({
    source: MAC3,
    ipSource: LL3,
    ipDestination: 'ff02::12',
    protocol: 112,
    payload: Buffer.from('31330a010064000000000000000000000000000000000000', 'hex'),
    ...more,
  });

type Row = [says: string, frame: Uint8Array, port: number, listed: Reason, slaac: Reason, any: Reason];
const same = (says: string, frame: Uint8Array, port: number, reason: Reason): Row => [says, frame, port, reason, reason, reason];

const rows: Row[] = [
  ['announcement of a listed address', na(), CVM3, 'own-address', 'own-address', 'own-address'],
  same('answer without the option', na({ options: [], flags: 0x40 }), CVM3, 'own-address'),
  same('of its link-local address', na({ target: LL3 }), CVM3, 'own-address'),
  [
    'of the address that it makes of its MAC',
    na({ target: 'fd00:16::acff:fe11:1009' }),
    CVM3,
    'own-address',
    'own-address',
    'own-address',
  ],
  ['of an address of the prefix that nobody has', na({ target: 'fd00:16::77' }), CVM3, 'not-havip', 'own-address', 'own-address'],
  ['of a link-local address that nobody has', na({ target: 'fe80::77' }), CVM3, 'not-havip', 'own-address', 'own-address'],
  ['of an address outside the prefix', na({ target: 'fd00:99::77' }), CVM3, 'not-havip', 'not-havip', 'own-address'],
  ['of the neighbour’s address', na({ target: 'fd00:16::7' }), CVM3, 'not-havip', 'not-havip', 'own-address'],
  same('of the neighbour’s link-local address', na({ target: 'fe80::acff:fe11:1007' }), CVM3, 'not-havip'),
  [
    'of what the neighbour makes of its MAC',
    na({ target: 'fd00:16::acff:fe11:1007' }),
    CVM3,
    'not-havip',
    'not-havip',
    'own-address',
  ],
  ['of the gateway', na({ target: 'fd00:16::1' }), CVM3, 'not-havip', 'not-havip', 'own-address'],
  ['of a router', na({ target: 'fe80::1' }), CVM3, 'not-havip', 'not-havip', 'own-address'],
  same('of a multicast address', na({ target: 'ff02::1' }), CVM3, 'nd-malformed'),
  same('of the unspecified address', na({ target: '::' }), CVM3, 'nd-malformed'),
  same('of an IPv4-mapped address', na({ target: '::ffff:10.0.0.1' }), CVM3, 'nd-malformed'),
  same('from the neighbour’s link-local address', na({ ipSource: 'fe80::acff:fe11:1007' }), CVM3, 'not-havip'),
  same('from ::', na({ ipSource: '::' }), CVM3, 'nd-malformed'),
  same('with another MAC in the option', na({ options: [targetMac(MAC2)] }), CVM3, 'mac-mismatch'),
  same('from another MAC', na({ source: MAC2 }), CVM3, 'mac-mismatch'),
  same('with a wrong checksum', na({ checksum: 'wrong' }), CVM3, 'nd-checksum'),
  same('with two options', na({ options: [targetMac(MAC3), targetMac(MAC3)] }), CVM3, 'nd-malformed'),

  same('look-up', ns(), CVM3, 'own-address'),
  same('look-up without the option', ns({ options: [] }), CVM3, 'own-address'),
  same('look-up from the link-local address', ns({ ipSource: LL3 }), CVM3, 'own-address'),
  ['look-up from a temporary address', ns({ ipSource: 'fd00:16::1234:5678' }), CVM3, 'not-havip', 'own-address', 'own-address'],
  same('look-up with the target’s MAC', ns({ options: [targetMac(MAC3)] }), CVM3, 'nd-malformed'),
  same('look-up with another’s MAC', ns({ options: [sourceMac(MAC2)] }), CVM3, 'mac-mismatch'),
  same('duplicate address detection', dad('fd00:16::9'), CVM3, 'probe'),
  same('duplicate address detection, no nonce', dad('fd00:16::9', { options: [] }), CVM3, 'probe'),
  same('duplicate address detection, link-local', dad(LL3), CVM3, 'probe'),
  ['duplicate address detection of what nobody has', dad('fd00:16::77'), CVM3, 'not-havip', 'probe', 'probe'],
  same('duplicate address detection of another’s', dad('fe80::acff:fe11:1007'), CVM3, 'not-havip'),
  same('duplicate address detection with a MAC', dad('fd00:16::9', { options: [sourceMac(MAC3)] }), CVM3, 'nd-malformed'),

  same('router solicitation', rs(), CVM3, 'own-address'),
  same('router solicitation without the option', rs({ options: [] }), CVM3, 'own-address'),
  same('router solicitation from ::', rs({ ipSource: '::', options: [] }), CVM3, 'probe'),
  same('router solicitation from ::, with a MAC', rs({ ipSource: '::' }), CVM3, 'nd-malformed'),
  same('router solicitation with another’s MAC', rs({ options: [sourceMac(MAC1)] }), CVM3, 'mac-mismatch'),

  same('router advertisement', ra(), CVM3, 'router-advert'),
  same('router renumbering', nd({ icmpType: 138, source: MAC3, ipSource: LL3 }), CVM3, 'router-advert'),
  same('redirect', nd({ icmpType: 137, source: MAC3, ipSource: LL3 }), CVM3, 'redirect'),
  same('router advertisement of a router', ra({ source: MAC4, ipSource: 'fe80::acff:fe11:2005' }), CVM4, 'own-address'),
  same('redirect of a router', nd({ icmpType: 137, source: MAC4, ipSource: 'fe80::acff:fe11:2005' }), CVM4, 'own-address'),
  same('router advertisement of a router in another’s name', ra({ source: MAC4, ipSource: LL3 }), CVM4, 'not-havip'),
  same(
    'router renumbering of a router',
    nd({ icmpType: 138, source: MAC4, ipSource: 'fe80::acff:fe11:2005' }),
    CVM4,
    'router-advert',
  ),
  same('router advertisement in a fragment', ra({ headers: [{ type: 'fragment', more: true }] }), CVM3, 'nd-hidden'),

  same(
    'MLD',
    ipv6Frame({ source: MAC3, ipSource: LL3, headers: [{ type: 'hop-by-hop' }], protocol: 58, payload: Buffer.from([143, 0]) }),
    CVM3,
    'other-ip',
  ),
  same('echo', ipv6Frame({ source: MAC3, ipSource: LL3, protocol: 58, payload: Buffer.from([128, 0]) }), CVM3, 'other-ip'),
  same(
    'ICMPv6 type 255',
    ipv6Frame({ source: MAC3, ipSource: LL3, protocol: 58, payload: Buffer.from([255, 0]) }),
    CVM3,
    'nd-malformed',
  ),
  same(
    'ICMPv6 without a byte',
    ipv6Frame({ source: MAC3, ipSource: LL3, protocol: 58, payload: Buffer.alloc(0) }),
    CVM3,
    'nd-hidden',
  ),
  same(
    'UDP of version 5',
    ipv6Frame({ source: MAC3, ipSource: LL3, version: 5, protocol: 17, payload: Buffer.alloc(8) }),
    CVM3,
    'other-ip',
  ),
  same(
    'GRE of version 5',
    ipv6Frame({ source: MAC3, ipSource: LL3, version: 5, protocol: 47, payload: Buffer.alloc(8) }),
    CVM3,
    'nd-hidden',
  ),
  same('20 bytes', na().subarray(0, 20), CVM3, 'nd-hidden'),
  same(
    'the first 504 bytes of a longer echo',
    ipv6Frame({
      source: MAC3,
      ipSource: LL3,
      headers: [{ type: 'fragment', more: true }],
      protocol: 58,
      payload: Buffer.alloc(1232, 128),
    }).subarray(0, 504),
    CVM3,
    'other-ip',
  ),

  same('VRRP of a member', vrrp6({ source: MAC1, ipSource: 'fe80::acff:fe11:1007' }), CVM1, 'other-ip'),
  same('VRRP of a member from another link-local address', vrrp6({ source: MAC1, ipSource: 'fe80::77' }), CVM1, 'other-ip'),
  same('VRRP of a member from another’s', vrrp6({ source: MAC1, ipSource: LL3 }), CVM1, 'vrrp-source'),
  [
    'VRRP of a member from an address outside',
    vrrp6({ source: MAC1, ipSource: 'fd00:99::1' }),
    CVM1,
    'vrrp-source',
    'vrrp-source',
    'other-ip',
  ],
  same('VRRP that was routed', vrrp6({ source: MAC1, ipSource: 'fe80::acff:fe11:1007', hopLimit: 254 }), CVM1, 'vrrp-ttl'),
  same(
    'VRRP by unicast',
    vrrp6({ source: MAC1, ipSource: 'fe80::acff:fe11:1007', hopLimit: 64, ipDestination: 'fe80::acff:fe11:100d' }),
    CVM1,
    'other-ip',
  ),
  same('VRRP of who may claim nothing', vrrp6({ source: MAC9, ipSource: 'fe80::acff:fe22:1007' }), CVM9, 'foreign-vrrp'),
  same('the same in a later fragment', vrrp6({ source: MAC9, headers: [{ type: 'fragment', offset: 3 }] }), CVM9, 'nd-hidden'),
  same('the same behind AH', vrrp6({ source: MAC9, headers: [{ type: 'ah' }] }), CVM9, 'nd-hidden'),
  same('VRRP of a member behind options', vrrp6({ source: MAC1, headers: [{ type: 'destination' }] }), CVM1, 'nd-hidden'),
  same('an unknown port', na(), 17, 'unknown-port'),
];

describe('neighbour discovery and VRRP over IPv6: frame -> reason', () => {
  it.each(rows)('%s', (_says, frame, port, listed, slaac, any) => {
    expect([verdictOf(frame, port, 'listed'), verdictOf(frame, port, 'slaac'), verdictOf(frame, port, 'any')]).toEqual([
      listed,
      slaac,
      any,
    ]);
  });

  it('a network without a word of IPv6 is that of `any`', () => {
    const policy = compilePolicy(seedNetwork);
    for (const { frames } of ND_ATTACKS) {
      for (const frame of frames)
        expect(reasonOf(judge(policy, frame, 0, frame.length, 0, CVM3, sighting))).toBe(verdictOf(frame, CVM3, 'any'));
    }
  });
});
