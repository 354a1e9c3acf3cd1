import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/base/address.ts';
import type { ElementChange } from '../../src/vswitch/nftables/batch.ts';
import { Nfnetlink } from '../../src/vswitch/nftables/nfnetlink.ts';
import { VSwitchError } from '../../src/vswitch/vswitch.ts';
import { enterNewNamespace } from '../capture/netns.ts';

const TABLE = `table netdev havip {
  set fenced { type ether_addr . ipv4_addr; }
  map flows_c { type ether_addr . ipv4_addr : ether_addr; }
  set holder { type ifname . ipv4_addr; }
}`;

const DOMAIN = '12:34:56:78:9a:bc';
const address = (i: number) => formatIpv4(0x0a00_0000 + i);
const fence = (i: number, add = true): ElementChange => ({
  add,
  element: { set: 'fenced', key: [DOMAIN, address(i)], data: null, comment: null, timeoutMs: null },
});
const flow = (i: number): ElementChange => ({
  add: true,
  element: { set: 'flows_c', key: [DOMAIN, address(i)], data: '02:00:00:00:00:0a', comment: null, timeoutMs: null },
});

describe.skipIf(process.getuid?.() !== 0)('transactions of elements (needs root: a network namespace)', () => {
  let leave: () => void;
  let nfnetlink: Nfnetlink;
  beforeAll(() => {
    leave = enterNewNamespace();
    execFileSync('nft', [TABLE]);
    nfnetlink = new Nfnetlink('havip');
  });
  afterAll(() => {
    nfnetlink.close();
    leave();
  });

  it('writes data and comments as the kernel reads them back', () => {
    const holder = { set: 'holder', key: ['tap7', address(1)], data: null, comment: 'v1 1 1700000000000', timeoutMs: null };
    nfnetlink.commit([{ add: true, element: holder }, flow(1)]);
    expect(nfnetlink.elements('holder')).toEqual([holder]);
    expect(nfnetlink.elements('flows_c')).toEqual([flow(1).element]);
    expect(execFileSync('nft', ['list', 'set', 'netdev', 'havip', 'holder'], { encoding: 'utf8' })).toContain(
      '"tap7" . 10.0.0.1 comment "v1 1 1700000000000"',
    );
  });

  it('takes more elements than fit into one message or into the memory that is kept', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => fence(i));
    nfnetlink.commit(many);
    // The kernel makes the table larger behind the commit, and who walks it meanwhile may miss some (rhashtable_walk_next).
    await expect.poll(() => nfnetlink.elements('fenced').length).toBe(3000);
    nfnetlink.commit(many.slice(0, 2999).map(({ element }) => ({ add: false, element })));
    expect(nfnetlink.elements('fenced')).toEqual([fence(2999).element]);
  });

  it('does all or nothing, says why, and the next one works', () => {
    const before = nfnetlink.elements('fenced');
    expect(() => nfnetlink.commit([fence(1), fence(2, false), fence(3)])).toThrow(VSwitchError);
    expect(() => nfnetlink.commit([fence(1), fence(2, false), fence(3)])).toThrow(/ENOENT/);
    expect(nfnetlink.elements('fenced')).toEqual(before);
    nfnetlink.commit([fence(1)]);
    expect(nfnetlink.elements('fenced').length).toBe(before.length + 1);
  });
});
