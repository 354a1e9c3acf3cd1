/** The reconciler over a switch that answers later, or never. What holds for every switch is in reconciler.test.ts. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Network } from '../../src/base/network.ts';
import { listAtStart } from '../../src/vswitch/drivers.ts';
import { entryId } from '../../src/vswitch/entries.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import type { Change } from '../../src/vswitch/vswitch.ts';
import { HAVIP1, HAVIP2, HAVIP_OPEN, MAC1, MAC2, seedNetwork } from '../network.ts';
import { LaterSwitch } from './later.ts';
import { bare, settle } from './later-scene.ts';
import { boundTo, entriesOf, holdersOf, macOf, texts, withMore } from './values.ts';

const first = boundTo('tap7', MAC1, 1, 100);
const second = boundTo('tap13', MAC2, 2, 200);
const HOLDER1 = 'holder vpc-1 172.17.16.3';
const subjects = (changes: readonly Change[] = []) =>
  changes.map(({ before, after }) => entryId(must(after ?? before, 'one of two')));

/** tap7 has another MAC. */
const withMac = (mac: string): Network => ({
  ...seedNetwork,
  ports: seedNetwork.ports.map((port) => (port?.interface === 'tap7' ? { ...port, mac: macOf(mac) } : port)),
});

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
    const held = holdersOf([
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

  it('takes a failover before what a reload still has to send, and sends nothing twice', async () => {
    const { reconciler, vswitch } = await started();
    // Both are among what the reload sends, behind thousands of others; one of them is wanted otherwise meanwhile.
    reconciler.hold(HAVIP1, second);
    reconciler.hold(HAVIP2, second);
    reconciler.configure(withMore(seedNetwork, 3000), 'enforce');
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
    expect(reconciler.counters.failures).toBe(0);
    expect([reconciler.has(HAVIP1, first), reconciler.has(HAVIP2, second)]).toEqual([true, true]);
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

  it('that refuses what is not wanted any more gets at once what is', async () => {
    const { reconciler, vswitch, memory } = await started();
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    reconciler.hold(HAVIP1, second);
    memory.failCommits = 1;
    await vswitch.answer();
    expect(vswitch.sent.map((changes) => changes[0]?.after?.value.split(' ')[0])).toEqual(['tap7', 'tap13']);
    await vswitch.answer();
    expect([reconciler.isProgrammed(HAVIP1), reconciler.trouble]).toEqual([true, null]);
  });

  it('that refuses what a reload has changed since gets that without a retry, too', async () => {
    const { reconciler, vswitch, memory, clock } = await started();
    memory.failEntries.add('port tap7');
    reconciler.configure(withMac('02:00:00:00:00:aa'), 'enforce');
    reconciler.flush();
    while (subjects(vswitch.sent.at(-1)).join() !== 'port tap7') await vswitch.answer();
    reconciler.configure(withMac('02:00:00:00:00:bb'), 'enforce');
    await vswitch.answer();
    memory.failEntries.clear();
    const startedNs = clock.nowNs();
    while (vswitch.waiting > 0) await vswitch.answer();
    expect([clock.nowNs(), reconciler.inSync]).toEqual([startedNs, true]);
    expect(texts(memory.list())).toEqual(texts(entriesOf(withMac('02:00:00:00:00:bb'), 'enforce')));
  });

  it('is told that its owner lives when nothing else is asked; what it refuses of that is made anew', async () => {
    const scene = await started();
    const { reconciler, vswitch, memory } = scene;
    reconciler.want((desired) => desired.keepAlive(10));
    reconciler.flush();
    reconciler.renew();
    expect(vswitch.asked).toEqual(['commit']);
    await settle(scene);
    vswitch.asked.length = 0;
    reconciler.renew();
    reconciler.renew();
    reconciler.hold(HAVIP1, first);
    expect([reconciler.flush().state, vswitch.asked, memory.renewals]).toEqual(['asked', ['renew'], 0]);
    await vswitch.answer();
    expect([vswitch.asked, memory.renewals]).toEqual([['renew', 'commit'], 1]);
    await settle(scene);
    expect(reconciler.isProgrammed(HAVIP1)).toBe(true);

    memory.unavailable = true;
    reconciler.renew();
    await vswitch.answer();
    memory.drift('alive -', null);
    memory.unavailable = false;
    await settle(scene);
    expect(memory.list()).toContainEqual({ kind: 'alive', key: '-', value: '10' });
    expect([reconciler.inSync, reconciler.trouble]).toEqual([true, null]);
  });

  it('is given up when it does not answer a sign of life, as with any question', async () => {
    const scene = await started();
    const { reconciler, vswitch, clock } = scene;
    reconciler.want((desired) => desired.keepAlive(10));
    reconciler.flush();
    await settle(scene);
    vswitch.lostAnswers = 1;
    reconciler.renew();
    await vswitch.answer();
    clock.advanceMs(2000);
    expect(reconciler.flush()).toMatchObject({ state: 'failed', error: 'no answer within 2 s' });
    await settle(scene);
    expect([reconciler.inSync, reconciler.trouble]).toEqual([true, null]);
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
    expect(texts(memory.list())).toEqual(texts([...entriesOf(seedNetwork, 'enforce'), ...holdersOf([[HAVIP1, first]])]));
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
    expect([reconciler.isProgrammed(HAVIP1), reconciler.trouble, reconciler.counters.failures]).toEqual([true, null, 1]);
    expect(log.lines).toEqual(['warn vswitch memory: no answer within 2 s; will retry', 'info vswitch memory: works again']);
    reconciler.hold(HAVIP1, second);
    reconciler.flush();
    expect((must(reconciler.nextRetryNs, 'a deadline') - clock.nowNs()) / 1e6).toBe(2000);
  });

  it('that does a transaction after all, when it was given up and listed, is listed once more', async () => {
    const scene = bare();
    scene.vswitch.setAside = 1;
    scene.reconciler.flush();
    scene.clock.advanceMs(2000);
    expect(scene.reconciler.flush().state).toBe('failed');
    scene.clock.advanceMs(50);
    scene.reconciler.flush();
    await scene.vswitch.answer();
    expect(scene.vswitch.asked).toEqual(['commit', 'list', 'commit']);
    await scene.vswitch.answerAside();
    expect(scene.vswitch.asked).toEqual(['commit', 'list', 'commit']);
    await settle(scene);
    expect(scene.reconciler.inSync).toBe(true);
    expect(texts(scene.memory.list())).toEqual(texts(entriesOf(seedNetwork, 'enforce')));
  });

  it('that does after all what is not wanted any more is found out, though nothing else is to be done', async () => {
    const scene = await started();
    const { reconciler, vswitch, memory, clock } = scene;
    vswitch.setAside = 1;
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    clock.advanceMs(2000);
    reconciler.flush();
    reconciler.hold(HAVIP1, null);
    await settle(scene);
    expect([reconciler.inSync, reconciler.nextRetryNs, vswitch.asked]).toEqual([true, null, ['commit', 'list']]);
    await vswitch.answerAside();
    await settle(scene);
    expect(vswitch.asked).toEqual(['commit', 'list', 'list', 'commit']);
    expect(texts(memory.list())).toEqual(texts(entriesOf(seedNetwork, 'enforce')));
    expect(reconciler.counters).toMatchObject({ resyncs: 0, driftRepaired: 0 });
  });

  it('cannot be started with', async () => {
    const vswitch = new LaterSwitch(new MemorySwitch());
    await expect(listAtStart(vswitch, 5)).rejects.toThrow('memory: no answer within 0.005 s');
    await expect(listAtStart(new LaterSwitch(new MemorySwitch(), 1), 5000)).resolves.toEqual([]);
  });
});
