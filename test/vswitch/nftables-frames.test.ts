/** The kernel's answer to frames on the wire, and that it is the judge's answer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Network } from '../../src/base/network.ts';
import { VERDICTS } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import type { Mode } from '../../src/vswitch/entries.ts';
import { label } from '../../src/vswitch/label.ts';
import { domainOf } from '../../src/vswitch/nftables/domain.ts';
import { flowMapOf } from '../../src/vswitch/nftables/keys.ts';
import { NftablesSwitch } from '../../src/vswitch/nftables/nftables.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { Wire } from '../../native-fixtures/lab/wire.ts';
import { arp, arpProbe, BROADCAST, padded, rarp, snap, tagged, vrrp } from '../../native-fixtures/frames.ts';
import { ip, vethPair } from '../capture/netns.ts';
import { CVM1, CVM2, CVM3, CVM4, CVM9, HAVIP1, MAC1, MAC2, MAC3, MAC4, MAC9, seedNetwork } from '../network.ts';
import { ipv4, SwitchLab } from './switch-lab.ts';
import { guarded } from './two-renderings.ts';
import { KeptLog, boundTo } from './values.ts';

const VMAC = '00:00:5e:00:01:33';
const NOBODY = '02:00:00:00:00:ee';
const HAVIP = '172.17.16.3';
const TAPS = seedNetwork.ports.map((port) => must(port, 'port').interface);

function gratuitous(source: string, senderAddress: string, more: object = {}): Uint8Array {
  return arp({ source, senderAddress, ...more });
}

function mapOf(vpcId: string): string {
  return flowMapOf(domainOf(label(vpcId)));
}

function fromHavip(mac: string): Uint8Array {
  return ipv4(mac, BROADCAST, HAVIP, '172.17.16.1');
}

async function destinationOf(lab: SwitchLab, tap: string, frame: Uint8Array): Promise<string | undefined> {
  const [heard] = await lab.send(tap, frame);
  return heard?.subarray(0, 6).toString('hex');
}

describe.skipIf(process.getuid?.() !== 0)('frames through nftables (needs root: a network namespace)', () => {
  let lab: SwitchLab;
  let vswitch: NftablesSwitch;
  let reconciler: Reconciler;
  const program = (network: Network = seedNetwork, mode: Mode = 'enforce') => {
    reconciler.configure(network, mode);
    expect(reconciler.flush()).toMatchObject({ error: null });
  };
  const hold = (name: string, mac: string, epoch = 1) => {
    reconciler.hold(HAVIP1, boundTo(name, mac, epoch, 1));
    expect(reconciler.flush().state).toBe('committed');
  };
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

  describe('the guard answers as the judge', () => {
    const policy = compilePolicy(seedNetwork);
    const sighting = new Sighting();
    const advert = (source: string, ipSource: string, more = {}) => vrrp({ source, ipSource, addresses: [HAVIP], ...more });
    const addresses = [
      '172.17.16.7',
      HAVIP,
      '172.17.16.33',
      '172.17.32.3',
      '172.17.16.1',
      '172.17.16.13',
      '0.0.0.0',
      '224.0.0.1',
    ];
    const claims: Record<string, Uint8Array> = {};
    for (const address of addresses) {
      claims[`request ${address}`] = gratuitous(MAC1, address);
      claims[`reply ${address}`] = gratuitous(MAC1, address, { operation: 2 });
      claims[`virtual MAC ${address}`] = gratuitous(VMAC, address);
      claims[`virtual sender ${address}`] = gratuitous(MAC1, address, { senderMac: VMAC });
      claims[`another virtual sender ${address}`] = gratuitous(VMAC, address, { senderMac: '00:00:5e:00:01:34' });
      claims[`foreign sender ${address}`] = gratuitous(MAC1, address, { senderMac: MAC2 });
      claims[`foreign source ${address}`] = gratuitous(MAC2, address, { senderMac: MAC1 });
    }
    const havip = gratuitous(MAC1, HAVIP);
    const frames: Record<string, Uint8Array> = {
      ...claims,
      probe: arpProbe(MAC1, HAVIP),
      'virtual MAC 0': gratuitous('00:00:5e:00:01:00', HAVIP),
      'hardware type 6': gratuitous(MAC1, HAVIP, { hardware: 6 }),
      'protocol 0x86dd': gratuitous(MAC1, HAVIP, { protocol: 0x86dd }),
      'hardware length 8': gratuitous(MAC1, HAVIP, { hardwareLength: 8 }),
      'protocol length 16': gratuitous(MAC1, HAVIP, { protocolLength: 16 }),
      'operation 3': gratuitous(MAC1, HAVIP, { operation: 3 }),
      'operation 9': gratuitous(MAC1, HAVIP, { operation: 9 }),
      'cut at 41': havip.subarray(0, 41),
      padded: padded(havip),
      'trailing garbage': padded(havip, 1400),
      'VLAN 0': tagged(havip, 0x8100_0000),
      'VLAN 0 twice': tagged(havip, 0x8100_0000, 0x8100_0000),
      'VLAN 0 three times': tagged(havip, 0x8100_0000, 0x8100_0000, 0x8100_0000),
      'VLAN 5': tagged(havip, 0x8100_0005),
      '802.1ad 0': tagged(havip, 0x88a8_0000),
      '802.1ad and 802.1Q': tagged(havip, 0x88a8_0000, 0x8100_0000),
      'IPv4 behind VLAN 0': tagged(ipv4(MAC1, BROADCAST, HAVIP, HAVIP), 0x8100_0000),
      SNAP: snap(havip),
      rarp: rarp(MAC1),
      'rarp op 4': rarp(MAC1, { operation: 4 }),
      'rarp foreign target': rarp(MAC1, { targetMac: MAC2 }),
      'rarp foreign sender': rarp(MAC1, { senderMac: MAC2 }),
      'rarp with an address': rarp(MAC1, { senderAddress: HAVIP }),
      'rarp with a target address': rarp(MAC1, { targetAddress: HAVIP }),
      'rarp hardware type 6': rarp(MAC1, { hardware: 6 }),
      'unknown EtherType': gratuitous(MAC1, HAVIP, { type: 0x88b5 }),
      'IPv4 foreign MAC': ipv4(MAC2, BROADCAST, '172.17.16.13', HAVIP),
      'IPv4 virtual MAC': ipv4(VMAC, BROADCAST, '172.17.16.13', HAVIP),
      IPv4: ipv4(MAC1, BROADCAST, '8.8.8.8', '172.17.16.1'),
      advert: advert(MAC1, '172.17.16.7'),
      'advert from the HAVIP': advert(MAC1, HAVIP),
      'advert from a virtual MAC': advert(VMAC, '172.17.16.7'),
      'advert from a stranger’s address': advert(MAC1, '172.17.16.13'),
      'advert from a stranger’s MAC': advert(MAC2, '172.17.16.7'),
      'advert TTL 254': advert(MAC1, '172.17.16.7', { ttl: 254 }),
      'unicast advert TTL 64': advert(MAC1, '172.17.16.7', { ttl: 64, ipDestination: '172.17.16.13' }),
      'advert with options': advert(MAC1, '172.17.16.7', { ipOptions: 2 }),
      'advert with options, stranger’s address': advert(MAC1, '172.17.16.9', { ipOptions: 2 }),
      'signed advert': advert(MAC1, '172.17.16.7', { signed: true }),
      'signed advert, stranger’s address': advert(MAC1, '172.17.16.9', { signed: true }),
      'signed advert with options, stranger’s address': advert(MAC1, '172.17.16.9', { signed: true, ipOptions: 3 }),
      'fragment of an advert': advert(MAC1, '172.17.16.9', { fragment: 7 }),
      'advert with a wrong checksum': advert(MAC1, '172.17.16.7', { version: 3, checksum: 'wrong' }),
    };

    const macs = [MAC1, MAC2, MAC3, MAC4, MAC9];
    const translated = (frame: Uint8Array, port: number) => {
      // The same frame as this port would send it: its own MAC in place of the first guest's.
      const hex = Buffer.from(frame)
        .toString('hex')
        .replaceAll(MAC1.replaceAll(':', ''), must(macs[port], 'mac').replaceAll(':', ''));
      const out = Buffer.from(hex, 'hex');
      return out.length === frame.length ? out : Buffer.from(frame);
    };

    it.each([CVM1, CVM2, CVM3, CVM4, CVM9])('port %i', async (port) => {
      const wrong: string[] = [];
      for (const [name, original] of Object.entries(frames)) {
        const frame = translated(original, port);
        frame.fill(0xff, 0, 6);
        const row = must(VERDICTS[judge(policy, frame, 0, frame.length, 0, port, sighting)], 'verdict');
        const passes = row.pass || row.by === 'agent';
        const heard = await lab.send(must(TAPS[port], 'tap'), frame);
        if (heard.length !== (passes ? 1 : 0)) wrong.push(`${name}: ${row.name}, but ${heard.length} arrived`);
      }
      expect(wrong).toEqual([]);
    });
  });

  it('audit lets everything pass and counts', async () => {
    const spoof = arp({ source: MAC3, senderAddress: HAVIP });
    expect(await lab.send('tap9', spoof)).toHaveLength(0);
    const dropped = vswitch.guardDropped();
    expect(dropped).toBeGreaterThan(0);
    program(seedNetwork, 'audit');
    expect(await lab.send('tap9', spoof)).toHaveLength(1);
    expect(vswitch.guardDropped()).toBe(dropped + 1);
  });

  it.each(['enforce', 'audit'] as const)('a stale neighbour reaches the new holder from the commit on (%s)', async (mode) => {
    program(seedNetwork, mode);
    hold('tap7', MAC1);
    const stale = ipv4(MAC3, MAC1, '172.17.16.9', HAVIP);
    expect((await lab.sendTo('tap9', stale, 'tap7'))[0]?.subarray(0, 6).toString('hex')).toBe(MAC1.replaceAll(':', ''));
    hold('tap13', MAC2, 2);
    expect((await lab.sendTo('tap9', stale, 'tap13'))[0]?.subarray(0, 6).toString('hex')).toBe(MAC2.replaceAll(':', ''));
  });

  it('the flow map leaves broadcast, the holder’s own frames and other subnets’ ports alone', async () => {
    hold('tap7', MAC1);
    const nobody = NOBODY.replaceAll(':', '');
    expect(await destinationOf(lab, 'tap9', ipv4(MAC3, BROADCAST, '172.17.16.9', HAVIP))).toBe('ffffffffffff');
    expect(await destinationOf(lab, 'tap7', ipv4(MAC1, NOBODY, '172.17.16.7', HAVIP))).toBe(nobody);
    expect(await destinationOf(lab, 'tap5', ipv4(MAC4, NOBODY, '172.17.32.5', HAVIP))).toBe(nobody);
    expect(await destinationOf(lab, 'tap99', ipv4(MAC9, NOBODY, '172.17.16.7', HAVIP))).toBe(nobody);
  });

  it('VPCs that share a flow map keep their addresses apart', async () => {
    let id = 'vpc-2';
    for (let i = 3; mapOf(id) !== mapOf('vpc-1'); i++) id = `vpc-${i}`;
    const vpcs = seedNetwork.vpcs.map((vpc) => (vpc?.index === 1 ? { ...vpc, id } : vpc));
    const havip = { ...must(seedNetwork.havips[HAVIP1], 'havip-1'), index: 3, id: 'other', vpc: 1, subnet: 2, members: null };
    program({ ...seedNetwork, vpcs, havips: [...seedNetwork.havips, havip] });
    hold('tap7', MAC1);
    expect(await destinationOf(lab, 'tap99', ipv4(MAC9, NOBODY, '172.17.16.7', HAVIP))).toBe(NOBODY.replaceAll(':', ''));
    reconciler.hold(havip.index, boundTo('tap99', MAC9, 1, 1));
    expect(reconciler.flush().state).toBe('committed');
    const heardOf = async (tap: string, mac: string, at: string) => lab.sendTo(tap, ipv4(mac, NOBODY, '172.17.16.9', HAVIP), at);
    expect((await heardOf('tap9', MAC3, 'tap7'))[0]?.subarray(0, 6).toString('hex')).toBe(MAC1.replaceAll(':', ''));
    reconciler.hold(havip.index, null);
    expect(reconciler.flush().state).toBe('committed');
    expect((await heardOf('tap9', MAC3, 'tap7'))[0]?.subarray(0, 6).toString('hex')).toBe(MAC1.replaceAll(':', ''));
    expect(await lab.send('tap13', fromHavip(MAC2))).toHaveLength(0);
  });

  it('an uplink has the flow map and no guard', async () => {
    vethPair('upl', 'far');
    ip('link set upl master br0');
    await lab.forwarding();
    const far = new Wire('/proc/self/ns/net', 'far');
    program({
      ...seedNetwork,
      uplinks: [{ index: 0, interface: 'upl', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true }],
    });
    hold('tap7', MAC1);
    far.send(ipv4(NOBODY, NOBODY, '172.17.16.200', HAVIP));
    const toHolder = await lab.hear('tap7', (frame) => frame.subarray(6, 12).toString('hex') === NOBODY.replaceAll(':', ''));
    expect(toHolder?.subarray(0, 6).toString('hex')).toBe(MAC1.replaceAll(':', ''));
    far.send(arp({ source: NOBODY, senderAddress: '172.17.16.200' }));
    expect(await lab.hear('tap9', (frame) => frame.readUInt16BE(12) === 0x0806)).not.toBeNull();
    far.close();
    ip('link delete upl');
  });

  it('the fence: only the holder sends from a bound HAVIP', async () => {
    expect(await lab.send('tap13', fromHavip(MAC2))).toHaveLength(1);
    expect(await lab.send('tap9', fromHavip(MAC3))).toHaveLength(0);
    hold('tap7', MAC1);
    expect(await lab.send('tap7', fromHavip(MAC1))).toHaveLength(1);
    expect(await lab.send('tap13', fromHavip(MAC2))).toHaveLength(0);
    expect(await lab.send('tap5', fromHavip(MAC4))).toHaveLength(0);
    hold('tap13', MAC2, 2);
    expect(await lab.send('tap7', fromHavip(MAC1))).toHaveLength(0);
    const open = seedNetwork.havips.map((havip) => (havip?.index === HAVIP1 ? { ...havip, fence: false } : havip));
    program({ ...seedNetwork, havips: open });
    expect(await lab.send('tap7', fromHavip(MAC1))).toHaveLength(1);
    expect(await lab.send('tap9', fromHavip(MAC3))).toHaveLength(1);
    reconciler.configure(seedNetwork, 'enforce');
    reconciler.hold(HAVIP1, null);
    reconciler.flush();
    expect(await lab.send('tap7', fromHavip(MAC1))).toHaveLength(1);
  });

  it('SIGKILL changes nothing in the kernel, and the next process adopts holder, epoch and since', async () => {
    vswitch.cleanup();
    const held = spawn(process.execPath, [fileURLToPath(new URL('../../dist/test/vswitch/held.js', import.meta.url))]);
    const [said] = (await once(held.stdout, 'data')) as [Buffer];
    expect(said.toString()).toBe('committed\n');
    held.kill('SIGKILL');
    await once(held, 'exit');

    expect(await lab.send('tap9', arp({ source: MAC3, senderAddress: HAVIP }))).toHaveLength(0);
    const toHavip = await lab.sendTo('tap9', ipv4(MAC3, NOBODY, '172.17.16.9', HAVIP), 'tap7');
    expect(toHavip[0]?.subarray(0, 6).toString('hex')).toBe(MAC1.replaceAll(':', ''));

    vswitch.changed();
    const next = new Reconciler({ vswitch, clock: new ManualClock(), log: new KeptLog() });
    next.configure(seedNetwork, 'enforce');
    const found = boundTo('tap7', MAC1, 41, 1_700_000_000_123);
    expect(next.adopt(vswitch.list())).toEqual(new Map([[HAVIP1, found]]));
    next.want((desired) => desired.keepAlive(0));
    next.letHoldersGo();
    expect(next.flush().state).toBe('clean');
  });

  it('a port that is deleted, or renamed away, and comes back under its name is guarded from its first frame', async () => {
    if (!vswitch.hooksByName) return;
    const spoof = arp({ source: MAC3, senderAddress: HAVIP });
    const entries = vswitch.list().length;
    lab.recreate('tap9');
    await lab.forwarding();
    expect(await lab.send('tap9', spoof)).toHaveLength(0);
    ip('link set tap9 down');
    ip('link set tap9 name elsewhere');
    ip('link set elsewhere up');
    await lab.forwarding();
    expect(await lab.send('tap9', spoof)).toHaveLength(1);
    ip('link set elsewhere down');
    ip('link set elsewhere name tap9');
    ip('link set tap9 up');
    await lab.forwarding();
    expect(await lab.send('tap9', spoof)).toHaveLength(0);
    expect(vswitch.list()).toHaveLength(entries);
    expect(reconciler.resync()).toBe(0);
  });
});
