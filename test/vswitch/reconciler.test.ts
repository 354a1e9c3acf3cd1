import fc from 'fast-check';
import { bindingElsewhere, UNKNOWN } from '../../src/base/binding.ts';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Network } from '../../src/base/network.ts';
import { eachEntry, type Parts, touchedParts } from '../../src/vswitch/entries.ts';
import { label } from '../../src/vswitch/label.ts';
import { domainOf } from '../../src/vswitch/nftables/domain.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { HAVIP1, HAVIP2, HAVIP_OPEN, MAC1, MAC2, seedNetwork } from '../network.ts';
import { boundTo, entriesOf, holderEntry, KeptLog, macOf, texts, withMore } from './values.ts';
import { heal, STEPS, Wishes } from './steps.ts';

const first = boundTo('tap7', MAC1, 1, 100);
const second = boundTo('tap13', MAC2, 2, 200);
const havip1 = must(seedNetwork.havips[HAVIP1], 'havip-1');
const HOLDER1 = 'holder vpc-1 172.17.16.3';

function started(network: Network = seedNetwork, vswitch = new MemorySwitch()) {
  const clock = new ManualClock();
  const log = new KeptLog();
  const reconciler = new Reconciler({ vswitch, clock, log });
  reconciler.configure(network, 'enforce');
  return { vswitch, clock, log, reconciler };
}

const withHavip1 = (change: object) => ({
  ...seedNetwork,
  havips: seedNetwork.havips.map((havip) => (havip?.index === HAVIP1 ? { ...havip, ...change } : havip)),
});

const parts = ({ whole, partly, havips }: Parts) => [[...whole], [...partly], [...havips]];

describe('entries', () => {
  it('say what each port may claim, and no more', () => {
    const claims = texts(entriesOf(seedNetwork, 'enforce')).filter((text) => text.startsWith('claim'));
    expect(claims).toEqual([
      'claim tap13 172.17.16.3 = -',
      'claim tap13 172.17.16.33 = -',
      'claim tap5 172.17.32.3 = -',
      'claim tap7 172.17.16.3 = -',
      'claim tap7 172.17.16.33 = -',
      'claim tap9 172.17.16.33 = -',
    ]);
  });

  it('keep an id that is a good name, and make a short one of any other', () => {
    expect(label('subnet-a')).toBe('subnet-a');
    expect(label('a b')).toMatch(/^ab\.[0-9a-f]{16}$/);
    expect(label('a b')).not.toBe(label('a"b'));
    expect(label('x'.repeat(500)).length).toBeLessThanOrEqual(32);
  });

  it('make a number of 48 bits of a VPC, and know one when they see it', () => {
    expect(domainOf('vpc-1')).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect(domainOf('vpc-1')).not.toBe(domainOf('vpc-2'));
    expect(domainOf(domainOf('vpc-1'))).toBe(domainOf('vpc-1'));
  });

  it('are rendered again only where something differs', () => {
    expect(parts(touchedParts(seedNetwork, structuredClone(seedNetwork)))).toEqual([[], [], []]);
    const after = withHavip1({ members: ['cvm-1'] });
    const touched = touchedParts(seedNetwork, after);
    expect(parts(touched)).toEqual([[], [0], [0]]);
    const rendered: string[] = [];
    eachEntry(after, 'enforce', touched, (kind, key) => rendered.push(`${kind} ${key}`));
    expect(rendered.filter((id) => id.startsWith('claim'))).toEqual(['claim tap7 172.17.16.3']);
    expect(rendered).toContain('virtual tap7');
  });
});

describe('the reconciler', () => {
  it('programs the network, then each holder in one transaction', () => {
    const { reconciler, vswitch } = started();
    expect(reconciler.flush().state).toBe('committed');
    expect(texts(vswitch.list())).toEqual(texts(entriesOf(seedNetwork, 'enforce')));
    const before = vswitch.commits;
    reconciler.hold(HAVIP1, first);
    reconciler.hold(HAVIP2, second);
    expect(reconciler.isProgrammed(HAVIP1)).toBe(false);
    expect(reconciler.flush()).toMatchObject({ state: 'committed', committed: 2 });
    expect(vswitch.commits).toBe(before + 1);
    expect(reconciler.isProgrammed(HAVIP1)).toBe(true);
    expect(reconciler.flush().state).toBe('clean');
  });

  it('a reload that changes one HAVIP commits that alone', () => {
    const { reconciler } = started();
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    // Its holder is fenced no more, and cvm-3 may send from it too.
    reconciler.configure(withHavip1({ fence: false }), 'enforce');
    expect(reconciler.flush().committed).toBe(2);
    // cvm-2 may only send from it now.
    reconciler.configure(withHavip1({ fence: false, members: ['cvm-1'] }), 'enforce');
    expect(reconciler.flush().committed).toBe(2);
    reconciler.configure(withHavip1({ fence: false, members: ['cvm-1'] }), 'audit');
    expect(reconciler.flush().committed).toBe(1);
  });

  it('a HAVIP that is released loses its holder', () => {
    const { reconciler, vswitch } = started();
    reconciler.letHoldersGo();
    reconciler.hold(HAVIP1, first);
    reconciler.flush();
    reconciler.configure({ ...seedNetwork, havips: [null, ...seedNetwork.havips.slice(1)] }, 'enforce');
    reconciler.flush();
    expect(vswitch.list().filter(({ kind }) => kind === 'holder')).toEqual([]);
  });

  it('adopts the holder, epoch and since that it finds, and changes nothing', () => {
    const before = started();
    before.reconciler.hold(HAVIP1, first);
    before.reconciler.flush();
    const after = started(seedNetwork, before.vswitch);
    const commits = before.vswitch.commits;
    expect(after.reconciler.adopt(before.vswitch.list())).toEqual(new Map([[HAVIP1, first]]));
    expect(after.reconciler.flush().state).toBe('clean');
    after.reconciler.letHoldersGo();
    expect(after.reconciler.flush().state).toBe('clean');
    expect(before.vswitch.commits).toBe(commits);
  });

  it("keeps holders beyond an uplink of the HAVIP's VPC over a restart, and no others", () => {
    const network: Network = {
      ...seedNetwork,
      uplinks: [{ index: 0, interface: 'vx10', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true }],
    };
    const before = started(network);
    before.reconciler.hold(HAVIP1, bindingElsewhere('cvm-8', 'host-b', 'vx10', macOf('02:00:ac:11:10:88'), 5, 1000));
    before.reconciler.hold(HAVIP2, bindingElsewhere('cvm-8', 'host-b', 'vx11', macOf('02:00:ac:11:10:88'), 6, 1000));
    before.reconciler.flush();
    const commits = before.vswitch.commits;
    const after = started(network, before.vswitch);
    const found = after.reconciler.adopt(before.vswitch.list());
    expect([...found]).toMatchObject([[HAVIP1, { instance: UNKNOWN, port: null, interface: 'vx10', epoch: 5 }]]);
    expect(after.reconciler.flush().state).toBe('clean');
    expect(before.vswitch.commits).toBe(commits);
    after.reconciler.letHoldersGo();
    after.reconciler.flush();
    expect(before.vswitch.list().flatMap(({ kind, value }) => (kind === 'holder' ? [value.split(' ')[0]] : []))).toEqual([
      'vx10',
    ]);
  });

  it('withholds the removal of holders until it is released', () => {
    const before = started();
    before.reconciler.hold(HAVIP1, first);
    before.reconciler.flush();
    const after = started(withHavip1({ members: ['cvm-2'] }), before.vswitch);
    expect(after.reconciler.adopt(before.vswitch.list())).toEqual(new Map());
    after.reconciler.flush();
    expect(texts(before.vswitch.list())).toContain(texts([holderEntry(seedNetwork, havip1, first)])[0]);
    after.reconciler.letHoldersGo();
    after.reconciler.flush();
    expect(before.vswitch.list().some(({ kind }) => kind === 'holder')).toBe(false);
  });
});

describe('the reconciler under failure', () => {
  type Scene = ReturnType<typeof started>;
  const rows: [says: string, breakIt: (scene: Scene) => void, mend: (scene: Scene) => void][] = [
    ['one commit is refused', ({ vswitch }) => (vswitch.failCommits = 1), () => {}],
    ['five commits are refused', ({ vswitch }) => (vswitch.failCommits = 5), () => {}],
    ['an entry is refused', ({ vswitch }) => vswitch.failEntries.add(HOLDER1), ({ vswitch }) => vswitch.failEntries.clear()],
    ['the switch is unavailable', ({ vswitch }) => (vswitch.unavailable = true), ({ vswitch }) => (vswitch.unavailable = false)],
    ['a stranger removed the guard', ({ vswitch }) => vswitch.drift('guard -', null), () => {}],
    ['a stranger took the holder', ({ vswitch }) => vswitch.drift(HOLDER1, holderEntry(seedNetwork, havip1, second)), () => {}],
  ];

  it.each(rows)('%s: the switch has everything in the end', (_says, breakIt, mend) => {
    const scene = started();
    scene.reconciler.flush();
    breakIt(scene);
    scene.reconciler.hold(HAVIP1, first);
    scene.reconciler.hold(HAVIP_OPEN, second);
    scene.reconciler.flush();
    mend(scene);
    settle(scene.reconciler, scene.clock);
    if (scene.vswitch.changed()) scene.reconciler.resync();
    settle(scene.reconciler, scene.clock);
    expect(scene.reconciler.inSync).toBe(true);
    const holders = [
      holderEntry(seedNetwork, havip1, first),
      holderEntry(seedNetwork, must(seedNetwork.havips[HAVIP_OPEN], 'havip-3'), second),
    ];
    expect(texts(scene.vswitch.list())).toEqual(texts([...entriesOf(seedNetwork, 'enforce'), ...holders]));
    expect(scene.reconciler.nextRetryNs).toBeNull();
  });

  it('a refused entry does not stop the others, is retried later and later, and said once', () => {
    const { vswitch, clock, log, reconciler } = started();
    vswitch.failEntries.add(HOLDER1);
    reconciler.hold(HAVIP1, first);
    reconciler.hold(HAVIP2, second);
    expect(reconciler.flush()).toMatchObject({ state: 'failed' });
    expect(reconciler.isProgrammed(HAVIP1)).toBe(false);
    expect(reconciler.isProgrammed(HAVIP2)).toBe(true);
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      expect(reconciler.flush().state).toBe('waiting');
      const waitMs = (must(reconciler.nextRetryNs, 'a retry') - clock.nowNs()) / 1e6;
      waits.push(waitMs);
      clock.advanceMs(waitMs);
      expect(reconciler.flush().state).toBe('failed');
    }
    expect(waits.slice(0, 3)).toEqual([50, 100, 200]);
    expect(Math.max(...waits)).toBe(10_000);
    vswitch.failEntries.clear();
    clock.advanceMs(10_000);
    expect(reconciler.flush().state).toBe('committed');
    expect(log.lines).toEqual([expect.stringContaining('warn vswitch memory: told to fail'), 'info vswitch memory: works again']);
  });

  it('gives a switch that refuses everything up soon', () => {
    const { vswitch, reconciler } = started();
    vswitch.failCommits = 1e9;
    expect(reconciler.flush()).toMatchObject({ state: 'failed', committed: 0 });
    expect(vswitch.commits).toBeLessThanOrEqual(64);
    expect(reconciler.counters.failures).toBe(reconciler.counters.attempts);
  });

  it('tries each transaction of a large difference so often, and no more', () => {
    const { vswitch, reconciler } = started(withMore(seedNetwork, 3000));
    vswitch.failCommits = 1e9;
    expect(reconciler.flush()).toMatchObject({ state: 'failed', committed: 0 });
    // The claims alone are two transactions, the HAVIPs one more.
    expect(vswitch.commits).toBeGreaterThanOrEqual(3 * 64);
    expect(vswitch.commits).toBeLessThan(5 * 64);
  });

  it('counts and repairs drift', () => {
    const { vswitch, reconciler } = started();
    reconciler.letHoldersGo();
    reconciler.flush();
    vswitch.drift('claim tap7 172.17.16.3', null);
    vswitch.drift('stray bad', { kind: 'stray', key: 'bad', value: '-' });
    expect(vswitch.changed()).toBe(true);
    expect(reconciler.resync()).toBe(2);
    expect(reconciler.counters).toMatchObject({ resyncs: 1, driftRepaired: 2 });
    expect(texts(vswitch.list())).toEqual(texts(entriesOf(seedNetwork, 'enforce')));
  });
});

it('the switch equals what is desired, eventually', () => {
  const step = fc.oneof(
    ...STEPS,
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(400) }),
    fc.record({ do: fc.constant('restart' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { vswitch, clock, log, reconciler: first } = started();
      let reconciler = first;
      const wishes = new Wishes();
      reconciler.letHoldersGo();
      for (const now of steps) {
        if (now.do === 'wait') clock.advanceMs(now.ms);
        else if (now.do !== 'restart') wishes.take(now, reconciler, vswitch);
        else if (!vswitch.unavailable) {
          reconciler = new Reconciler({ vswitch, clock, log });
          reconciler.configure(wishes.network, 'enforce');
          reconciler.adopt(vswitch.list());
          for (const [havip, binding] of wishes.holders) reconciler.hold(havip, binding);
          for (const havip of [HAVIP1, HAVIP2, HAVIP_OPEN]) if (!wishes.holders.has(havip)) reconciler.hold(havip, null);
          reconciler.letHoldersGo();
        }
        reconciler.flush();
      }
      heal(vswitch);
      settle(reconciler, clock);
      reconciler.resync();
      expect(texts(vswitch.list())).toEqual(wishes.expected);
    }),
    { numRuns: 200 },
  );
});

/** As the owner does: flush again whenever a retry is due. */
function settle(reconciler: Reconciler, clock: ManualClock): void {
  for (let turn = 0; reconciler.nextRetryNs !== null && turn < 20; turn++) {
    clock.advanceMs((reconciler.nextRetryNs - clock.nowNs()) / 1e6);
    reconciler.flush();
  }
}
