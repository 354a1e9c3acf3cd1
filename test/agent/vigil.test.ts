/** The agent's signs of life to the switch, and what it waits for before it pins traffic to holders from before. */
import { beforeEach, describe, expect, it } from 'vitest';
import { KernelRefusals } from '../../src/agent/kernel-refusals.ts';
import { Owning } from '../../src/agent/owning.ts';
import { Vigil } from '../../src/agent/vigil.ts';
import { must } from '../../src/base/assert.ts';
import { bindingHere } from '../../src/base/binding.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { Deployment } from '../../src/worker/deployment.ts';
import { CVM3 } from '../network.ts';
import { A, HAVIP1, Scene } from '../ledger/scene.ts';
import { KeptLog } from '../vswitch/values.ts';

const BEAT_MS = 250;

let scene: Scene;
let clock: ManualClock;
let vswitch: MemorySwitch;
let reconciler: Reconciler;
let vigil: Vigil;

beforeEach(() => {
  scene = new Scene();
  clock = new ManualClock();
  vswitch = new MemorySwitch();
  reconciler = new Reconciler({ vswitch, clock, log: new KeptLog() });
  reconciler.configure(scene.network, 'enforce');
  vigil = new Vigil(clock, scene.ledger, reconciler, 10);
});

const vrids = () => vswitch.list().flatMap(({ kind, key, value }) => (kind === 'vrid' ? [`${key} ${value}`] : []));
const alive = () => vswitch.list().find(({ kind }) => kind === 'alive')?.value ?? null;
const adopt = () => {
  const port = must(scene.network.ports[A], 'a port');
  scene.ledger.adopt(HAVIP1, bindingHere(port, port.mac, 7, 1), scene.nowNs, scene.wallMs, true);
};

function live(ms: number): void {
  for (let passed = 0; passed < ms; passed += BEAT_MS) {
    clock.advanceMs(BEAT_MS);
    vigil.beat();
    reconciler.flush();
  }
}

describe('while the agent lives', () => {
  it('the switch is told three times in the time that it waits', () => {
    vigil.begin([], true);
    reconciler.flush();
    expect(alive()).toBe('10');
    live(60_000);
    // Each third of it, in whole beats.
    expect(vswitch.renewals).toBe(Math.floor(60_000 / (Math.ceil(10_000 / 3 / BEAT_MS) * BEAT_MS)));
  });

  it('a reload changes the time at once; 0 is for ever, and interfaces are looked at all the same', () => {
    vigil.begin([], true);
    vigil.configure(0);
    live(10_000);
    expect([alive(), vswitch.renewals]).toEqual(['0', 2]);
  });

  it('an outage of the switch ends no thread, and the signs go on after it', () => {
    vigil.begin([], true);
    live(1000);
    vswitch.unavailable = true;
    live(10_000);
    vswitch.unavailable = false;
    const before = vswitch.renewals;
    live(60_000);
    expect(vswitch.renewals).toBeGreaterThan(before + 10);
  });
});

describe('after a start', () => {
  it('that came in time the pins stay', () => {
    adopt();
    vigil.begin([HAVIP1], Vigil.wasSilent([{ kind: 'alive', key: '-', value: '10' }]));
    reconciler.flush();
    expect(alive()).toBe('10');
  });

  it('that came late they wait for a sign of each holder', () => {
    adopt();
    vigil.begin([HAVIP1], Vigil.wasSilent([]));
    live(1000);
    expect(alive()).toBeNull();
    scene.announce(A);
    live(BEAT_MS);
    expect(alive()).toBe('10');
  });

  it('or until there was time for one', () => {
    adopt();
    vigil.begin([HAVIP1], true);
    live(BEAT_MS + 3500);
    vigil.configure(5);
    expect(alive()).toBeNull();
    live(500);
    expect(alive()).toBe('5');
  });

  it('counted from when the agent runs, not from when it read the switch', () => {
    adopt();
    vigil.begin([HAVIP1], true);
    clock.advanceMs(10_000); // rehearsals, workers that start, on a busy machine
    live(BEAT_MS + 3500);
    expect(alive()).toBeNull();
    live(500);
    expect(alive()).toBe('10');
  });
});

describe('whose a VRID is', () => {
  it('is learned, told to the switch, adopted by the next life, and forgotten', () => {
    const owning = new Owning(scene.ledger, reconciler, new Deployment(null));
    scene.advert(A, { priority: 100, vrid: 51 });
    expect([owning.tell(), owning.tell()]).toEqual([true, false]);
    reconciler.flush();
    expect(vrids()).toHaveLength(1);
    const later = new Scene();
    const next = new Reconciler({ vswitch, clock, log: new KeptLog() });
    next.configure(later.network, 'enforce');
    next.adopt(vswitch.list());
    const heir = new Owning(later.ledger, next, new Deployment(null));
    heir.adopt(clock.nowNs());
    next.flush();
    expect([vrids().length, later.ledger.vrids.vridsOf(HAVIP1)]).toEqual([1, [51]]);
    later.ledger.vrids.expire(clock.nowNs() + 61e9);
    heir.tell();
    next.flush();
    expect(vrids()).toEqual([]);
  });
});

describe('what the switch by itself refuses', () => {
  it('is a finding of the port, or of the HAVIP that it was about; read only when something was dropped', () => {
    const refusals = new KernelRefusals(vswitch, scene.ledger, clock);
    scene.announce(A, { mac: must(scene.network.ports[A], 'a port').mac });
    vswitch.refused.push({ interface: 'tap9', reason: 'source', what: '10.9.9.9' });
    vswitch.refused.push({ interface: 'tap9', reason: 'fence', what: '172.17.16.3' });
    vswitch.refused.push({ interface: 'tap0', reason: 'source', what: null });
    clock.advanceMs(1000);
    refusals.poll(scene.network);
    expect(refusals.findings(scene.network)).toEqual([]);
    vswitch.droppedReasons.set('source', 2);
    refusals.poll(scene.network);
    expect(refusals.findings(scene.network)).toEqual([]);
    clock.advanceMs(1000);
    refusals.poll(scene.network);
    const { instance } = must(scene.network.ports[CVM3], 'a port');
    expect(refusals.findings(scene.network)).toMatchObject([{ kind: 'source-refused', about: 'tap9' }]);
    expect(refusals.findings(scene.network)[0]?.text).toMatch(
      new RegExp(`^${instance} is refused \\(source\\) from 10.9.9.9 on tap9: `),
    );
    expect(scene.ledger.view(HAVIP1)?.findings).toContainEqual(expect.objectContaining({ kind: 'fenced' }));
    clock.advanceMs(3_601_000);
    expect(refusals.findings(scene.network)).toEqual([]);
  });
});
