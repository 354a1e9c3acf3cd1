/** Two that have the address at once, masters that nobody sees announce, guests with two MACs: who is told, when, and who is not. */
import { describe, expect, it } from 'vitest';
import { A, B, HAVIP1, networkWith, Scene, type Voice } from './scene.ts';
import { vrrpFrame } from './frames.ts';

const high: Voice = { priority: 100 };
const low: Voice = { priority: 80 };
const MULTICAST = 0xe0000012;
const kinds = (scene: Scene): string[] => scene.view().findings.map(({ kind }) => kind);
const textOf = (scene: Scene, kind: string) => scene.view().findings.find((one) => one.kind === kind)?.text;

function advertWith(scene: Scene, port: number, voice: Voice, password: string): void {
  const rawFrame = vrrpFrame({ version: 2, priority: voice.priority, destination: MULTICAST, password });
  scene.advert(port, voice, { rawFrame, frame: rawFrame.slice().fill(0, 46, 54) });
}

function byTurns(scene: Scene, periodMs: number, ms: number): void {
  for (let t = 0; t < ms; t += periodMs) {
    scene.announce(A);
    scene.wait(periodMs / 2);
    scene.announce(B);
    scene.wait(periodMs / 2);
  }
}

const VMAC = 0x00005e000133;
function answerWith(scene: Scene, mac: number): void {
  const frame = new Uint8Array(42);
  frame.set([172, 17, 16, 3], 28);
  frame.set([172, 17, 16, 1], 38);
  scene.announce(A, { frame, mac });
}

describe('two masters', () => {
  it('that refuse each other for their passwords and so advertise in blocks are told within 15 s, with the reason', () => {
    const scene = new Scene();
    advertWith(scene, A, high, '1111');
    scene.announce(A);
    const startMs = scene.nowMs;
    for (let block = 0; scene.nowMs - startMs < 15_000; block++) {
      const [port, voice, password] = block % 2 === 0 ? ([A, high, '1111'] as const) : ([B, low, '2222'] as const);
      for (let i = 0; i < 3 + (block % 3); i++) {
        scene.wait(1000);
        advertWith(scene, port, voice, password);
        if (i === 0) scene.announce(port);
      }
    }
    expect(scene.view().contested).toBe(true);
    expect(textOf(scene, 'two-masters')).toContain('their adverts differ: password');
    const told = JSON.stringify([scene.view(), scene.events('contested')]);
    expect(told).toContain('differ: password');
    expect(told).not.toMatch(/1111|2222/);
    scene.live(A, high, 40_000);
    expect(kinds(scene)).not.toContain('two-masters');
  });

  it.each<[string, Voice]>([
    ['VRRP version (cvm-1: 2, cvm-2: 3)', { ...low, version: 3 }],
    ['virtual_router_id (cvm-1: 51, cvm-2: 52)', { ...low, vrid: 52 }],
    ['authentication (cvm-1: pass, cvm-2: none)', { ...low, auth: 'none' }],
    ['advert_int (cvm-1: 1000 ms, cvm-2: 5000 ms)', { ...low, intervalMs: 5000 }],
    ['all that their adverts say is alike', low],
  ])('side by side: %s', (text, other) => {
    const scene = new Scene();
    scene.master(A, high);
    scene.wait(500);
    scene.master(B, other);
    for (let i = 1; i <= 14; i++) {
      scene.wait(500);
      scene.advert(A, high);
      scene.wait(500);
      if (i % ((other.intervalMs ?? 1000) / 1000) === 0) scene.advert(B, other);
    }
    expect(scene.view().contested).toBe(true);
    expect(textOf(scene, 'two-masters')).toMatch(/cvm-[12] and cvm-[12] advertise as master at once/);
    const said = textOf(scene, 'two-masters')?.replace(/(\w+) \(cvm-2: (.*?), cvm-1: (.*?)\)/, '$1 (cvm-1: $3, cvm-2: $2)');
    expect(said).toContain(text);
  });

  it('are not told of one that is preempted, nor of a fail-over to and fro', () => {
    const scene = new Scene();
    scene.master(A, low);
    scene.live(A, low, 5000);
    scene.wait(500);
    scene.master(B, high);
    scene.live(B, high, 10_000);
    scene.resign(B, high);
    scene.wait(700);
    scene.master(A, low);
    scene.live(A, low, 3000);
    scene.wait(300);
    scene.master(B, high);
    scene.live(B, high, 3000);
    expect(kinds(scene)).not.toContain('two-masters');
    expect(scene.events('contested')).toEqual([]);
  });
});

describe('a master whose announcements nobody sees', () => {
  it.each([
    ['after another resigned', (scene: Scene) => scene.resign(A, high)],
    ['after another died', () => {}],
  ])('is told within three intervals, and no more with its first claim: %s', (_, end) => {
    const scene = new Scene();
    scene.master(A, high);
    scene.live(A, high, 3000);
    end(scene);
    scene.wait(4000);
    scene.advert(B, low);
    scene.live(B, { ...low }, 0);
    scene.wait(1000);
    scene.advert(B, low);
    expect(kinds(scene)).not.toContain('master-not-announced');
    scene.wait(1000);
    scene.advert(B, low);
    expect(textOf(scene, 'master-not-announced')).toBe(
      'cvm-2 on tap13 advertises as master for 2 s, and no ARP for 172.17.16.3 was seen from it: look whether it announces by another interface, or whether its ARP is filtered',
    );
    scene.announce(B);
    expect(kinds(scene)).not.toContain('master-not-announced');
  });
});

describe('two announcers without VRRP', () => {
  it.each([1000, 5000, 4000])(
    'each %i ms: contested within 10 s, one event, one holder, and settled when one is silent',
    (periodMs) => {
      const scene = new Scene();
      byTurns(scene, periodMs, 10_000 + periodMs);
      expect(scene.view().contested).toBe(true);
      byTurns(scene, periodMs, 590_000);
      const holder = scene.holder;
      expect(scene.events('contested')).toHaveLength(1);
      expect(scene.events('settled')).toHaveLength(0);
      const other = holder === 'cvm-1' ? 'cvm-2' : 'cvm-1';
      expect(textOf(scene, 'two-announcers')).toBe(
        `${other} still announces 172.17.16.3, each ${periodMs / 1000} s, though ${holder} holds it: both have the address`,
      );
      expect(scene.binds().filter(({ binding }) => (binding?.sinceMs ?? 0) > scene.wallMs - 500_000)).toEqual([]);
      for (let t = 0; t < 3 * periodMs; t += periodMs) {
        scene.announce(holder === 'cvm-1' ? A : B);
        scene.wait(periodMs);
      }
      scene.wait(2000);
      expect(scene.events('settled')).toHaveLength(1);
      expect(kinds(scene)).not.toContain('two-announcers');
    },
  );

  it.each([
    [
      'a killed keepalived whose kernel answers',
      (scene: Scene) => {
        scene.master(A, high);
        scene.live(A, high, 3000);
        scene.wait(3700);
        scene.master(B, low);
        for (let i = 0; i < 20; i++) {
          scene.live(B, low, 1000, 1000);
          scene.answer(A);
        }
      },
    ],
    [
      'a burst of five that a take-over cuts in two',
      (scene: Scene) => {
        scene.announce(A);
        scene.wait(8000);
        for (let i = 0; i < 5; i++) {
          scene.announce(A);
          scene.wait(500);
          scene.announce(B);
          scene.wait(500);
        }
        for (let i = 0; i < 20; i++) {
          scene.announce(B);
          scene.wait(1000);
        }
      },
    ],
    [
      'a single claim that waits',
      (scene: Scene) => {
        scene.announce(A);
        scene.wait(5000);
        scene.announce(B);
        scene.wait(300);
        scene.announce(A);
        scene.wait(20_000);
      },
    ],
  ])('are not %s', (_, happen) => {
    const scene = new Scene();
    happen(scene);
    expect(scene.events('contested')).toEqual([]);
    expect(kinds(scene)).not.toContain('two-announcers');
  });
});

describe('a guest with two MACs', () => {
  it.each([
    ['virtual MAC, and answers with its own', VMAC, 0x0200ac111007],
    ['own MAC, and answers with the virtual one', 0x0200ac111007, VMAC],
  ])('that announces with its %s keeps one binding, and is told', (_, announced, answered) => {
    const scene = new Scene();
    scene.advert(A, high);
    scene.announce(A, { mac: announced });
    for (let i = 0; i < 12; i++) {
      scene.wait(1000);
      scene.advert(A, high);
      answerWith(scene, answered);
      if (i % 5 === 0) scene.announce(A, { mac: announced });
    }
    expect(scene.binds()).toHaveLength(1);
    expect(scene.view()).toMatchObject({ epoch: 1, since: '2026-01-01T00:00:10.000Z' });
    expect(textOf(scene, 'two-macs')).toContain('arp_ignore=1');
    scene.wait(3000);
    scene.announce(A, { mac: answered });
    scene.wait(2000);
    expect(scene.binds()).toHaveLength(2);
  });
});

describe('two that play', () => {
  it('with resignations wait once contested, ever longer; silence and a lost link never do', () => {
    const scene = new Scene();
    scene.master(A, high);
    for (let i = 0; i < 600; i++) {
      const [from, to, voice] = i % 2 === 0 ? ([A, B, low] as const) : ([B, A, high] as const);
      scene.resign(from, from === A ? high : low);
      scene.master(to, voice);
      scene.wait(99);
    }
    expect(scene.view().contested).toBe(true);
    expect(scene.binds().length).toBeLessThan(25);
    const port = scene.ledger.bindingOf(HAVIP1)!.port!;
    const other = port === A ? B : A;
    scene.link(port, 'down');
    scene.master(other, high);
    expect(scene.ledger.bindingOf(HAVIP1)?.port).toBe(other);
  });

  it('a crash at 10 ms adverts moves at once, though contested by two that both resigned', () => {
    const scene = new Scene();
    const fast = { version: 3, intervalMs: 10 } as const;
    scene.master(A, { ...fast, priority: 100 });
    for (let i = 0; i < 6; i++) {
      const [from, to] = i % 2 === 0 ? [A, B] : [B, A];
      const priorityOf = (port: number) => ({ ...fast, priority: port === A ? 100 : 80 });
      scene.live(from, priorityOf(from), 3000);
      scene.resign(from, priorityOf(from));
      scene.wait(5);
      scene.master(to, priorityOf(to));
    }
    expect(scene.view().contested).toBe(true);
    expect(scene.holder).toBe('cvm-1');
    scene.live(A, { ...fast, priority: 100 }, 12_000);
    scene.wait(37);
    scene.master(B, { ...fast, priority: 80 });
    expect(scene.holder).toBe('cvm-2');
    expect(scene.failovers().at(-1)?.cause).toBe('silence');
  });
});

it('never says of a network without the second port that two announce', () => {
  const scene = new Scene(networkWith({ members: ['cvm-1'] }));
  for (let i = 0; i < 30; i++) {
    scene.announce(A);
    scene.wait(1000);
    scene.announce(B);
  }
  expect(scene.events('contested')).toEqual([]);
});
