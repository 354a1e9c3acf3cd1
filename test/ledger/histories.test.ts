/**
 * Take-overs without VRRP, at random: guests that announce the address once each time they take it, as Windows clusters do. Whatever
 * the gaps between them look like, who claimed last holds it 20 s later.
 */
import { describe, expect, it } from 'vitest';
import { A, B, C, networkWith, Scene } from './scene.ts';

const GUESTS = [A, B, C] as const;
const NAMES = ['cvm-1', 'cvm-2', 'cvm-3'];
const HISTORIES = 800;

/** Mulberry32: the histories are the same in every run, and can be looked at by their number. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Kind {
  readonly name: string;
  readonly guests: number;
  /** Announcements of one take-over, 100 ms apart. */
  readonly announcements?: number;
  gapMs(random: number): number;
}

const KINDS: readonly Kind[] = [
  { name: 'any gap up to 12 s, two guests', guests: 2, gapMs: (random) => Math.round(12_000 * random) },
  { name: 'gaps of whole seconds, three guests', guests: 3, gapMs: (random) => 1000 * Math.floor(1 + 9 * random) },
  { name: 'short and long gaps, three guests', guests: 3, gapMs: (random) => Math.round(20 * 1000 ** random) },
  { name: 'bursts of three, two guests', guests: 2, announcements: 3, gapMs: (random) => Math.round(20 * 500 ** random) },
];

function play(kind: Kind, seed: number): { holder: string | null; last: string; history: string } {
  const random = randomOf(seed);
  const scene = new Scene(networkWith({ members: null }));
  const history: string[] = [];
  let last = 0;
  for (let left = 2 + Math.floor(18 * random()); left > 0; left--) {
    last = Math.floor(kind.guests * random());
    for (let i = 1; i < (kind.announcements ?? 1); i++) {
      scene.announce(GUESTS[last]!);
      scene.wait(100);
    }
    scene.announce(GUESTS[last]!);
    const gapMs = kind.gapMs(random());
    history.push(`${NAMES[last]} +${Math.round(gapMs)}`);
    scene.wait(left > 1 ? gapMs : 20_000);
  }
  return { holder: scene.holder, last: NAMES[last]!, history: history.join(' ') };
}

describe.each(KINDS)('$name', (kind) => {
  it(`gives it to the last claimant in each of ${HISTORIES} histories`, () => {
    const wrong: string[] = [];
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const { holder, last, history } = play(kind, seed);
      if (holder !== last) wrong.push(`${seed}: ${holder} instead of ${last}: ${history}`);
    }
    expect(wrong).toEqual([]);
  });
});

it('takes a repetition for a take-over only while the holder gives no sign of life', () => {
  for (const answers of [false, true]) {
    const scene = new Scene();
    scene.announce(A);
    scene.wait(500);
    scene.announce(B);
    scene.wait(500);
    scene.announce(A);
    expect(scene.holder).toBe('cvm-2');
    if (answers) scene.answer(B);
    scene.wait(20_000);
    expect(scene.holder).toBe(answers ? 'cvm-2' : 'cvm-1');
  }
});

it('takes no pace from the gaps between take-overs, and keeps that of a refresh through one', () => {
  const scene = new Scene();
  for (let i = 0; i < 4; i++) {
    scene.announce(A);
    scene.wait(4000);
    scene.announce(B);
    scene.wait(4000);
  }
  expect(scene.holder).toBe('cvm-2');
  const refreshed = new Scene();
  for (let i = 0; i < 4; i++) {
    refreshed.announce(A);
    refreshed.wait(4000);
  }
  refreshed.announce(B);
  for (let i = 0; i < 5; i++) {
    refreshed.announce(A);
    refreshed.wait(3000);
    refreshed.answer(B);
    refreshed.wait(1000);
  }
  expect(refreshed.holder).toBe('cvm-2');
});
