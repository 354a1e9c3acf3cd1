import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as libc from '../../src/abi/libc.ts';
import { Monitor } from '../../src/vswitch/nftables/monitor.ts';
import { enterNewNamespace } from '../capture/netns.ts';

const nft = (text: string) => execFileSync('nft', [text]);

/** Reads the monitor's announcements before it does, so that it never hears of them. */
function lose({ fd }: Monitor): void {
  const bytes = Buffer.alloc(65_536);
  while (libc.recv(fd, bytes, libc.MSG_DONTWAIT) > 0);
}

describe.skipIf(process.getuid?.() !== 0)('monitor (needs root: a network namespace)', () => {
  let leave: () => void;
  let monitor: Monitor;
  beforeAll(() => {
    leave = enterNewNamespace();
    nft('add table netdev havip; add set netdev havip own { type ipv4_addr; }');
    monitor = new Monitor('havip');
  });
  afterAll(() => {
    monitor.close();
    leave();
  });

  it('tells of a change of our table, once', () => {
    nft('add element netdev havip own { 10.0.0.1 }');
    expect([monitor.changed(), monitor.changed(), monitor.changed()]).toEqual([true, false, false]);
  });

  it('does not care about the tables of others', () => {
    nft('add table inet theirs; delete table inet theirs');
    expect([monitor.changed(), monitor.changed(), monitor.changed()]).toEqual([false, false, false]);
  });

  it('tells of a change whose announcements were lost, once', () => {
    nft('delete element netdev havip own { 10.0.0.1 }');
    lose(monitor);
    expect([monitor.changed(), monitor.changed(), monitor.changed()]).toEqual([false, true, false]);
  });

  it('counts announcements that were lost before one that came', () => {
    nft('add element netdev havip own { 10.0.0.2 }');
    lose(monitor);
    nft('add table inet theirs');
    expect([monitor.changed(), monitor.changed()]).toContain(true);
  });
});
