import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pollReadable } from '../../native-fixtures/lab/libc.ts';
import * as libc from '../../src/abi/libc.ts';
import { type Link, LinkEvents, NUD_REACHABLE, NUD_STALE, Rtnetlink } from '../../src/abi/rtnetlink.ts';
import { enterNewNamespace, ip, ipBatch, neighboursOf, vethPair } from '../capture/netns.ts';

const ADDRESS = 0xac11_1003;
const MAC = 0x0200_ac11_1007;

describe.skipIf(process.getuid?.() !== 0)('rtnetlink (needs root: a network namespace)', () => {
  let leave: () => void;
  let kernel: Rtnetlink;
  let events: LinkEvents;

  beforeAll(() => {
    leave = enterNewNamespace();
    vethPair('va', 'ga');
    ip(`link set ga address 02:00:ac:11:10:07`);
  });
  afterAll(() => leave());
  beforeEach(() => {
    kernel = new Rtnetlink();
    events = new LinkEvents();
  });
  afterEach(() => {
    kernel.close();
    events.close();
  });

  const link = (name: string): Link | undefined => kernel.links().find((found) => found.name === name);

  it('lists interfaces with state and MAC address', () => {
    expect(link('ga')).toEqual({
      index: libc.ifNametoindex('ga'),
      name: 'ga',
      up: true,
      carrier: true,
      carriers: expect.any(Number),
      operstate: 6,
      mac: MAC,
      kind: 'veth',
      bridge: 0,
    });
    expect(link('lo')).toMatchObject({ index: 1, up: false, mac: 0 });
  });

  it('sets and replaces neighbours, none of them permanent', () => {
    const ifindex = libc.ifNametoindex('va');
    const dst = '172.17.16.3';
    expect(kernel.setNeighbour(ifindex, ADDRESS, MAC, NUD_STALE)).toBe(0);
    expect(neighboursOf('va')).toEqual([{ dst, lladdr: '02:00:ac:11:10:07', state: ['STALE'] }]);
    expect(kernel.setNeighbour(ifindex, ADDRESS, MAC + 1, NUD_REACHABLE)).toBe(0);
    expect(neighboursOf('va')).toEqual([{ dst, lladdr: '02:00:ac:11:10:08', state: ['REACHABLE'] }]);
    expect(neighboursOf('ga')).toEqual([]);
    expect(kernel.setNeighbour(9_999, ADDRESS, MAC, NUD_STALE), 'ENODEV').toBe(-19);
  });

  it('finds the interface that has an address', () => {
    ip('address add 172.17.16.3/24 dev va');
    expect(kernel.addresses().get(ADDRESS)).toBe(libc.ifNametoindex('va'));
    expect(kernel.addresses().has(ADDRESS + 1)).toBe(false);
    ip('address del 172.17.16.3/24 dev va');
  });

  it('tells of interfaces that come, change and go, in order', () => {
    const told: string[] = [];
    ip('link add vx type veth peer name gx');
    ip('link set vx name vy');
    ip('link del vy');
    expect(pollReadable(events.fd, 5_000)).toBe(true);
    expect(events.drain((found, gone) => told.push(`${found.name} ${gone ? 'gone' : 'there'}`))).toBe(true);
    const ours = told.filter((line) => line.startsWith('v'));
    expect(ours[0]).toBe('vx there');
    expect(ours.at(-1)).toBe('vy gone');
    expect(ours).not.toContain('vx gone');
  });

  it('says when events were lost, and works on', () => {
    ipBatch(Array.from({ length: 2_000 }, (_, i) => `link set ga alias ${'x'.repeat(200)}${i}`));
    const results: boolean[] = [];
    while (results.at(-1) !== true) results.push(events.drain(() => {}));
    expect(results).toEqual([false, true]);
    ip('link set ga alias quiet');
    let count = 0;
    expect(events.drain(() => count++)).toBe(true);
    expect(count).toBeGreaterThan(0);
  });
});
