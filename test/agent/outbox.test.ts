/** What people are told, and how often. */
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../src/agent/outbox.ts';
import { Probing } from '../../src/agent/probing.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { OnceLog } from '../../src/base/log.ts';
import { type Reason, V } from '../../src/base/verdict.ts';
import type { LedgerEvent } from '../../src/ledger/effects.ts';
import type { Claim } from '../../src/lane/claim.ts';
import { arp, arpProbe, vrrp } from '../../native-fixtures/frames.ts';
import { nd } from '../../native-fixtures/frames6.ts';
import { HAVIP1, MAC1, MAC3, seedNetwork } from '../network.ts';

function outbox() {
  const lines: object[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, ...fields, message });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const clock = new ManualClock();
  const options = { log, once: new OnceLog(log), clock, probing: new Probing(), injector: null, onFailover: () => {} };
  return { lines, clock, outbox: new Outbox(options) };
}

const refusal = (reason: Reason, port: number, havip: number): Claim => ({
  kind: 'refused',
  verdict: V[reason],
  port,
  havip,
  mac: 0,
  capturedNs: 0,
  vrrp: null,
  frame: new Uint8Array(),
});

const moveOf = (havip: string): LedgerEvent => ({
  kind: 'bound',
  at: '',
  havip,
  vpc: 'vpc-1',
  epoch: 1,
  from: null,
  to: 'cvm-1',
  cause: null,
  phasesMs: null,
  text: `${havip} moved`,
});

const NOTHING = { sourceMac: null, senderMac: null, address: null, etherType: null, frame: '' };

describe('the outbox', () => {
  it('says one refusal per port, reason and second, and how many it left out', () => {
    const { lines, clock, outbox: box } = outbox();
    const [a] = seedNetwork.ports;
    for (let i = 0; i < 5; i++) box.refused(refusal('not-member', 0, HAVIP1), seedNetwork);
    box.refused(refusal('malformed', 0, -1), seedNetwork);
    clock.advanceMs(1000);
    box.refused(refusal('not-member', 99, HAVIP1), seedNetwork);
    box.refused(refusal('not-member', 0, HAVIP1), seedNetwork);
    const { interface: name, instance } = a ?? {};
    expect(lines).toEqual([
      {
        level: 'warn',
        reason: 'not-member',
        interface: name,
        instance,
        havip: 'havip-1',
        ...NOTHING,
        suppressed: 0,
        message: 'frame refused',
      },
      {
        level: 'warn',
        reason: 'malformed',
        interface: name,
        instance,
        havip: undefined,
        ...NOTHING,
        suppressed: 0,
        message: 'frame refused',
      },
      {
        level: 'warn',
        reason: 'not-member',
        interface: undefined,
        instance: undefined,
        havip: 'havip-1',
        ...NOTHING,
        suppressed: 0,
        message: 'frame refused',
      },
      {
        level: 'warn',
        reason: 'not-member',
        interface: name,
        instance,
        havip: 'havip-1',
        ...NOTHING,
        suppressed: 4,
        message: 'frame refused',
      },
    ]);
  });

  it.each<[string, Reason, Uint8Array[], string[]]>([
    [
      'ARP',
      'not-havip',
      ['172.17.16.200', '172.17.16.1'].map((senderAddress) => arp({ source: MAC3, senderAddress })),
      ['172.17.16.200', '172.17.16.1'],
    ],
    [
      'a probe',
      'probe-taken',
      ['172.17.16.7', '172.17.16.1'].map((address) => arpProbe(MAC3, address)),
      ['172.17.16.7', '172.17.16.1'],
    ],
    [
      'neighbour discovery',
      'not-havip',
      ['fd00:16::200', 'fd00:16::1'].map((target) => nd({ icmpType: 136, source: MAC3, ipSource: 'fe80::9', target })),
      ['fd00:16::200', 'fd00:16::1'],
    ],
  ])('says a line for each address within a second: %s', (_says, reason, frames, addresses) => {
    const { lines, outbox: box } = outbox();
    for (let i = 0; i < 3; i++) for (const frame of frames) box.refused({ ...refusal(reason, 2, -1), frame }, seedNetwork);
    expect(lines.map((line) => ('address' in line ? line.address : null))).toEqual(addresses);
    expect(box.refusals.of(2)).toMatchObject([{ reason, address: addresses[1] }]);
  });

  it('names a refused frame, and keeps the last of each port and reason', () => {
    const { lines, clock, outbox: box } = outbox();
    const spoof = (address: string) => ({
      ...refusal('not-havip', 2, -1),
      frame: arp({ source: MAC3, senderAddress: address, senderMac: MAC1 }),
    });
    box.refused(spoof('172.17.16.200'), seedNetwork);
    clock.advanceMs(1000);
    box.refused(spoof('172.17.16.1'), seedNetwork);
    const advert = vrrp({
      source: MAC3,
      ipSource: '172.17.16.9',
      addresses: ['172.17.16.3', '172.17.16.4', '172.17.16.5', '172.17.16.6'],
    });
    box.refused({ ...refusal('vrrp-not-havip', 2, -1), frame: advert }, seedNetwork);
    const said = { sourceMac: MAC3, senderMac: MAC1, address: '172.17.16.1', etherType: '0x0806' };
    expect(lines[1]).toMatchObject({ ...said, frame: Buffer.from(spoof('172.17.16.1').frame).toString('hex') });
    expect(box.refusals.of(2)).toMatchObject([
      { reason: 'not-havip', ...said },
      {
        reason: 'vrrp-not-havip',
        sourceMac: MAC3,
        senderMac: null,
        address: '172.17.16.9',
        frame: Buffer.from(advert.subarray(0, 64)).toString('hex'),
      },
    ]);
    expect(box.refusals.of(0)).toEqual([]);
  });

  it('keeps the last 1,000 events, numbered from the start', () => {
    const { lines, outbox: box } = outbox();
    const event: LedgerEvent = {
      kind: 'bound',
      at: '2026-01-01T00:00:00.000Z',
      havip: 'havip-1',
      vpc: 'vpc-1',
      epoch: 1,
      from: null,
      to: 'cvm-1',
      cause: null,
      phasesMs: null,
      text: 'cvm-1 holds it',
    };
    for (let i = 0; i < 1003; i++) box.put({ kind: 'event', event }, seedNetwork);
    expect(lines).toEqual([]);
    box.tell(seedNetwork);
    box.tell(seedNetwork);
    expect(lines).toHaveLength(30);
    expect([box.events.length, box.events[0]?.seq, box.events.at(-1)?.seq]).toEqual([1000, 4, 1003]);
  });

  it('says 30 lines of one HAVIP in a minute, then how many it left out; others have their own', () => {
    const { lines, clock, outbox: box } = outbox();
    clock.advanceMs(5000);
    for (let i = 0; i < 100; i++) box.put({ kind: 'event', event: moveOf('havip-1') }, seedNetwork);
    box.put({ kind: 'event', event: moveOf('havip-3') }, seedNetwork);
    box.tell(seedNetwork);
    const said = (text: string) => lines.filter((line) => 'message' in line && line.message === text).length;
    expect([said('havip-1 moved'), said('havip-3 moved')]).toEqual([30, 1]);
    expect(box.events).toHaveLength(101);
    clock.advanceMs(61_000);
    box.put({ kind: 'event', event: moveOf('havip-1') }, seedNetwork);
    box.tell(seedNetwork);
    expect([said('70 more events of havip-1 in a minute'), said('havip-1 moved')]).toEqual([1, 31]);
    clock.advanceMs(61_000);
    box.tell(seedNetwork);
    expect(lines).toHaveLength(33);
  });
});
