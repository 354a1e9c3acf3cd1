import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Alarm } from '../../src/vswitch/nftables/alarm.ts';
import { Nfnetlink } from '../../src/vswitch/nftables/nfnetlink.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { enterNewNamespace } from '../capture/netns.ts';

const nft = (text: string) => execFileSync('nft', [text]);

describe.skipIf(process.getuid?.() !== 0)('alarm (needs root: a network namespace)', () => {
  let leave: () => void;
  let own: Nfnetlink;
  let alarm: Alarm;
  let rings = 0;
  const troubles: string[] = [];

  beforeAll(async () => {
    leave = enterNewNamespace();
    nft('add table netdev havip; add set netdev havip own { type ifname . ipv4_addr; }');
    own = new Nfnetlink('havip');
    alarm = new Alarm(
      own.port,
      () => rings++,
      (message) => troubles.push(message),
    );
    await until('alarm that hears', () => {
      nft('add table inet theirs; delete table inet theirs');
      return rings > 0;
    });
  });
  beforeEach(() => (rings = 0));
  afterAll(() => {
    alarm.close();
    own.close();
    leave();
  });

  it('rings after a transaction of somebody else', async () => {
    nft('flush ruleset; add table netdev havip; add set netdev havip own { type ifname . ipv4_addr; }');
    await until('ring', () => rings > 0);
    expect(troubles).toEqual([]);
  });

  it('is quiet about our own elements, and about nothing else', async () => {
    const element = { set: 'own', key: ['tap7', '10.0.0.1'], data: null, comment: null, timeoutMs: null };
    for (let i = 0; i < 20; i++) {
      own.commit([{ add: true, element }]);
      own.commit([{ add: false, element }]);
    }
    // What must not come has no event: whatever those 40 would have done is done before this one is heard.
    await sleep(20);
    const ours = rings;
    nft('add element netdev havip own { "tap7" . 10.0.0.2 }');
    await until('ring', () => rings > 0);
    expect([ours, rings]).toEqual([0, 1]);
  });
});
