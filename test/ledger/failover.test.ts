/** Causes and phases, for each way in which keepalived fails over, in both versions; figures as measured with 2.2.7. */
import { describe, expect, it } from 'vitest';
import { V } from '../../src/base/verdict.ts';
import { A, B, HAVIP1, Scene, networkWith, type Voice } from './scene.ts';

const versions: [string, Voice, Voice, number][] = [
  ['v2, 1 s', { priority: 100 }, { priority: 80 }, 3690],
  ['v3, 1 s', { priority: 100, version: 3 }, { priority: 80, version: 3 }, 3690],
  ['v3, 100 ms', { priority: 100, version: 3, intervalMs: 100 }, { priority: 80, version: 3, intervalMs: 100 }, 369],
  ['v3, 10 ms', { priority: 100, version: 3, intervalMs: 10 }, { priority: 80, version: 3, intervalMs: 10 }, 37],
];

/** In whole microseconds. */
function addUp(phases: object): number {
  return Object.entries(phases).reduce(
    (sum, [name, ms]: [string, number]) => (name === 'total' ? sum : sum + Math.round(ms * 1000)),
    0,
  );
}

describe.each(versions)('keepalived %s', (_, a, b, downMs) => {
  function settled(): Scene {
    const scene = new Scene();
    scene.master(A, a);
    scene.live(A, a, 10_000);
    expect(scene.holder).toBe('cvm-1');
    return scene;
  }

  it('crash: silence, from the last advert', () => {
    const scene = settled();
    scene.wait(downMs);
    scene.master(B, b);
    const [failover] = scene.failovers();
    expect(failover).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'silence' });
    expect(failover?.phasesMs.detection).toBeCloseTo(downMs, 3);
    expect(failover?.phasesMs.announce).toBeCloseTo(1, 3);
    expect(failover?.phasesMs.verdict).toBeCloseTo(0.05, 3);
    expect(failover?.phasesMs.programming).toBeCloseTo(0.1, 3);
    expect(addUp(failover?.phasesMs ?? {})).toBe(Math.round(1000 * (failover?.phasesMs.total ?? 0)));
  });

  it('crash with link loss: link-down, from the carrier loss', () => {
    const scene = settled();
    scene.wait(downMs / 5);
    scene.link(A, 'down');
    scene.wait(downMs - downMs / 5);
    scene.master(B, b);
    expect(scene.failovers()[0]).toMatchObject({ cause: 'link-down' });
    expect(scene.failovers()[0]?.phasesMs.total).toBeCloseTo(downMs * 0.8 + 1.15, 3);
  });

  it('clean stop: resign, from the priority-0 advert, link loss after it or not', () => {
    const scene = settled();
    scene.resign(A, a);
    scene.wait(10);
    scene.link(A, 'absent');
    scene.wait(680);
    scene.master(B, b);
    expect(scene.failovers()[0]).toMatchObject({ cause: 'resign' });
    expect(scene.failovers()[0]?.phasesMs.total).toBeCloseTo(691.15, 3);
  });

  it('preemption: the old master lived until the new one spoke', () => {
    const scene = settled();
    scene.wait(0.9 * (a.intervalMs ?? 1000));
    scene.master(B, { ...b, priority: 200 });
    expect(scene.failovers()[0]).toMatchObject({ cause: 'preempt' });
    expect(scene.failovers()[0]?.phasesMs).toMatchObject({ detection: 0 });
    expect(scene.failovers()[0]?.phasesMs.total).toBeCloseTo(1.15, 3);
  });

  it('preemption by an old announcer, who advertises after it announced', () => {
    const scene = settled();
    scene.wait(0.5 * (a.intervalMs ?? 1000));
    scene.announce(B);
    expect(scene.holder).toBe('cvm-2');
    scene.advert(B, { ...b, priority: 200 });
    expect(scene.holder).toBe('cvm-2');
  });

  it.each([
    [5, 500],
    [10, 12_000],
  ])('%i fail-overs to and fro by clean stops, %i ms apart, are applied at once, each with its cause', (times, ms) => {
    const scene = settled();
    for (let i = 0; i < times; i++) {
      const [from, to, voice] = i % 2 === 0 ? ([A, B, a] as const) : ([B, A, b] as const);
      scene.live(from, voice, ms - 500);
      scene.resign(from, voice);
      scene.wait(500);
      scene.master(to, i % 2 === 0 ? b : a);
      expect(scene.holder).toBe(i % 2 === 0 ? 'cvm-2' : 'cvm-1');
    }
    expect(scene.failovers().map(({ cause }) => cause)).toEqual(Array.from({ length: times }, () => 'resign'));
    expect(scene.ledger.counters.failovers.resign).toBe(times);
  });
});

it('tells a silent holder from a preempted one when down_timer_adverts is 1', () => {
  const scene = new Scene();
  scene.master(A, { priority: 100 });
  scene.live(A, { priority: 100 }, 5000);
  scene.wait(1690);
  scene.master(B, { priority: 80 });
  expect(scene.failovers()[0]?.cause).toBe('silence');
});

it('knows no VRRP: takeover, without a detection nobody can know', () => {
  const scene = new Scene();
  scene.announce(A);
  scene.wait(60_000);
  scene.announce(B);
  expect(scene.failovers()[0]).toMatchObject({ cause: 'takeover', phasesMs: { announce: 0 } });
  expect(scene.failovers()[0]?.phasesMs).not.toHaveProperty('detection');
});

it('counts the detection of a sustained announcer from its last announcement', () => {
  const scene = new Scene();
  for (let i = 0; i < 30; i++) {
    scene.announce(A);
    scene.wait(100);
  }
  scene.wait(700);
  scene.announce(B);
  expect(scene.failovers()[0]).toMatchObject({ cause: 'takeover' });
  expect(scene.failovers()[0]?.phasesMs.detection).toBeCloseTo(800, 3);
});

it('applies an address that no advert lists with its sender’s advert (virtual_ipaddress_excluded)', () => {
  const scene = new Scene();
  const excluded = 2;
  scene.master(A, { priority: 100 });
  scene.announce(A, { havip: excluded });
  scene.live(A, { priority: 100 }, 5000);
  scene.wait(3690);
  scene.master(B, { priority: 80 });
  scene.announce(B, { havip: excluded });
  expect(scene.view(excluded).lastFailover).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'silence' });
});

it.each([
  ['a crash', 'silence', 3690],
  ['a clean stop', 'resign', 690],
  ['the better one', 'preempt', 0],
] as const)('knows %s of one whose adverts list no HAVIP', (_, cause, ms) => {
  const scene = new Scene();
  const unlisted = { havip: -1, verdict: V['vrrp-not-havip'] };
  const master = (port: number, voice: Voice): void => {
    scene.advert(port, voice, unlisted);
    scene.wait(1);
    for (let i = 0; i < 5; i++) scene.announce(port);
  };
  master(A, { priority: 100 });
  for (let i = 0; i < 10; i++) {
    scene.wait(1000);
    scene.advert(A, { priority: 100 }, unlisted);
  }
  if (cause === 'resign') {
    scene.resign(A, { priority: 100 }, unlisted);
    expect(scene.events('release')).toHaveLength(1);
  }
  scene.wait(ms === 0 ? 300 : ms);
  master(B, { priority: cause === 'preempt' ? 200 : 80 });
  expect(scene.failovers()[0]).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause });
  expect(scene.failovers()[0]?.phasesMs.detection).toBeCloseTo(ms, 3);
});

it('times a holder that announced before its first unlisted advert was seen', () => {
  const scene = new Scene();
  scene.announce(A);
  scene.wait(400);
  for (let i = 0; i < 5; i++) {
    scene.advert(A, { priority: 100, vrid: 7 }, { havip: -1, verdict: V['vrrp-not-havip'] });
    scene.wait(1000);
  }
  expect(scene.view().evidence).toMatchObject([{ vrid: 7, havips: [], state: 'master' }]);
  scene.wait(2690);
  scene.announce(B);
  expect(scene.failovers()[0]).toMatchObject({ cause: 'silence' });
  expect(scene.failovers()[0]?.phasesMs.detection).toBeCloseTo(3690, 3);
});

it('waits for the first echo reply where a probe is configured, and not for ever', () => {
  const scene = new Scene(networkWith({ probe: true }));
  scene.announce(A);
  scene.wait(5000);
  scene.announce(B);
  expect(scene.of('probe')).toHaveLength(2);
  expect(scene.failovers()).toHaveLength(0);
  scene.wait(2);
  scene.ledger.reachable(HAVIP1, scene.nowNs);
  scene.wait(0);
  expect(scene.failovers()[0]?.phasesMs.reachable).toBeCloseTo(1.85, 3);
  scene.wait(5000);
  scene.announce(A);
  scene.wait(5001);
  expect(scene.failovers()[1]?.phasesMs.reachable).toBeUndefined();
  scene.ledger.reachable(HAVIP1, scene.nowNs);
  expect(scene.events('failover')).toHaveLength(2);
});

/** A resignation, after the service was found silent so many milliseconds before. */
function resigned(silentBefore: number | null, more: (scene: Scene) => void = () => {}) {
  const scene = new Scene();
  scene.master(A, { priority: 100 });
  scene.live(A, { priority: 100 }, 5000);
  if (silentBefore !== null)
    scene.ledger.service(HAVIP1, { lastNs: scene.nowNs - 2e9, foundNs: scene.nowNs - silentBefore * 1e6 });
  more(scene);
  scene.resign(A, { priority: 100 });
  scene.wait(690);
  scene.master(B, { priority: 80 });
  scene.wait(10);
  return scene.failovers()[0];
}

describe('the service of the HAVIP', () => {
  it('was silent until its machine resigned: that part is told, beside the total', () => {
    const failover = resigned(1750);
    expect(failover).toMatchObject({ cause: 'resign', phasesMs: { application: 2000 } });
    const { application: _, total = 0, ...parts } = failover?.phasesMs ?? {};
    expect(Object.values(parts).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(total, 3);
  });

  it.each<[string, number | null, ((scene: Scene) => void)?]>([
    ['nobody asks it', null],
    ['it was found silent after the resignation', -100],
    ['it answered again before', 1750, (scene) => scene.ledger.service(HAVIP1, null)],
    [
      'it is another HAVIP’s',
      null,
      (scene) => scene.ledger.service(HAVIP1 + 1, { lastNs: scene.nowNs - 2e9, foundNs: scene.nowNs - 1e9 }),
    ],
  ])('says nothing where %s', (_, silentBefore, more) => {
    expect(resigned(silentBefore, more)?.phasesMs).not.toHaveProperty('application');
  });

  it('moves nothing by itself', () => {
    const scene = new Scene();
    scene.announce(A);
    scene.wait(5000);
    const told = scene.events('failover').length;
    scene.ledger.service(HAVIP1, { lastNs: scene.nowNs - 2e9, foundNs: scene.nowNs - 1e9 });
    scene.wait(30_000);
    expect(scene.events('failover')).toHaveLength(told);
  });
});

it('reports what it knows of a failover that the next one overtakes', () => {
  const scene = new Scene();
  scene.ackMs = null;
  scene.announce(A);
  scene.wait(5000);
  scene.announce(B);
  scene.wait(5000);
  scene.announce(A);
  expect(scene.failovers()).toHaveLength(1);
  expect(scene.failovers()[0]?.phasesMs.programming).toBeUndefined();
  expect(scene.view().lastFailover).toMatchObject({ to: 'cvm-1' });
});
