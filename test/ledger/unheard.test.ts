/** Bindings from before a start: asked about at once, and given up for who speaks now. */
import { describe, expect, it } from 'vitest';
import { bindingHere } from '../../src/base/binding.ts';
import { must } from '../../src/base/assert.ts';
import { V } from '../../src/base/verdict.ts';
import { seedNetwork } from '../network.ts';
import { A, B, HAVIP1, Scene } from './scene.ts';

function adopted(doubted: boolean): Scene {
  const scene = new Scene();
  const port = must(seedNetwork.ports[A], 'cvm-1');
  expect(scene.ledger.adopt(HAVIP1, bindingHere(port, port.mac, 7, 1), scene.nowNs, scene.wallMs, doubted)).toBe(true);
  for (const index of [A, B]) scene.link(index, 'up');
  return scene;
}
const questions = (scene: Scene) => scene.effects.filter(({ kind }) => kind === 'verify').length;

describe('a holder from before the start', () => {
  it('is asked at once, three times, a second apart', () => {
    const scene = adopted(false);
    scene.wait(100);
    expect(questions(scene)).toBe(1);
    scene.wait(10_000);
    expect(questions(scene)).toBe(3);
    expect(scene.ledger.isUnheard(HAVIP1)).toBe(true);
    expect(scene.holder).toBe('cvm-1');
  });

  it('keeps the HAVIP by an answer', () => {
    const scene = adopted(true);
    scene.wait(100);
    scene.take({ port: A, kind: 'announce' });
    expect(scene.ledger.isUnheard(HAVIP1)).toBe(false);
    scene.wait(10_000);
    expect(questions(scene)).toBe(1);
    expect(scene.holder).toBe('cvm-1');
  });

  it('that gives no sign loses it to another member’s advert, but not after a sign', () => {
    const silent = adopted(false);
    silent.advert(B, { priority: 90 });
    expect(silent.holder).toBe('cvm-2');
    const heard = adopted(false);
    heard.take({ port: A, kind: 'announce' });
    heard.advert(B, { priority: 90 });
    expect(heard.holder).toBe('cvm-1');
  });

  it('loses it unanswered, where the start was so late that it is doubted', () => {
    const scene = adopted(true);
    scene.wait(3500);
    expect(scene.holder).toBeNull();
    scene.take({ port: B, kind: 'announce', verdict: V['havip-claim'] });
    expect(scene.holder).toBe('cvm-2');
  });
});
