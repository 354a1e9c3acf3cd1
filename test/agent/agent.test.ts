import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { entryId } from '../../src/vswitch/entries.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { LaterSwitch } from '../vswitch/later.ts';
import { CONFIG, configOf, handAgent, holderInSwitch } from './hand.ts';

type Hand = ReturnType<typeof handAgent>;
const running: Hand[] = [];

function start(options?: Parameters<typeof handAgent>[0]): Hand {
  const hand = handAgent(options);
  running.push(hand);
  hand.link('tap7', 'up');
  hand.link('tap13', 'up');
  return hand;
}

afterEach(async () => {
  for (const hand of running.splice(0)) await hand.agent.stop();
});

/** A stranger deletes the n-th entry. */
function driftAt({ vswitch, agent }: Hand, n: number): void {
  const entry = vswitch.list()[n];
  if (entry === undefined) return;
  vswitch.drift(entryId(entry), null);
  agent.reconciler.resync();
}

/** Lets due work come, as the alarm would. */
function pass({ clock, agent }: Hand, ms: number, stepMs = 50): void {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advanceMs(stepMs);
    agent.turn();
  }
}

describe('agent', () => {
  it('programs the switch with the holder and says so', () => {
    const hand = start();
    hand.say('tap7', 'havip-1');
    hand.agent.turn();
    expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBe('tap7');
    expect(hand.agent.ledger.view(0)).toMatchObject({
      state: 'bound',
      epoch: 1,
      holder: { instance: 'cvm-1', interface: 'tap7', host: 'host-a' },
    });
    expect(hand.agent.outbox.events.map((event) => [event.seq, event.kind, event.to])).toContainEqual([1, 'bound', 'cvm-1']);
    expect(hand.agent.health.notReady()).toBeNull();
  });

  it('commits all that a sender announced at once, whatever the order of its repetitions', () => {
    const hand = start();
    const { vswitch, agent } = hand;
    const refreshesAtCommit: number[] = [];
    const commit = vswitch.commit.bind(vswitch);
    vswitch.commit = (changes) => {
      refreshesAtCommit.push(agent.ledger.counters.claims.refresh);
      commit(changes);
    };
    for (let round = 0; round < 3; round++) for (const havip of ['havip-1', 'havip-2']) hand.say('tap7', havip);
    agent.turn();
    expect(refreshesAtCommit).toEqual([4]);
    expect(agent.ledger.counters.claims).toMatchObject({ takeover: 2, refresh: 4 });

    pass(hand, 20_000);
    refreshesAtCommit.length = 0;
    for (const havip of ['havip-1', 'havip-2']) for (let n = 0; n < 3; n++) hand.say('tap13', havip);
    agent.turn();
    expect(refreshesAtCommit).toEqual([8]);
    expect(holderInSwitch(vswitch, '172.17.16.3')).toBe('tap13');
    expect(holderInSwitch(vswitch, '172.17.16.4')).toBe('tap13');
  });

  it('makes one transaction of all claims of one turn', () => {
    const hand = start();
    const { attempts } = hand.agent.reconciler.counters;
    hand.say('tap7', 'havip-1');
    hand.say('tap7', 'havip-2');
    hand.agent.turn();
    expect(hand.agent.reconciler.counters.attempts).toBe(attempts + 1);
    expect(hand.programmedSeconds.length).toBe(2);
  });

  it('leaves the rest of a storm to the next turn, in order', async () => {
    const many = Array.from(
      { length: 100 },
      (_, i) => `      - { id: many-${i}, subnet: subnet-a, address: 172.17.16.${100 + i} }`,
    );
    const hand = start({ config: CONFIG.replace(/( {6}- \{ id: havip-2.*\n)/, `$1${many.join('\n')}\n`) });
    for (let i = 0; i < 100; i++) hand.say('tap7', `many-${i}`);
    hand.clock.advanceMs(1);
    hand.say('tap13', 'many-99');
    hand.agent.turn();
    const bound = () => hand.agent.ledger.bindingsByState().bound;
    expect(bound()).toBe(64);
    expect(holderInSwitch(hand.vswitch, '172.17.16.163')).toBe('tap7');
    await new Promise(setImmediate);
    expect(bound()).toBe(100);
    expect(holderInSwitch(hand.vswitch, '172.17.16.199')).toBe('tap13');
  });

  it('keeps trying when the switch refuses, and the HAVIP follows the ledger when it works again', () => {
    const hand = start();
    hand.vswitch.failCommits = 3;
    hand.say('tap7', 'havip-1');
    hand.agent.turn();
    expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBeNull();
    expect(hand.agent.health.notReady()).toMatch(/^virtual switch: /);
    pass(hand, 2000);
    expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBe('tap7');
    expect(hand.agent.health.notReady()).toBeNull();
    const said = hand.lines.filter(({ message }) => message.includes('vswitch memory'));
    expect(said.map(({ level }) => level)).toEqual(['warn', 'info']);
  });

  it('says of each binding when the switch has acknowledged it, also of one that was replaced on its way', async () => {
    const later = new LaterSwitch(new MemorySwitch());
    const hand = start({ later });
    while (later.waiting > 0) await later.answer();
    hand.say('tap7', 'havip-1');
    hand.agent.turn();
    expect(hand.agent.ledger.view(0)).toMatchObject({ state: 'bound', epoch: 1 });
    expect([hand.programmedSeconds, holderInSwitch(hand.vswitch, '172.17.16.3')]).toEqual([[], null]);
    hand.clock.advanceMs(5);
    hand.say('tap7', 'havip-2');
    hand.link('tap7', 'absent');
    hand.say('tap13', 'havip-1');
    hand.agent.turn();
    expect(hand.agent.ledger.view(0)).toMatchObject({ holder: { interface: 'tap13' } });
    hand.clock.advanceMs(5);
    await later.answer();
    expect(hand.programmedSeconds).toEqual([0.01]);
    expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBe('tap7');
    hand.clock.advanceMs(5);
    while (later.waiting > 0) await later.answer();
    expect(hand.programmedSeconds.slice(1)).toEqual([0.01, 0.01]);
    expect([holderInSwitch(hand.vswitch, '172.17.16.3'), holderInSwitch(hand.vswitch, '172.17.16.4')]).toEqual(['tap13', 'tap7']);
    expect([later.waiting, hand.agent.health.notReady()]).toEqual([0, null]);
  });

  it('goes on with everything else while the switch never answers, and says so when it has waited long enough', async () => {
    const later = new LaterSwitch(new MemorySwitch());
    const hand = start({ later });
    while (later.waiting > 0) await later.answer();
    hand.say('tap7', 'havip-1');
    hand.agent.turn();
    expect(hand.agent.health.notReady()).toBe('virtual switch is not in sync yet');
    hand.say('tap13', 'havip-2');
    hand.agent.turn();
    expect(hand.agent.ledger.bindingsByState().bound).toBe(2);
    expect(hand.agent.health.isTurning()).toBe(true);
    pass(hand, 2000);
    expect(hand.agent.health.notReady()).toBe('virtual switch: no answer within 2 s');
    expect(later.asked.filter((what) => what === 'list')).toHaveLength(0);
    pass(hand, 50);
    for (let i = 0; i < 8; i++) await later.answer();
    expect([holderInSwitch(hand.vswitch, '172.17.16.3'), holderInSwitch(hand.vswitch, '172.17.16.4')]).toEqual(['tap7', 'tap13']);
    expect([hand.agent.health.notReady(), hand.programmedSeconds.length]).toEqual([null, 2]);
  });

  it('stops while an answer is out, and takes no notice of it', async () => {
    const later = new LaterSwitch(new MemorySwitch());
    const hand = start({ later });
    running.pop();
    while (later.waiting > 0) await later.answer();
    hand.say('tap7', 'havip-1');
    hand.agent.turn();
    await hand.agent.stop();
    await later.answer();
    expect([hand.programmedSeconds, later.waiting]).toEqual([[], 0]);
    expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBe('tap7');
  });

  it('comes back to a repair that failed, though nothing else happens', async () => {
    const hand = start();
    hand.say('tap7', 'havip-1');
    hand.agent.turn();
    hand.agent.run();
    hand.vswitch.drift('holder vpc-1 172.17.16.3', null);
    hand.vswitch.failCommits = 1;
    await vi.waitFor(() => expect(hand.agent.health.notReady()).toMatch(/told to fail/), 2000);
    hand.clock.advanceMs(100);
    await vi.waitFor(() => expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBe('tap7'), 2000);
  });

  it('adopts what a killed agent left: same holder, epoch and since, and no change in the switch', () => {
    const first = start();
    first.say('tap7', 'havip-1');
    first.agent.turn();
    const left = first.vswitch.list();
    const view = first.agent.ledger.view(0)!;

    const second = start({ vswitch: first.vswitch });
    expect(second.vswitch.list()).toEqual(left);
    expect(second.agent.ledger.view(0)).toMatchObject({ holder: view.holder, epoch: view.epoch, since: view.since });
    expect(second.agent.reconciler.counters.attempts).toBe(0);
  });

  it('keeps bindings across a reload, and lets go of a HAVIP that was released', () => {
    const hand = start();
    hand.say('tap7', 'havip-1');
    hand.say('tap13', 'havip-2');
    hand.agent.turn();
    hand.agent.reconfigure(configOf(CONFIG.replace(/ {6}- \{ id: havip-2.*\n/, '')));
    expect(holderInSwitch(hand.vswitch, '172.17.16.3')).toBe('tap7');
    expect(holderInSwitch(hand.vswitch, '172.17.16.4')).toBeNull();
    expect(hand.agent.ledger.view(0)).toMatchObject({ epoch: 1, state: 'bound' });
    expect(
      hand.vswitch
        .list()
        .filter(({ kind }) => kind === 'claim')
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['tap13 172.17.16.3', 'tap7 172.17.16.3']);
  });

  it('is not ready before the switch is in sync', () => {
    const hand = handAgent();
    running.push(hand);
    hand.vswitch.drift('own tap7 172.17.16.7', null);
    hand.agent.reconciler.resync();
    expect(hand.agent.health.notReady()).toBeNull();
    expect(hand.agent.reconciler.counters.driftRepaired).toBe(1);
  });

  it('never has the wall clock in a duration', () => {
    const hand = start();
    hand.say('tap7', 'havip-1');
    hand.clock.stepWallMs(-3_600_000);
    hand.clock.advanceMs(3);
    hand.agent.turn();
    expect(hand.programmedSeconds).toEqual([0.003]);
  });
});

describe('agent, simulated: storms, refusals, lost links', () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('claim' as const),
      port: fc.constantFrom('tap7', 'tap13'),
      havip: fc.constantFrom('havip-1', 'havip-2'),
      times: fc.integer({ min: 1, max: 20 }),
    }),
    fc.record({
      do: fc.constant('link' as const),
      port: fc.constantFrom('tap7', 'tap13'),
      state: fc.constantFrom('up' as const, 'down' as const, 'absent' as const),
    }),
    fc.record({ do: fc.constant('refuse' as const), times: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ do: fc.constant('drift' as const), keep: fc.nat(20) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ do: fc.constant('reload' as const), without: fc.boolean() }),
  );

  it('ends with a switch that says what the ledger says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const hand = handAgent();
        for (const one of steps) {
          if (one.do === 'claim')
            for (let i = 0; i < one.times; i++)
              hand.say(one.port, hand.agent.network.havips.some((h) => h?.id === one.havip) ? one.havip : 'havip-1');
          if (one.do === 'link') hand.link(one.port, one.state);
          if (one.do === 'refuse') hand.vswitch.failCommits = one.times;
          if (one.do === 'drift') driftAt(hand, one.keep);
          if (one.do === 'wait') hand.clock.advanceMs(one.ms);
          if (one.do === 'reload')
            hand.agent.reconfigure(configOf(one.without ? CONFIG.replace(/ {6}- \{ id: havip-2.*\n/, '') : CONFIG));
          hand.agent.turn();
        }
        pass(hand, 30_000, 500);
        hand.agent.reconciler.resync();
        pass(hand, 30_000, 500);
        for (const [id, address] of [
          ['havip-1', '172.17.16.3'],
          ['havip-2', '172.17.16.4'],
        ] as const) {
          const havip = hand.agent.network.havips.find((one) => one?.id === id);
          const holder = havip ? (hand.agent.ledger.view(havip.index)?.holder?.interface ?? null) : null;
          expect(holderInSwitch(hand.vswitch, address)).toBe(holder);
        }
        expect(hand.agent.health.notReady()).toBeNull();
        await hand.agent.stop();
      }),
      { numRuns: 150 },
    );
  });
});
