import { beforeEach, describe, expect, it } from 'vitest';
import { arp, rarp, vrrp } from '../../native-fixtures/frames.ts';
import { placeOf } from '../../src/base/elsewhere.ts';
import { formatMac, macLow, parseMac } from '../../src/base/mac.ts';
import { must } from '../../src/base/assert.ts';
import type { Network, Uplink } from '../../src/base/network.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { compileElsewhere, judgeElsewhere } from '../../src/filter/elsewhere.ts';
import { newHeld } from '../../src/filter/held.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import type { Claim } from '../../src/lane/claim.ts';
import { farHolder, FarTeller } from '../../src/lane/far.ts';
import { ABSORBED, Lane } from '../../src/lane/lane.ts';
import { LaneReader } from '../../src/lane/reader.ts';
import { kindOf } from '../../src/lane/writer.ts';
import { HAVIP1, MAC1, MAC2, seedNetwork } from '../network.ts';

const uplink: Uplink = { index: 2, interface: 'up0', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true };
const network: Network = { ...seedNetwork, ports: [seedNetwork.ports[0] ?? null], uplinks: [null, null, uplink] };
const holders = newHeld(network);
const policy = compilePolicy(network).seeing(holders);
const table = must(compileElsewhere(network), 'somebody is believed');
const PLACE = placeOf(uplink);
const VIP = '172.17.16.3';
const sighting = new Sighting();
let lane: Lane;
let teller: FarTeller;
const flags = { pushed: false, changed: false };

beforeEach(() => {
  lane = new Lane();
  flags.pushed = flags.changed = false;
  teller = new FarTeller(lane, sighting, flags);
  teller.follow(policy, table);
  holders.ports.fill(-1);
});

function see(frame: Uint8Array, ns = 1): void {
  const verdict = judgeElsewhere(table, policy, frame, 0, frame.length, 0, PLACE, sighting);
  const kind = kindOf(verdict);
  if (kind >= 0) teller.tell(kind, verdict, PLACE, ns, frame, 0, frame.length);
}

function told(): Claim[] {
  const claims: Claim[] = [];
  new LaneReader(lane).drain(
    (claim) => claims.push(claim),
    () => expect.unreachable('no link changed'),
    Infinity,
  );
  return claims;
}

const claim = (source: string) => arp({ source, senderAddress: VIP });
const macOf = (text: string) => must(parseMac(text), text);

describe('what is told of an uplink', () => {
  it('says who, where and what, by MAC and place', () => {
    see(claim(MAC2), 5);
    see(vrrp({ source: MAC2, ipSource: '172.17.16.13', addresses: ['10.9.9.9', VIP], priority: 80 }), 6);
    see(rarp(MAC1), 7);
    expect(told().map(({ kind, port, havip, mac, capturedNs }) => [kind, port, havip, formatMac(mac), capturedNs])).toEqual([
      ['announce', PLACE, HAVIP1, MAC2, 5],
      ['advert', PLACE, HAVIP1, MAC2, 6],
      ['relocate', PLACE, -1, MAC1, 7],
    ]);
  });

  it('is urgent for another holder than the present one, which is told by its MAC', () => {
    holders.ports[HAVIP1] = farHolder(macLow(macOf(MAC2)));
    see(claim(MAC2));
    expect([lane.urgent.peek() >= 0, flags.changed, flags.pushed]).toEqual([false, false, true]);
    told();
    see(claim('02:00:ac:11:10:aa'));
    expect([lane.urgent.peek() >= 0, flags.changed]).toEqual([true, true]);
    told();
    holders.ports[HAVIP1] = 0;
    see(claim(MAC2));
    expect(lane.urgent.peek()).toBeGreaterThanOrEqual(0);
  });

  it('gives no word of a holder that could be a port or nobody', () => {
    for (const low of [0, 1, -1, 0x7fff_ffff, -0x8000_0000]) expect(farHolder(low)).toBeLessThan(-1);
  });

  it('lets no flood keep another machine from being heard, and no flood of MACs cost more than it may', () => {
    for (let i = 0; i < 1000; i++) see(claim('02:00:ac:11:10:aa'), i);
    see(claim(MAC2), 1000);
    const heard = told().map(({ mac }) => formatMac(mac));
    expect(heard.filter((mac) => mac !== MAC2)).toHaveLength(16);
    expect(heard).toContain(MAC2);
    expect(lane.tallies[ABSORBED]).toBe(984);
    for (let i = 0; i < 2000; i++)
      see(claim(`02:00:ac:22:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`), 2000);
    expect(told().length).toBeLessThanOrEqual(200);
  });

  it('tells one sample of strangers in each second', () => {
    const closed: Network = { ...network, ports: seedNetwork.ports };
    const all = must(compileElsewhere(closed), 'somebody is believed');
    const closedPolicy = compilePolicy(closed);
    teller.follow(closedPolicy, all);
    for (const ns of [1, 2, 1e9]) {
      const frame = claim('02:00:ac:11:10:aa');
      const verdict = judgeElsewhere(all, closedPolicy, frame, 0, frame.length, 0, PLACE, sighting);
      teller.tell(kindOf(verdict), verdict, PLACE, ns, frame, 0, frame.length);
    }
    expect(told().map(({ kind, capturedNs }) => [kind, capturedNs])).toEqual([
      ['refused', 1],
      ['refused', 1e9],
    ]);
  });
});
