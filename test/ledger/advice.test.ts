/** What is said of a failover's time and of slow timers: computed from what guests said, and nothing where they said nothing. */
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';
import type { Assist } from '../../src/base/network.ts';
import { vrrpFrame } from './frames.ts';
import { A, B, networkWith, Scene } from './scene.ts';

const RESIGN: Assist = { on: ['link-down'], hasten: true };
const peer = must(parseIpv4('172.17.16.13'), '');

/** cvm-1 dies 0.7 s after an advert; cvm-2 becomes master when its timers say so. */
function crash(version: 2 | 3, assist: Assist | null, afterMs: number): Scene {
  const scene = new Scene(networkWith({ assist }));
  const frame = vrrpFrame({ version, priority: 100, destination: peer, password: '1111' });
  scene.advert(A, { priority: 100, version, destination: peer }, { frame });
  scene.announce(A);
  scene.wait(700);
  scene.link(A, 'down');
  scene.wait(afterMs);
  scene.master(B, { priority: 80, version });
  return scene;
}

const adviceOf = (scene: Scene) => scene.view().lastFailover?.advice;

describe('of a failover', () => {
  it.each([
    ['nobody told the backup', 2, null, 2900, "of 2901 ms, 2900 were the guests' own timers; version 3 with assist: about 50"],
    ['it was told in version 2', 2, RESIGN, 700, "of 701 ms, 692 were the guests' own timers; version 3 with assist: about 50"],
    [
      'it was told one frame of version 3',
      3,
      { ...RESIGN, hasten: false },
      700,
      "of 701 ms, 692 were the guests' own timers; version 3 with assist: about 50",
    ],
    ['it was hastened', 3, RESIGN, 30, "of 31 ms, 22 were the guests' own timers"],
  ] as const)('%s', (_, version, assist, afterMs, says) => {
    const scene = crash(version, assist, afterMs);
    expect(adviceOf(scene)).toBe(says);
    expect(scene.events('failover')[0]?.text.endsWith(`: ${says}`)).toBe(true);
  });

  it('says what a clean stop could cost', () => {
    const scene = new Scene();
    scene.master(A, { priority: 100 });
    scene.live(A, { priority: 100 }, 2000);
    scene.resign(A, { priority: 100 });
    scene.wait(690);
    scene.master(B, { priority: 80 });
    expect(adviceOf(scene)).toBe("of 691 ms, 690 were the guests' own timers; priority 250: about 60");
  });

  it('says nothing where no timer of VRRP was waited for, or nobody knows', () => {
    const claimed = new Scene();
    claimed.announce(A);
    claimed.link(A, 'down');
    claimed.wait(500);
    claimed.announce(B);
    expect(claimed.failovers()).toHaveLength(1);
    expect(adviceOf(claimed)).toBeNull();
    const preempted = new Scene();
    preempted.master(A, { priority: 80 });
    preempted.live(A, { priority: 80 }, 2000);
    preempted.master(B, { priority: 100 });
    expect(adviceOf(preempted)).toBeNull();
  });
});

const kinds = (scene: Scene) => scene.view().findings.map(({ kind }) => kind);

describe('of slow timers', () => {
  it('names what the best backup’s priority costs, once it has spoken', () => {
    const scene = new Scene();
    scene.master(A, { priority: 100 });
    expect(kinds(scene)).not.toContain('slow-skew');
    scene.advert(B, { priority: 80 });
    scene.resign(B, { priority: 80 });
    const found = scene.view().findings.find(({ kind }) => kind === 'slow-skew');
    expect(found?.text).toBe(
      'cvm-2 waits 688 ms after each resignation, because its priority is 80: priority 250 would make it 23 ms, version 3 with assist about 50 ms after a crash',
    );
    scene.wait(10);
    scene.advert(B, { priority: 250 });
    expect(kinds(scene)).not.toContain('slow-skew');
  });

  it('names an interval that is longer than it need be', () => {
    const scene = new Scene();
    scene.master(A, { priority: 100, intervalMs: 10_000 });
    const found = scene.view().findings.find(({ kind }) => kind === 'long-interval');
    expect(found?.text).toContain('each 10000 ms: a death that nobody tells of is noticed after three of them, 30 s and more');
    const quick = new Scene();
    quick.master(A, { priority: 100 });
    expect(kinds(quick)).not.toContain('long-interval');
  });
});
