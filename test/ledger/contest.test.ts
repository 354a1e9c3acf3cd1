/** Disputes: the first move is never delayed, repetition wins nothing, oscillation is damped, nothing is lost. */
import { expect, it } from 'vitest';
import { A, B, C, networkWith, Scene } from './scene.ts';

const high = { priority: 100 };
const low = { priority: 80 };

it('moves at once on the first START and leaves the refreshes of the old holder without effect', () => {
  const scene = new Scene();
  scene.master(A, high);
  scene.live(A, high, 30_000, 5000);
  scene.announce(B);
  expect(scene.holder).toBe('cvm-2');
  const before = scene.ledger.counters.claims.deferred;
  for (let i = 0; i < 12; i++) {
    scene.live(A, high, 5000, 5000);
    expect(scene.holder).toBe('cvm-2');
  }
  expect(scene.ledger.counters.claims.deferred).toBeGreaterThan(before + 10);
  expect(scene.binds()).toHaveLength(2);
});

it('gives a real claim the HAVIP within a second while the other floods', () => {
  const scene = new Scene();
  const flood = (ms: number): void => {
    for (let i = 0; i < ms * 2; i++) {
      scene.wait(0.5);
      scene.announce(A);
    }
  };
  flood(3000);
  expect(scene.holder).toBe('cvm-1');
  for (let i = 0; i < 5; i++) {
    const before = scene.binds().length;
    scene.announce(B);
    flood(1000);
    expect(scene.holder).toBe('cvm-2');
    expect(scene.binds().length - before).toBeLessThanOrEqual(1);
    flood(1500);
  }
  // The flood's own guest gets it again when the other one's link is lost.
  scene.link(B, 'down');
  scene.announce(A);
  expect(scene.holder).toBe('cvm-1');
  scene.link(B, 'up');
  scene.announce(B);
  flood(1000);
  expect(scene.holder).toBe('cvm-2');
});

it('lets the old holder back when it stops and starts anew', () => {
  const scene = new Scene();
  for (let i = 0; i < 30; i++) {
    scene.announce(A);
    scene.wait(100);
  }
  scene.announce(B);
  for (let i = 0; i < 30; i++) {
    scene.wait(100);
    scene.announce(A);
  }
  expect(scene.holder).toBe('cvm-2');
  scene.wait(1500);
  scene.announce(A);
  expect(scene.holder).toBe('cvm-1');
});

it('knows a flood by its pace, however unevenly a busy machine lets it through', () => {
  const scene = new Scene();
  const flood = (): void => {
    for (let i = 0; i < 40; i++) {
      scene.announce(A);
      scene.wait(50 + ((i * 37) % 60));
    }
  };
  flood();
  scene.announce(B);
  flood();
  expect(scene.holder).toBe('cvm-2');
  scene.wait(1200);
  scene.announce(A);
  expect(scene.holder).toBe('cvm-1');
});

it('damps two flapping masters, says so, and gives it to the other within a second when one stops', () => {
  const scene = new Scene();
  const flap = (ms: number, ports: number[]): void => {
    for (let t = 0; t < ms; t += 100) {
      for (const port of ports) {
        scene.announce(port);
        if (t % 1000 === 0) scene.advert(port, port === A ? high : low);
        scene.wait(100 / ports.length);
      }
    }
  };
  flap(60_000, [A, B]);
  expect(scene.view().contested).toBe(true);
  expect(scene.view().sides.join()).toContain('priority 100');
  expect(scene.view().findings.map(({ kind }) => kind)).toContain('two-masters');
  expect(scene.holder).toBe('cvm-1');
  expect(scene.binds().length).toBeLessThanOrEqual(4);
  expect(scene.ledger.bindingsByState()).toMatchObject({ contested: 1 });
  flap(1000, [B]);
  expect(scene.holder).toBe('cvm-2');
  flap(200_000, [B]);
  expect(scene.view().contested).toBe(false);
  expect(scene.events('settled')).toHaveLength(1);
});

it('damps a pair without VRRP in the same way', () => {
  const scene = new Scene();
  for (let i = 0; i < 600; i++) {
    scene.announce(A);
    scene.wait(50);
    scene.announce(B);
    scene.wait(50);
  }
  expect(scene.binds().length).toBeLessThanOrEqual(3);
  const loser = scene.holder === 'cvm-1' ? B : A;
  for (let i = 0; i < 10; i++) {
    scene.announce(loser);
    scene.wait(100);
  }
  expect(scene.holder).toBe(loser === A ? 'cvm-1' : 'cvm-2');
});

it('defers a START that would move it back too soon, and applies it though its sender is silent after it', () => {
  const scene = new Scene();
  scene.announce(A);
  scene.wait(5000);
  scene.announce(B);
  scene.wait(300);
  scene.announce(A);
  expect(scene.holder).toBe('cvm-2');
  expect(scene.view().pending).toBe('cvm-1');
  expect(scene.events('deferred')).toHaveLength(1);
  scene.wait(699);
  expect(scene.holder).toBe('cvm-2');
  scene.wait(2);
  expect(scene.holder).toBe('cvm-1');
  expect(scene.failovers().at(-1)?.phasesMs.verdict).toBeCloseTo(700, 3);
});

it('drops a deferred claim when its sender’s link goes or the holder starts anew', () => {
  for (const undo of [(scene: Scene) => scene.link(A, 'down'), (scene: Scene) => scene.resign(A, high)]) {
    const scene = new Scene();
    scene.announce(A);
    scene.wait(5000);
    scene.announce(B);
    scene.wait(300);
    scene.announce(A);
    undo(scene);
    scene.wait(5000);
    expect(scene.holder).toBe('cvm-2');
  }
});

it('doubles the wait while oscillation goes on, up to 10 s, and starts over after calm', () => {
  const scene = new Scene();
  const start = (port: number): number => {
    const before = scene.binds().length;
    const since = scene.nowMs;
    scene.announce(port);
    for (let i = 0; i < 1500 && scene.binds().length === before; i++) scene.wait(10);
    return Math.round((scene.nowMs - since) / 10) * 10;
  };
  start(A);
  scene.wait(3000);
  start(B);
  const waits = Array.from({ length: 8 }, (_, i) => {
    scene.link(i % 2 === 0 ? A : B, 'down', 99);
    scene.link(i % 2 === 0 ? A : B, 'up', 99);
    return start(i % 2 === 0 ? A : B);
  });
  expect(waits[0]).toBe(1000);
  expect(waits.at(-1)).toBe(10_000);
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect(scene.view().contested).toBe(true);
  scene.wait(60_000);
  expect(start(A)).toBe(0);
  scene.wait(100);
  scene.link(B, 'down', 99);
  scene.link(B, 'up', 99);
  expect(start(B)).toBe(900);
});

it('hands it back to the elected master that never stepped down, after the wait', () => {
  const scene = new Scene();
  scene.master(A, high);
  scene.live(A, high, 5000);
  scene.wait(500);
  scene.master(B, low);
  expect(scene.holder).toBe('cvm-2');
  scene.wait(500);
  scene.advert(A, high);
  scene.wait(400);
  expect(scene.holder).toBe('cvm-2');
  scene.wait(200);
  expect(scene.holder).toBe('cvm-1');
});

it('keeps the elected master while contested, by the higher address among equals', () => {
  const scene = new Scene();
  scene.master(A, low);
  for (let i = 0; i < 6; i++) {
    scene.wait(500);
    scene.advert(A, low);
    scene.wait(500);
    if (i === 0) scene.master(B, low);
    else scene.advert(B, low);
  }
  expect(scene.view().contested).toBe(true);
  expect(scene.holder).toBe('cvm-2');
  scene.link(A, 'down');
  scene.link(A, 'up');
  scene.master(A, low);
  expect(scene.holder).toBe('cvm-2');
});

it('does not give it to what is left of a killed keepalived: its kernel still answers for the address', () => {
  const scene = new Scene();
  scene.master(A, high);
  scene.live(A, high, 5000);
  scene.wait(3690);
  scene.master(B, low);
  for (let i = 0; i < 10; i++) {
    scene.live(B, low, 3000);
    scene.answer(A);
    scene.announce(A);
  }
  expect(scene.holder).toBe('cvm-2');
  scene.answer(B);
  expect(scene.binds()).toHaveLength(2);
});

it('gives a living master’s HAVIP to a stranger that announces it, not to one that merely answers', () => {
  const scene = new Scene(networkWith({ members: null }));
  scene.master(A, high);
  scene.live(A, high, 5000);
  scene.answer(C);
  expect(scene.holder).toBe('cvm-1');
  scene.wait(5000);
  scene.live(A, high, 2000);
  scene.announce(C);
  expect(scene.holder).toBe('cvm-3');
});

it('lets nobody play: two guests that resign in turn a thousand times a second', () => {
  const scene = new Scene();
  scene.master(A, high);
  for (let i = 0; i < 500; i++) {
    scene.resign(A, high);
    scene.master(B, low);
    scene.resign(B, low);
    scene.master(A, high);
  }
  expect(scene.binds().length).toBeLessThan(15);
});

it('lets a guest change its MAC or port at once, but not all the time', () => {
  const scene = new Scene();
  scene.announce(A);
  const vmac = 0x00005e000133;
  for (let i = 0; i < 1000; i++) {
    scene.wait(1);
    scene.announce(A, i % 2 === 0 ? { mac: vmac } : {});
  }
  expect(scene.binds().length).toBeLessThanOrEqual(3);
  scene.announce(A, { mac: vmac });
  scene.wait(1100);
  expect(scene.view().holder?.mac).toBe('00:00:5e:00:01:33');
  expect(scene.ledger.counters).toMatchObject({ migrations: 0, failovers: { takeover: 0 } });
  expect(scene.binds().at(-1)?.binding?.mac).toBe(vmac);
});
