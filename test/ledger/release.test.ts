/** An operator takes a HAVIP from its holder. */
import { describe, expect, it } from 'vitest';
import { handAgent, holderInSwitch } from '../agent/hand.ts';
import { V } from '../../src/base/verdict.ts';

const ADDRESS = '172.17.16.3';

function held() {
  const hand = handAgent();
  for (const tap of ['tap7', 'tap13']) hand.link(tap, 'up');
  const advert = (tap: 'tap7' | 'tap13') => {
    const port = tap === 'tap7' ? 0 : 1;
    const mac = hand.agent.network.ports[port]?.mac ?? 0;
    const facts = {
      version: 2,
      vrid: 51,
      priority: 100,
      intervalMs: 1000,
      auth: 'none',
      checksum: 'v2',
      unicast: false,
    } as const;
    hand.source.waiting.push({
      kind: 'advert',
      verdict: V['vrrp-advert'],
      port,
      havip: 0,
      mac,
      capturedNs: hand.clock.nowNs(),
      vrrp: { ...facts, source: 0xac11_1007, destination: 0xe000_0012 },
      frame: new Uint8Array(42),
    });
    hand.agent.turn();
  };
  const say = (tap: string) => {
    hand.say(tap, 'havip-1');
    hand.agent.turn();
  };
  const unbind = () => hand.agent.say((ledger) => ledger.unbind(0, 'unbound by alice', hand.clock.nowNs(), hand.clock.wallMs()));
  const later = (ms: number) => {
    hand.clock.advanceMs(ms);
    hand.agent.turn();
  };
  const holder = () => holderInSwitch(hand.vswitch, ADDRESS);
  return { ...hand, advert, say, unbind, later, holder };
}

describe('an unbound HAVIP', () => {
  it('leaves the switch, and says so', () => {
    const { say, unbind, holder, agent } = held();
    say('tap7');
    expect(holder()).toBe('tap7');
    expect(unbind()).toBe('cvm-1');
    expect(holder()).toBeNull();
    expect(agent.outbox.events.at(-1)).toMatchObject({
      kind: 'unbound',
      from: 'cvm-1',
      text: 'cvm-1 no longer holds it: unbound by alice',
    });
    expect(unbind()).toBeNull();
  });

  it.each(['tap7', 'tap13'])('is bound again by an announcement from %s', (tap) => {
    const { say, unbind, holder, later } = held();
    say('tap7');
    later(50);
    unbind();
    later(50);
    say(tap);
    expect(holder()).toBe(tap);
  });

  it('is not bound again by the adverts of a master that announced it before, by time, or by an answer', () => {
    const { advert, say, unbind, holder, later, source, clock } = held();
    advert('tap7');
    say('tap7');
    for (let i = 0; i < 3; i++) {
      later(1000);
      advert('tap7');
    }
    unbind();
    for (let i = 0; i < 15; i++) {
      later(1000);
      advert('tap7');
      // An answer: target and sender are not the same.
      const frame = new Uint8Array(42).fill(1, 28, 32).fill(2, 38, 42);
      source.waiting.push({
        kind: 'announce',
        verdict: V['havip-claim'],
        port: 0,
        havip: 0,
        mac: 0x0200_ac11_1007,
        capturedNs: clock.nowNs(),
        vrrp: null,
        frame,
      });
      later(0);
      expect(holder()).toBeNull();
    }
    say('tap7');
    expect(holder()).toBe('tap7');
  });
});
