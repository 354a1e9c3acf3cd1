/** A table that is built whole: the guard stands before the ports' own chains do, and nothing of that stays behind. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { interimScript, wholeOf } from '../../src/vswitch/nftables/interim.ts';
import { NftablesSwitch } from '../../src/vswitch/nftables/nftables.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import type { Change, Entry } from '../../src/vswitch/vswitch.ts';
import { arp, BROADCAST, rarp, vrrp } from '../../native-fixtures/frames.ts';
import { nd } from '../../native-fixtures/frames6.ts';
import { MAC1, MAC2, MAC3, seedNetwork } from '../network.ts';
import { ipv4, SwitchLab } from './switch-lab.ts';
import { guarded, toEverybody } from './two-renderings.ts';
import { KeptLog } from './values.ts';

const HAVIP = '172.17.16.3';
const TAPS = seedNetwork.ports.map((port) => must(port, 'port').interface);
const nft = (text: string) => execFileSync('nft', ['-f', '-'], { input: text, encoding: 'utf8' });
const ruleset = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });

const entry = (kind: Entry['kind'], key: string): Entry => ({ kind, key, value: '-' });
const comes = (kind: Entry['kind'], key = '-'): Change => ({ before: null, after: entry(kind, key) });

describe('what counts as a whole table', () => {
  it('is guard and ports, of which nothing is there', () => {
    const changes = [comes('guard'), comes('external', 'ext0'), comes('own', 'tap7'), comes('port', 'tap7'), comes('shut', 'x')];
    expect(wholeOf(changes)).toEqual({
      first: [comes('guard'), comes('external', 'ext0')],
      elements: [comes('own', 'tap7')],
      rest: [comes('port', 'tap7'), comes('shut', 'x')],
      ports: ['tap7'],
    });
  });

  it('may have been left by another version', () => {
    const stray = { before: entry('stray', 'chain old'), after: null };
    expect(wholeOf([comes('guard'), comes('port', 'tap7'), stray])?.rest).toEqual([comes('port', 'tap7'), stray]);
  });

  it.each<[string, Change[]]>([
    ['a port alone', [comes('port', 'tap7')]],
    ['a guard alone', [comes('guard')]],
    ['a port that is there', [comes('guard'), { before: entry('port', 'tap7'), after: entry('port', 'tap7') }]],
    ['an element that is there', [comes('guard'), comes('port', 'tap7'), { before: entry('own', 'tap7'), after: null }]],
  ])('is not %s', (_, changes) => {
    expect(wholeOf(changes)).toBeNull();
  });

  it('has chains of no more interfaces than the kernel takes', () => {
    const devices = Array.from({ length: 600 }, (_, i) => `tap${i}`);
    const hooks = interimScript('havip', devices).match(/devices = \{[^}]*\}/g) ?? [];
    expect(hooks.map((hook) => hook.split(',').length)).toEqual([255, 255, 90]);
  });
});

describe.skipIf(process.getuid?.() !== 0)('a table that is built whole (needs root: a network namespace)', () => {
  let lab: SwitchLab;
  let vswitch: NftablesSwitch;
  beforeAll(async () => {
    lab = new SwitchLab();
    await lab.forwarding();
  });
  afterAll(() => lab.close());
  beforeEach(() => {
    ({ vswitch } = guarded(seedNetwork));
  });
  afterEach(() => {
    vswitch.cleanup();
    vswitch.close();
  });

  const others = '172.17.16.9';

  it.each<[string, Uint8Array, 'passes' | 'is dropped']>([
    ['its own address in ARP', arp({ source: MAC1, senderAddress: '172.17.16.7' }), 'passes'],
    ['a claim of its HAVIP', arp({ source: MAC1, senderAddress: HAVIP }), 'passes'],
    ["another guest's address in ARP", arp({ source: MAC1, senderAddress: others }), 'is dropped'],
    ["another guest's MAC", arp({ source: MAC3, senderAddress: '172.17.16.7' }), 'is dropped'],
    ['IPv4 from itself', ipv4(MAC1, BROADCAST, '172.17.16.7', '172.17.16.1'), 'passes'],
    ['IPv4 from another guest', ipv4(MAC1, BROADCAST, others, '172.17.16.1'), 'is dropped'],
    ['an advert of its own', vrrp({ source: MAC1, ipSource: '172.17.16.7', addresses: [HAVIP] }), 'passes'],
    ["an advert from another's address", vrrp({ source: MAC1, ipSource: others, addresses: [HAVIP] }), 'is dropped'],
    ['a router advertisement', nd({ source: MAC1, icmpType: 134, ipSource: 'fe80::1', ipDestination: 'ff02::1' }), 'is dropped'],
    ['RARP of another', rarp(MAC2), 'is dropped'],
  ])('before the ports have chains of their own, %s %s', async (_, frame, answer) => {
    half();
    expect(await lab.send('tap7', toEverybody(frame))).toHaveLength(answer === 'passes' ? 1 : 0);
  });

  it('a claim of a HAVIP by who is no member is dropped meanwhile', async () => {
    half();
    expect(await lab.send('tap9', arp({ source: MAC3, senderAddress: HAVIP }))).toHaveLength(0);
  });

  it('is completed by the next agent, should this one be killed meanwhile', () => {
    const before = ruleset();
    half();
    expect(ruleset()).toContain('interim');
    const { vswitch: next, reconciler } = guarded(seedNetwork);
    reconciler.resync();
    next.close();
    expect(lines(ruleset())).toEqual(lines(before));
  });

  it('is built but for the port that the kernel refuses, and nothing stays in between', () => {
    vswitch.cleanup();
    const next = new NftablesSwitch('havip');
    const reconciler = new Reconciler({ vswitch: next, clock: new ManualClock(), log: new KeptLog() });
    reconciler.letHoldersGo();
    reconciler.configure(seedNetwork, 'enforce');
    nft('table netdev havip {\nchain port_tap7 {\n}\nchain other {\njump port_tap7\n}\n}\n');
    expect(reconciler.flush()).toMatchObject({ state: 'failed' });
    const built = ruleset();
    expect(built).not.toContain('interim');
    expect(built).toContain('chain port_tap13 {\n\t\ttype filter hook ingress device "tap13"');
    next.close();
  });
});

/** As it is when the agent is killed before the ports have chains of their own. */
function half(): void {
  const chains = TAPS.map((tap) => `flush chain netdev havip port_${tap}\ndelete chain netdev havip port_${tap}\n`);
  nft(interimScript('havip', TAPS) + chains.join(''));
}

function lines(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.replaceAll(/expires \S+|packets \d+ bytes \d+/g, '').trim())
    .toSorted();
}
