/** The reconciler over a switch that answers later, or never. What holds for every switch is in reconciler.test.ts. */
import { type Binding, bindingHere } from '../../src/base/binding.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Network } from '../../src/base/network.ts';
import { listAtStart } from '../../src/vswitch/drivers.ts';
import { entryId } from '../../src/vswitch/entries.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import type { Change, Entry } from '../../src/vswitch/vswitch.ts';
import { HAVIP1, HAVIP2, HAVIP_OPEN, MAC1, MAC2, seedNetwork } from '../network.ts';
import { LaterSwitch } from './later.ts';
import { entriesOf, holderEntry, KeptLog, boundTo } from './values.ts';

const first = boundTo('tap7', MAC1, 1, 100);
const second = boundTo('tap13', MAC2, 2, 200);
const HOLDER1 = 'holder vpc-1 172.17.16.3';
const texts = (entries: readonly Entry[]) => entries.map((item) => `${entryId(item)} = ${item.value}`).sort();
const holders = (held: readonly (readonly [number, Binding])[], network: Network = seedNetwork) =>
  held.map(([index, binding]) => holderEntry(network, must(network.havips[index], 'a HAVIP'), binding));
const subjects = (changes: readonly Change[] = []) =>
  changes.map(({ before, after }) => entryId(must(after ?? before, 'one of two')));

function bare(network: Network = seedNetwork, memory = new MemorySwitch()) {
  const vswitch = new LaterSwitch(memory);
  const clock = new ManualClock();
  const log = new KeptLog();
  const answers: number[] = [];
  const reconciler: Reconciler = new Reconciler({
    vswitch,
    clock,
    log,
    onAnswer: (atNs) => {
      answers.push(atNs);
      reconciler.flush();
    },
  });
  reconciler.configure(network, 'enforce');
  reconciler.release();
  return { vswitch, memory, clock, log, answers, reconciler };
}

/** The network is programmed, and nothing is asked. */
async function started(network?: Network) {
  const scene = bare(network);
  expect(scene.reconciler.flush().state).toBe('asked');
  while (scene.vswitch.waiting > 0) await scene.vswitch.answer();
  expect(scene.reconciler.inSync).toBe(true);
  scene.vswitch.asked.length = 0;
  scene.vswitch.sent.length = 0;
  return scene;
}

type Scene = Awaited<ReturnType<typeof started>>;

async function settle({ vswitch, reconciler, clock }: Scene): Promise<void> {
  for (let turn = 0; turn < 100 && (vswitch.waiting > 0 || reconciler.nextRetryNs !== null); turn++) {
    if (vswitch.waiting > 0) await vswitch.answer();
    else {
      clock.advanceMs(Math.max(0, (must(reconciler.nextRetryNs, 'a retry') - clock.nowNs()) / 1e6));
      reconciler.flush();
    }
  }
}

describe('a switch that answers later', () => {
  it('is asked one thing at a time', async () => {
    const { reconciler, vswitch, clock, answers } = await started();
    answers.length = 0;
    reconciler.hold(HAVIP1, first);
    expect(reconciler.flush()).toMatchObject({ state: 'asked', committed: 0 });
    for (const epoch of [3, 4]) {
      reconciler.hold(HAVIP2, { ...second, epoch });
      expect(reconciler.flush().state).toBe('asked');
    }
    expect([vswitch.asked, vswitch.waiting]).toEqual([['commit'], 1]);
    expect([reconciler.isProgrammed(HAVIP1), reconciler.inSync, reconciler.trouble]).toEqual([false, false, null]);
    clock.advanceMs(7);
    await vswitch.answer();
    expect(reconciler.isProgrammed(HAVIP1)).toBe(true);
    expect(answers).toEqual([clock.nowNs()]);
  });

  it('gets all that was wanted meanwhile in one transaction, as it is wanted by then', async () => {
    const scene = await started();
    const { reconciler, vswitch, memory } = scene;
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    for (const epoch of [5, 6, 7]) {
      reconciler.hold(HAVIP1, { ...second, epoch });
      reconciler.hold(HAVIP2, { ...first, epoch });
      reconciler.hold(HAVIP_OPEN, epoch === 6 ? first : null);
      reconciler.flush();
    }
    await vswitch.answer();
    expect(vswitch.sent.map(subjects)).toEqual([[HOLDER1], [HOLDER1, 'holder vpc-1 172.17.32.3']]);
    await settle(scene);
    expect(vswitch.sent).toHaveLength(2);
    const held = holders([
      [HAVIP1, { ...second, epoch: 7 }],
      [HAVIP2, { ...first, epoch: 7 }],
    ]);
    expect(texts(memory.list())).toEqual(texts([...entriesOf(seedNetwork, 'enforce'), ...held]));
  });

  it('does not have what it had when that is wanted again while the opposite is on its way', async () => {
    const scene = await started();
    scene.reconciler.hold(HAVIP1, first);
    scene.reconciler.flush();
    scene.reconciler.hold(HAVIP1, null);
    scene.reconciler.flush();
    expect([scene.reconciler.isProgrammed(HAVIP1), scene.reconciler.inSync]).toEqual([false, false]);
    await scene.vswitch.answer();
    expect(scene.reconciler.has(HAVIP1, first)).toBe(true);
    expect(scene.reconciler.isProgrammed(HAVIP1)).toBe(false);
    await settle(scene);
    expect(scene.reconciler.isProgrammed(HAVIP1)).toBe(true);
    expect(texts(scene.memory.list())).toEqual(texts(entriesOf(seedNetwork, 'enforce')));
  });

  it('takes a failover before what a reload still has to send', async () => {
    const { reconciler, vswitch } = await started();
    const havip = must(seedNetwork.havips[HAVIP1], 'havip-1');
    const more = Array.from({ length: 3000 }, (_, i) => ({
      ...havip,
      id: `more-${i}`,
      index: seedNetwork.havips.length + i,
      address: 0x0a00_0000 + i,
    }));
    reconciler.configure({ ...seedNetwork, havips: [...seedNetwork.havips, ...more] }, 'enforce');
    reconciler.flush();
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    await vswitch.answer();
    expect(vswitch.sent).toHaveLength(2);
    expect(subjects(vswitch.sent[1])).toEqual([HOLDER1]);
    await vswitch.answer();
    expect(reconciler.isProgrammed(HAVIP1)).toBe(true);
    expect(reconciler.inSync).toBe(false);
    while (vswitch.waiting > 0) await vswitch.answer();
    expect(reconciler.inSync).toBe(true);
    const sent = vswitch.sent.flatMap(subjects);
    expect(new Set(sent).size).toBe(sent.length);
  });

  it('that refuses a transaction gets the rest of it, and at once what is wanted otherwise by then', async () => {
    const { reconciler, vswitch, memory, log } = await started();
    memory.failEntries.add(HOLDER1);
    reconciler.hold(HAVIP1, first);
    reconciler.hold(HAVIP2, second);
    reconciler.flush();
    await vswitch.answer();
    expect(reconciler.has(HAVIP2, second)).toBe(false);
    memory.failEntries.clear();
    reconciler.hold(HAVIP1, second);
    while (vswitch.waiting > 0) await vswitch.answer();
    expect([reconciler.isProgrammed(HAVIP1), reconciler.isProgrammed(HAVIP2), reconciler.trouble]).toEqual([true, true, null]);
    expect(log.lines).toEqual([expect.stringContaining('warn'), 'info vswitch memory: works again']);
  });

  it('that refuses an entry for good does so later and later, and said once', async () => {
    const scene = await started();
    scene.memory.failEntries.add(HOLDER1);
    scene.reconciler.hold(HAVIP1, first);
    scene.reconciler.hold(HAVIP2, second);
    scene.reconciler.flush();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      while (scene.vswitch.waiting > 0) await scene.vswitch.answer();
      expect(scene.reconciler.isProgrammed(HAVIP2)).toBe(true);
      waits.push((must(scene.reconciler.nextRetryNs, 'a retry') - scene.clock.nowNs()) / 1e6);
      scene.clock.advanceMs(waits.at(-1)!);
      expect(scene.reconciler.flush().state).toBe('asked');
    }
    expect(waits).toEqual([50, 100, 200, 400]);
    scene.memory.failEntries.clear();
    await settle(scene);
    expect(scene.log.lines).toEqual([expect.stringContaining(`told to fail ${HOLDER1}`), 'info vswitch memory: works again']);
  });

  it('is asked nothing more once the reconciler is closed, whatever comes back', async () => {
    const { reconciler, vswitch, memory, answers, log } = await started();
    answers.length = 0;
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    reconciler.hold(HAVIP2, second);
    memory.failCommits = 1;
    reconciler.close();
    await vswitch.answer();
    expect([answers, vswitch.asked, log.lines]).toEqual([[], ['commit'], []]);
  });

  it('is listed after the transaction that was on its way when somebody else changed it', async () => {
    const scene = await started();
    const { reconciler, vswitch, memory } = scene;
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    memory.drift('claim tap7 172.17.16.3', null);
    memory.drift('stray bad', { kind: 'stray', key: 'bad', value: '-' });
    expect(reconciler.resync()).toBeNull();
    expect(vswitch.asked).toEqual(['commit']);
    await settle(scene);
    expect(vswitch.asked).toEqual(['commit', 'list', 'commit']);
    expect(reconciler.counters).toMatchObject({ resyncs: 1, driftRepaired: 2 });
    expect(texts(memory.list())).toEqual(texts([...entriesOf(seedNetwork, 'enforce'), ...holders([[HAVIP1, first]])]));
  });

  it('has an interface hooked again that appeared while its port was on its way', async () => {
    const scene = bare();
    const vswitch = new LaterSwitch(scene.memory, null, false);
    const reconciler: Reconciler = new Reconciler({
      vswitch,
      clock: scene.clock,
      log: scene.log,
      onAnswer: () => void reconciler.flush(),
    });
    reconciler.configure(seedNetwork, 'enforce');
    reconciler.flush();
    expect(reconciler.interfaceAppeared('tap7')?.state).toBe('asked');
    await vswitch.answer();
    expect(subjects(vswitch.sent[1])).toEqual(['port tap7']);
    await vswitch.answer();
    expect(reconciler.inSync).toBe(true);
  });
});

describe('a switch that never answers', () => {
  it('is given up at the deadline, listed before anything else, and has ever more time', async () => {
    const scene = await started();
    const { reconciler, vswitch, clock, log } = scene;
    vswitch.lostAnswers = 4;
    reconciler.hold(HAVIP1, first);
    const patience: number[] = [];
    for (let i = 0; i < 4; i++) {
      expect(reconciler.flush().state).toBe('asked');
      await vswitch.answer();
      const waitMs = (must(reconciler.nextRetryNs, 'a deadline') - clock.nowNs()) / 1e6;
      patience.push(waitMs);
      clock.advanceMs(waitMs - 1);
      expect([reconciler.flush().state, reconciler.isProgrammed(HAVIP1)]).toEqual(['asked', false]);
      clock.advanceMs(1);
      expect(reconciler.flush()).toMatchObject({ state: 'failed', error: expect.stringContaining('no answer within') });
      expect(reconciler.flush().state).toBe('waiting');
      clock.advanceMs((must(reconciler.nextRetryNs, 'a retry') - clock.nowNs()) / 1e6);
    }
    expect(patience).toEqual([2000, 4000, 8000, 16_000]);
    reconciler.flush();
    await settle(scene);
    // The transaction was done, though nobody said so: it is found, and not sent again.
    expect(vswitch.asked).toEqual(['commit', 'list', 'list', 'list', 'list']);
    expect([reconciler.isProgrammed(HAVIP1), reconciler.trouble]).toEqual([true, null]);
    expect(log.lines).toEqual(['warn vswitch memory: no answer within 2 s; will retry', 'info vswitch memory: works again']);
    reconciler.hold(HAVIP1, second);
    reconciler.flush();
    expect((must(reconciler.nextRetryNs, 'a deadline') - clock.nowNs()) / 1e6).toBe(2000);
  });

  it('that does a transaction after all, when it was given up and listed, is listed once more', async () => {
    const memory = new MemorySwitch();
    const scene = bare(seedNetwork, memory);
    const late: (() => void)[] = [];
    const commit = scene.vswitch.commit.bind(scene.vswitch);
    scene.vswitch.commit = (changes) =>
      new Promise((resolve) => {
        late.push(() => {
          memory.commit(changes);
          resolve();
        });
      });
    scene.reconciler.flush();
    scene.clock.advanceMs(2000);
    expect(scene.reconciler.flush().state).toBe('failed');
    scene.vswitch.commit = commit;
    scene.clock.advanceMs(50);
    scene.reconciler.flush();
    await scene.vswitch.answer();
    expect(scene.vswitch.asked).toEqual(['list', 'commit']);
    for (const doIt of late) doIt();
    await settle(scene);
    expect(scene.vswitch.asked.filter((what) => what === 'list').length).toBeGreaterThan(1);
    expect(scene.reconciler.inSync).toBe(true);
    expect(texts(memory.list())).toEqual(texts(entriesOf(seedNetwork, 'enforce')));
  });

  it('cannot be started with', async () => {
    const vswitch = new LaterSwitch(new MemorySwitch());
    await expect(listAtStart(vswitch, 5)).rejects.toThrow('memory: no answer within 0.005 s');
    await expect(listAtStart(new LaterSwitch(new MemorySwitch(), 1), 5000)).resolves.toEqual([]);
  });
});

const someHavip = fc.constantFrom(HAVIP1, HAVIP2, HAVIP_OPEN);
const step = fc.oneof(
  fc.record({ do: fc.constant('hold' as const), havip: someHavip, epoch: fc.nat(9), port: fc.nat(4) }),
  fc.record({ do: fc.constant('drop' as const), havip: someHavip }),
  fc.record({ do: fc.constant('refuse' as const), commits: fc.nat(6) }),
  fc.record({ do: fc.constant('refuseEntry' as const), havip: someHavip }),
  fc.record({ do: fc.constant('outage' as const), on: fc.boolean() }),
  fc.record({ do: fc.constant('silence' as const), answers: fc.nat(2) }),
  fc.record({ do: fc.constant('lose' as const), entry: fc.nat(40) }),
  fc.record({ do: fc.constant('configure' as const), havip: someHavip, fence: fc.boolean(), released: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(400), fc.nat(5000)) }),
  fc.record({ do: fc.constant('resync' as const) }),
  fc.record({ do: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 4 }) }),
);

it('the switch equals what is desired, eventually, whenever and whether it answers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const scene = bare();
      const { reconciler, vswitch, memory, clock } = scene;
      let network: Network = seedNetwork;
      const wanted = new Map<number, Binding>();
      for (const now of steps) {
        if (now.do === 'hold') {
          const port = must(seedNetwork.ports[now.port], 'port');
          const binding = bindingHere(port, port.mac, now.epoch, now.epoch);
          if (network.havips[now.havip]) wanted.set(now.havip, binding);
          reconciler.hold(now.havip, binding);
        } else if (now.do === 'drop') {
          wanted.delete(now.havip);
          reconciler.hold(now.havip, null);
        } else if (now.do === 'refuse') memory.failCommits = now.commits;
        else if (now.do === 'refuseEntry') memory.failEntries.add(`holder vpc-1 172.17.${now.havip === HAVIP2 ? 32 : 16}.3`);
        else if (now.do === 'outage') memory.unavailable = now.on;
        else if (now.do === 'silence') vswitch.lostAnswers = now.answers;
        else if (now.do === 'lose') loseOne(memory, now.entry);
        else if (now.do === 'configure') {
          const havips = network.havips.map((havip, i) => {
            if (i !== now.havip) return havip;
            return now.released ? null : { ...must(seedNetwork.havips[i], 'havip'), fence: now.fence };
          });
          network = withHavips(network, havips);
          if (now.released) wanted.delete(now.havip);
          reconciler.configure(network, 'enforce');
        } else if (now.do === 'wait') clock.advanceMs(now.ms);
        else if (now.do === 'resync') reconciler.resync();
        else for (let i = 0; i < now.count; i++) await vswitch.answer();
        reconciler.flush();
        for (const [index, binding] of wanted)
          if (reconciler.isProgrammed(index)) expect(reconciler.has(index, binding)).toBe(true);
      }
      memory.failCommits = 0;
      memory.failEntries.clear();
      memory.unavailable = false;
      vswitch.lostAnswers = 0;
      await settle(scene);
      reconciler.resync();
      await settle(scene);
      expect([vswitch.waiting, reconciler.inSync, reconciler.trouble]).toEqual([0, true, null]);
      expect(texts(memory.list())).toEqual(texts([...entriesOf(network, 'enforce'), ...holders([...wanted], network)]));
    }),
    { numRuns: 300 },
  );
});

function withHavips(network: Network, havips: Network['havips']): Network {
  return { ...network, havips };
}

function loseOne(memory: MemorySwitch, number: number): void {
  const wasUnavailable = memory.unavailable;
  memory.unavailable = false;
  const entries = memory.list();
  memory.unavailable = wasUnavailable;
  const item = entries[number % Math.max(1, entries.length)];
  if (item !== undefined) memory.drift(entryId(item), null);
}
