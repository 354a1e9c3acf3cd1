/**
 * Random schedules of three guests against a model: each guest starts, repeats, resigns, loses its link or falls silent, with
 * VRRP or without. Whatever they do: one holder per epoch, epochs grow, moves per wait are bounded, and an honest change (the last
 * START, by a guest that then keeps on while the others have stopped) is applied within its bound.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { A, B, C, networkWith, Scene } from './scene.ts';

const GUESTS = [A, B, C] as const;
const NAMES = ['cvm-1', 'cvm-2', 'cvm-3'];

type Step = { act: 'start' | 'repeat' | 'resign' | 'cut' | 'heal' | 'mute'; guest: 0 | 1 | 2; waitMs: number };

interface Guest {
  master: boolean;
  up: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom('start', 'repeat', 'resign', 'cut', 'heal', 'mute'),
  guest: fc.constantFrom(0, 1, 2),
  waitMs: fc.constantFrom(0, 1, 40, 300, 1200, 5000),
});

class World {
  readonly scene = new Scene(networkWith({ members: null }));
  readonly guests: Guest[] = GUESTS.map(() => ({ master: false, up: true }));
  readonly vrrp: boolean;

  constructor(vrrp: boolean) {
    this.vrrp = vrrp;
  }

  voice(guest: number) {
    return { priority: 100 + 10 * guest, version: 3 as const, intervalMs: 200 };
  }

  /** Masters advertise each 200 ms while time passes. */
  wait(ms: number): void {
    for (let left = ms; left > 0; left -= 200) {
      this.scene.wait(Math.min(left, 200));
      if (left < 200 || !this.vrrp) continue;
      for (const [i, guest] of this.guests.entries()) if (guest.master && guest.up) this.scene.advert(GUESTS[i]!, this.voice(i));
    }
  }

  apply({ act, guest: i, waitMs }: Step): void {
    const guest = this.guests[i]!;
    const port = GUESTS[i];
    if (act === 'start' && guest.up) {
      if (this.vrrp) this.scene.master(port, this.voice(i));
      else this.scene.announce(port);
      guest.master = true;
    } else if (act === 'repeat' && guest.up && guest.master) this.scene.announce(port);
    else if (act === 'resign' && guest.up && guest.master) {
      if (this.vrrp) this.scene.resign(port, this.voice(i));
      guest.master = false;
    } else if (act === 'cut' && guest.up) {
      this.scene.link(port, 'down');
      [guest.up, guest.master] = [false, false];
    } else if (act === 'heal' && !guest.up) {
      this.scene.link(port, 'up');
      guest.up = true;
    } else if (act === 'mute') guest.master = false;
    this.wait(waitMs);
  }
}

function checkHistory(scene: Scene): void {
  const binds = scene.binds();
  const epochs = binds.map(({ epoch }) => epoch);
  expect(epochs).toEqual(epochs.map((_, i) => i + 1));
  for (const { binding, epoch } of binds) if (binding !== null) expect(binding.epoch).toBe(epoch);
}

it('holds its invariants over random schedules, and the last honest change is applied', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 1, 2), (vrrp, steps, last) => {
      const world = new World(vrrp);
      for (const one of steps) world.apply(one);
      checkHistory(world.scene);
      // Everybody stops; then one guest claims, once, and nobody else says anything.
      for (const guest of world.guests) guest.master = false;
      world.wait(12_000);
      if (!world.guests[last]!.up) world.apply({ act: 'heal', guest: last, waitMs: 0 });
      world.apply({ act: 'start', guest: last, waitMs: 10_000 });
      expect(world.scene.holder).toBe(NAMES[last]);
      checkHistory(world.scene);
    }),
    { numRuns: 300 },
  );
});

it('never moves more often than its guests can explain: at most four times in a second without resignation or loss', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 80 }), (vrrp, steps) => {
      const world = new World(vrrp);
      const times: number[] = [];
      for (const one of steps) {
        if (one.act === 'cut' || one.act === 'resign') continue;
        world.apply(one);
        for (const bind of world.scene.binds().slice(times.length)) times.push(bind.binding?.sinceMs ?? 0);
      }
      for (const [i, time] of times.entries()) expect((times[i + 4] ?? Infinity) - time).toBeGreaterThanOrEqual(1000);
    }),
    { numRuns: 300 },
  );
});

it('gives a HAVIP whose holder is lost to the one that claims it, at once, whatever was before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const world = new World(false);
      for (const one of steps) world.apply({ ...one, waitMs: Math.max(one.waitMs, 300) });
      // All waits end, all streaks too.
      world.scene.wait(13_000);
      const holder = NAMES.indexOf(world.scene.holder ?? '');
      fc.pre(holder >= 0);
      const heir = (holder + 1) % 3;
      if (!world.guests[heir]!.up) world.apply({ act: 'heal', guest: heir as 0, waitMs: 0 });
      if (world.guests[holder]!.up) world.apply({ act: 'cut', guest: holder as 0, waitMs: 0 });
      if (world.scene.holder !== NAMES[heir]) world.scene.announce(GUESTS[heir]!);
      expect(world.scene.holder).toBe(NAMES[heir]);
    }),
    { numRuns: 200 },
  );
});
