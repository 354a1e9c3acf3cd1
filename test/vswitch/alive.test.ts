/**
 * What is somebody's alone, in the kernel: virtual MACs, as source and as destination, whatever the bridge has learned; and that all which
 * pins traffic to a holder lets go when the agent is silent, while the guard stays.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import { ipv4, udpHeader } from '../../native-fixtures/packets.ts';
import { domainOf } from '../../src/vswitch/nftables/domain.ts';
import type { NftablesSwitch } from '../../src/vswitch/nftables/nftables.ts';
import type { Reconciler } from '../../src/vswitch/reconciler.ts';
import { HAVIP1, HAVIP_OPEN, MAC1, MAC2, MAC3, seedNetwork } from '../network.ts';
import { SwitchLab } from './switch-lab.ts';
import { guarded } from './two-renderings.ts';
import { boundTo } from './values.ts';

const VMAC = '00:00:5e:00:01:33';
const NOBODY = '02:00:00:00:00:ee';
const HAVIP = '172.17.16.3';
/** havip-3 is nobody's here: who is no member of havip-1 may claim it alone. */
const OTHER = '172.17.16.33';

const packet = (source: string, ipSource: string, destinationMac: string, ipDestination = HAVIP) =>
  ipv4({ source, ipSource, destinationMac, ipDestination, protocol: 17, payload: new Uint8Array(40) });
const announce = (source: string, senderAddress: string, senderMac = VMAC) => arp({ source, senderMac, senderAddress });
const advert = (source: string, ipSource: string, more = {}) =>
  vrrp({ source, ipSource, vrid: 0x33, addresses: [HAVIP], ...more });

describe.skipIf(process.getuid?.() !== 0)('what is held (needs root: a network namespace)', () => {
  let lab: SwitchLab;
  let vswitch: NftablesSwitch;
  let reconciler: Reconciler;
  const hold = (name: string, mac: string, havip = HAVIP1, epoch = 1) => {
    reconciler.hold(havip, boundTo(name, mac, epoch, 1));
    expect(reconciler.flush().state).toBe('committed');
  };
  const place = () => vswitch.list().find(({ kind }) => kind === 'place')?.value;
  beforeAll(async () => {
    lab = new SwitchLab();
    await lab.forwarding();
  });
  afterAll(() => lab.close());
  beforeEach(() => {
    ({ vswitch, reconciler } = guarded(seedNetwork));
  });
  afterEach(() => {
    vswitch.cleanup();
    vswitch.close();
  });

  describe('a virtual MAC', () => {
    it('is reached at its holder, whatever the bridge has learned', async () => {
      hold('tap7', VMAC);
      expect(place()).toMatch(/^[1-9]\d* tap7$/);
      // Taken away or turned elsewhere by a stranger, the way is put right.
      const map = `netdev havip vports`;
      for (const attack of [
        `flush map ${map}`,
        `flush map ${map}; add element ${map} { ${domainOf('vpc-1')} . ${VMAC} : "tap9" }`,
      ]) {
        const before = place();
        execFileSync('nft', [attack]);
        expect([vswitch.changed(), place() === before]).toEqual([true, false]);
        expect([reconciler.resync(), place()]).toEqual([1, before]);
      }
      // A fenced old master's advert, even with a wrong checksum, teaches the bridge another port.
      for (const more of [{}, { version: 3, checksum: 'wrong' }]) {
        expect(await lab.send('tap13', advert(VMAC, '172.17.16.13', more))).toHaveLength(1);
        expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC), 'tap7')).toHaveLength(1);
        expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC), 'tap13')).toHaveLength(0);
        // Routed through the holder, and an answer by ARP.
        expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC, '8.8.8.8'), 'tap7')).toHaveLength(1);
        const answer = arp({ source: MAC3, destination: VMAC, operation: 2, senderAddress: '172.17.16.9', targetAddress: HAVIP });
        expect(await lab.sendTo('tap9', answer, 'tap7')).toHaveLength(1);
      }
      hold('tap13', VMAC, HAVIP1, 2);
      expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC), 'tap13')).toHaveLength(1);
      expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC), 'tap7')).toHaveLength(0);
    });

    it('is good as source from its holder, from fellow members for ARP and VRRP, and from nobody else', async () => {
      const closed = seedNetwork.havips.filter((havip) => havip?.index !== HAVIP_OPEN);
      const open = { ...seedNetwork, havips: [...closed, { ...seedNetwork.havips[HAVIP_OPEN]!, members: ['cvm-3'] }] };
      reconciler.configure(open, 'enforce');
      hold('tap7', VMAC);
      const before = vswitch.droppedFor('vmac-held');
      expect(await lab.send('tap7', packet(VMAC, HAVIP, NOBODY))).toHaveLength(1);
      expect(await lab.send('tap13', announce(VMAC, HAVIP))).toHaveLength(1);
      expect(await lab.send('tap13', advert(VMAC, '172.17.16.13'))).toHaveLength(1);
      expect(vswitch.droppedFor('vmac-held')).toBe(before);
      const refused: [string, Uint8Array][] = [
        ['tap13', packet(VMAC, '172.17.16.13', NOBODY)],
        ['tap9', packet(VMAC, '172.17.16.9', NOBODY)],
        ['tap9', announce(VMAC, OTHER)],
        ['tap9', announce(MAC3, OTHER)],
        ['tap9', advert(VMAC, '172.17.16.9', { addresses: [OTHER] })],
      ];
      for (const [tap, frame] of refused) expect(await lab.send(tap, frame)).toHaveLength(0);
      expect(vswitch.droppedFor('vmac-held')).toBe(before + refused.length);
      // The same under a virtual MAC that nobody holds.
      const free = '00:00:5e:00:01:34';
      expect(await lab.send('tap9', announce(free, OTHER, free))).toHaveLength(1);
    });

    it('is left to the bridge while it stands on several ports, and when nobody holds it', async () => {
      hold('tap7', VMAC);
      hold('tap13', VMAC, HAVIP_OPEN);
      expect(place()).toBe('0 tap13 tap7');
      expect(await lab.send('tap13', packet(VMAC, '172.17.16.13', NOBODY, '172.17.16.200'))).toHaveLength(1);
      reconciler.hold(HAVIP_OPEN, null);
      reconciler.flush();
      expect(place()).toMatch(/^[1-9]\d* tap7$/);
      reconciler.hold(HAVIP1, null);
      reconciler.flush();
      expect(place()).toBeUndefined();
      expect(vswitch.list().filter(({ kind }) => kind === 'vmember')).toEqual([]);
    });

    it('follows a holder whose interface comes back with another index, and whose bridge goes', async () => {
      hold('tap7', VMAC);
      const first = place();
      lab.recreate('tap7');
      reconciler.interfaceChanged('tap7');
      expect(place()).toMatch(/^[1-9]\d* tap7$/);
      expect(place()).not.toBe(first);
      await lab.forwarding();
      expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC), 'tap7')).toHaveLength(1);
      lab.unbridge('tap7');
      reconciler.renew();
      expect(place()).toBe('0 tap7');
      lab.bridge('tap7');
      reconciler.renew();
      expect(place()).toMatch(/^[1-9]\d* tap7$/);
      await lab.forwarding();
    });
  });

  it('silent, the agent pins nothing any more; the guard stays', async () => {
    reconciler.want((desired) => desired.keepAlive(1));
    hold('tap7', VMAC);
    const toHavip = packet(MAC3, '172.17.16.9', NOBODY);
    const fromHavip = packet(MAC2, HAVIP, NOBODY, '172.17.16.9');
    const spoofs: [string, Uint8Array][] = [
      ['tap9', arp({ source: MAC3, senderAddress: HAVIP })],
      ['tap9', arp({ source: MAC3, senderAddress: '172.17.16.7' })],
      ['tap9', packet(MAC3, '172.17.16.7', NOBODY)],
      ['tap9', packet(MAC1, '172.17.16.7', NOBODY)],
      ['tap13', advert(MAC2, '172.17.16.7')],
    ];
    const pinned = async () => {
      expect(await lab.sendTo('tap9', toHavip, 'tap7')).toHaveLength(1);
      expect(await lab.send('tap13', fromHavip)).toHaveLength(0);
      expect(await lab.send('tap13', packet(VMAC, '172.17.16.13', NOBODY))).toHaveLength(0);
    };
    for (let i = 0; i < 6; i++) {
      await pinned();
      await sleep(300);
      reconciler.renew();
    }
    await sleep(1300);
    const [heard] = await lab.sendTo('tap9', toHavip, 'tap7');
    expect(heard?.subarray(0, 6).toString('hex')).toBe(NOBODY.replaceAll(':', ''));
    expect(await lab.send('tap13', fromHavip)).toHaveLength(1);
    // Plain learning: a frame of the new master moves its virtual MAC.
    expect(await lab.send('tap13', packet(VMAC, '172.17.16.13', NOBODY))).toHaveLength(1);
    expect(await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', VMAC), 'tap13')).toHaveLength(1);
    for (const [tap, spoof] of spoofs) expect(await lab.send(tap, spoof)).toHaveLength(0);

    // It is heard again, without another start: what ran out is noticed and made anew.
    reconciler.renew();
    await pinned();
    expect(vswitch.list().find(({ kind }) => kind === 'alive')?.value).toBe('1');
  });

  it('notes whose frames it dropped, and of which address or MAC', async () => {
    hold('tap7', VMAC);
    const dhcp = ipv4({
      source: MAC3,
      ipSource: '172.17.16.9',
      ipDestination: '255.255.255.255',
      protocol: 17,
      payload: udpHeader(67, 68),
    });
    const redirect = ipv4({
      source: MAC3,
      ipSource: '172.17.16.9',
      ipDestination: '172.17.16.7',
      protocol: 1,
      payload: Uint8Array.of(5, 1, 0, 0, 0, 0, 0, 0),
    });
    expect(vswitch.refusals()).toEqual([]);
    const refused: [string, Uint8Array][] = [
      ['tap9', packet(MAC3, '10.9.9.9', NOBODY)],
      ['tap9', packet(MAC3, '10.9.9.10', NOBODY)],
      ['tap9', dhcp],
      ['tap9', redirect],
      ['tap13', packet(MAC2, HAVIP, NOBODY, '172.17.16.9')],
      ['tap13', packet(VMAC, '172.17.16.13', NOBODY)],
    ];
    for (const [tap, frame] of refused) expect(await lab.send(tap, frame)).toHaveLength(0);
    expect(vswitch.refusals()).toEqual([
      { reason: 'source', interface: 'tap9', what: '10.9.9.9' },
      { reason: 'dhcp-offer', interface: 'tap9', what: null },
      { reason: 'redirect', interface: 'tap9', what: null },
      { reason: 'fence', interface: 'tap13', what: HAVIP },
      { reason: 'vmac-held', interface: 'tap13', what: VMAC },
    ]);
    // None of it is an entry, nor somebody else's change.
    expect(vswitch.changed()).toBe(false);
    expect(reconciler.resync()).toBe(0);
  });

  it('0 keeps it for ever', async () => {
    hold('tap7', MAC1);
    expect(vswitch.list().find(({ kind }) => kind === 'alive')?.value).toBe('0');
    await sleep(1500);
    reconciler.renew();
    const [heard] = await lab.sendTo('tap9', packet(MAC3, '172.17.16.9', NOBODY), 'tap7');
    expect(heard?.subarray(0, 6).toString('hex')).toBe(MAC1.replaceAll(':', ''));
  });
});
