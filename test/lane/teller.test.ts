import { beforeEach, describe, expect, it } from 'vitest';
import { arp, rarp, vrrp } from '../../native-fixtures/frames.ts';
import { must } from '../../src/base/assert.ts';
import { formatMac } from '../../src/base/mac.ts';
import { reasonOf, VERDICTS } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { judge } from '../../src/filter/judge.ts';
import { newHeld } from '../../src/filter/held.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import type { Claim, VrrpFacts } from '../../src/lane/claim.ts';
import { ABSORBED, Lane } from '../../src/lane/lane.ts';
import { LaneReader } from '../../src/lane/reader.ts';
import { REFUSED } from '../../src/lane/slot.ts';
import { Teller } from '../../src/lane/teller.ts';
import { kindOf } from '../../src/lane/writer.ts';
import { bareNetwork, CVM1, CVM2, CVM3, HAVIP1, HAVIP_OPEN, MAC1, MAC2, MAC3 } from '../network.ts';

const holders = newHeld(bareNetwork);
const policy = compilePolicy(bareNetwork).seeing(holders);
let lane: Lane;
let teller: Teller;
let reader: LaneReader;
const sighting = new Sighting();

beforeEach(() => {
  lane = new Lane();
  teller = new Teller(lane, sighting, null);
  teller.follow(policy);
  reader = new LaneReader(lane);
  holders.ports.fill(-1);
});

/** As the live worker does, with a sighting that all frames share. Refusals are not sampled. */
function see(port: number, frame: Uint8Array, ns = 1): void {
  const verdict = judge(policy, frame, 0, frame.length, 0, port, sighting);
  const kind = kindOf(verdict);
  if (kind === REFUSED) teller.refusal(verdict, port, ns, frame, 0, frame.length, 0);
  else if (kind >= 0) teller.claim(kind, verdict, port, ns, frame, 0, frame.length);
}

function told(): Claim[] {
  const claims: Claim[] = [];
  reader.drain(
    (claim) => claims.push(claim),
    () => expect.unreachable('no link changed'),
    Infinity,
  );
  return claims;
}

/** What waits in each ring, by what it claims. */
function waiting(): { urgent: string[]; routine: string[] } {
  const urgent: string[] = [];
  const routine: string[] = [];
  while (lane.urgent.peek() >= 0 || lane.routine.peek() >= 0) {
    const before = lane.urgent.peek();
    const claims: Claim[] = [];
    reader.drain(
      (claim) => claims.push(claim),
      () => {},
      1,
    );
    const [claim] = claims as [Claim];
    (lane.urgent.peek() === before ? routine : urgent).push(`${claim.kind} ${claim.havip}`);
  }
  return { urgent, routine };
}

const announcement = (source: string, senderAddress = '172.17.16.3') => arp({ source, senderAddress });
const advert = { source: MAC1, ipSource: '172.17.16.7', addresses: ['172.17.16.3', '172.17.32.3', '172.17.16.33'] };

describe('teller: which ring', () => {
  it('is urgent for the claim of a new holder, routine for that of the present one', () => {
    holders.ports[HAVIP1] = CVM1;
    see(CVM1, announcement(MAC1));
    expect([teller.pushed, teller.changed]).toEqual([true, false]);
    see(CVM2, announcement(MAC2));
    expect(teller.changed).toBe(true);
    expect(waiting()).toEqual({ urgent: ['announce 0'], routine: ['announce 0'] });
  });

  it('is routine for adverts, of each HAVIP that the sender may claim, and urgent for its resignation and for RARP', () => {
    see(CVM1, vrrp(advert));
    expect(teller.changed).toBe(false);
    expect(waiting()).toEqual({ urgent: [], routine: [`advert ${HAVIP1}`, `advert ${HAVIP_OPEN}`] });
    see(CVM1, vrrp({ ...advert, priority: 0 }));
    see(CVM1, rarp(MAC1));
    expect(teller.changed).toBe(true);
    expect(waiting()).toEqual({ urgent: [`resign ${HAVIP1}`, `resign ${HAVIP_OPEN}`, 'relocate -1'], routine: [] });
  });

  it('is routine for what was refused, and no ring has what is accepted and no claim or came from nobody', () => {
    see(CVM1, announcement(MAC1, '172.17.16.7'));
    see(99, announcement(MAC1));
    expect(teller.pushed).toBe(false);
    see(CVM3, announcement(MAC3));
    expect(waiting()).toEqual({ urgent: [], routine: [`refused ${HAVIP1}`] });
  });

  it('has a kind for every verdict but those of which nobody is told', () => {
    const silent = VERDICTS.filter((_, verdict) => kindOf(verdict) < 0).map(({ name }) => name);
    expect(silent).toEqual([
      'own-address',
      'probe',
      'carp-advert',
      'other-ip',
      'elsewhere',
      'unknown-port',
      'cut',
      'towards-guest',
    ]);
    for (const [verdict, { pass }] of VERDICTS.entries()) if (kindOf(verdict) === REFUSED) expect(pass).toBe(false);
  });
});

describe('teller: how often', () => {
  it('absorbs and counts what exceeds the budget of a port, a HAVIP and a kind, and nobody else’s', () => {
    for (let i = 0; i < 20; i++) see(CVM1, announcement(MAC1));
    expect([told().length, lane.tallies[ABSORBED]]).toEqual([16, 4]);
    see(CVM2, announcement(MAC2));
    see(CVM1, announcement(MAC1, '172.17.16.33'));
    see(CVM1, vrrp(advert));
    expect([told().length, lane.tallies[ABSORBED]]).toEqual([4, 4]);
    for (let i = 0; i < 200; i++) see(CVM1, vrrp(advert));
    expect([told().length, lane.tallies[ABSORBED]]).toEqual([398, 6]);
    teller.forget();
    see(CVM1, announcement(MAC1));
    expect(told().length).toBe(1);
  });
});

describe('teller: a frame says what is in it and nothing of the frame before', () => {
  const unreadable = vrrp({ source: MAC1, ipSource: '172.17.16.7', ipDestination: '172.17.16.13', addresses: [], priority: 80 });
  const ipv6 = arp({ source: MAC3, senderAddress: '172.17.16.9', type: 0x86dd });
  const snapped = arp({ source: MAC3, senderAddress: '172.17.16.9', type: 0x0100 });

  it.each([
    ['VRRP that cannot be read', CVM1, unreadable, 'vrrp-malformed', MAC1],
    ['VRRP cut off inside its IP header', CVM1, unreadable.subarray(0, 30), 'malformed', MAC1],
    ['IPv6 in another’s name', CVM1, ipv6, 'mac-mismatch', MAC3],
    ['what is neither', CVM1, snapped, 'encapsulated', MAC3],
    ['ARP that is cut off', CVM3, announcement(MAC3).subarray(0, 30), 'malformed', MAC3],
  ] as const)('%s', (_says, port, frame, reason, mac) => {
    see(CVM2, vrrp({ ...advert, source: MAC2, ipSource: '172.17.16.13', password: '1111' }));
    see(CVM2, announcement(MAC2));
    told();
    see(port, frame);
    const [claim] = told() as [Claim];
    expect(claim).toMatchObject({ kind: 'refused', vrrp: null, port });
    expect([reasonOf(claim.verdict), formatMac(claim.mac)]).toEqual([reason, mac]);
  });

  const v3 = { ...advert, version: 3 as const };
  it.each<[string, Uint8Array, Partial<VrrpFacts>]>([
    ['v2', vrrp(advert), { version: 2, auth: 'none', checksum: 'v2', unicast: false, destination: 0xe000_0012 }],
    ['v2 with a password', vrrp({ ...advert, password: '1111' }), { auth: 'pass', checksum: 'v2' }],
    ['v2 behind AH', vrrp({ ...advert, authType: 2, signed: true }), { auth: 'ah', checksum: 'v2' }],
    ['v3', vrrp(v3), { version: 3, auth: 'none', checksum: 'pseudo', source: 0xac11_1007 }],
    ['v3 without pseudo-header', vrrp({ ...v3, checksum: 'plain' }), { checksum: 'plain' }],
    [
      'v3 unicast, summed with the group',
      vrrp({ ...v3, ipDestination: '172.17.16.13', checksum: 'pseudo-multicast' }),
      { checksum: 'pseudo-multicast', unicast: true, destination: 0xac11_100d },
    ],
    ['v3 with a trailer', vrrp({ ...v3, trailer: new Uint8Array(32) }), { auth: 'hmac' }],
    ['v3 with a wrong sum', vrrp({ ...v3, checksum: 'wrong' }), { checksum: 'wrong' }],
  ])('the form of VRRP: %s', (_says, frame, facts) => {
    see(CVM1, frame);
    expect(must(told()[0], 'a claim').vrrp).toMatchObject(facts);
  });
});
