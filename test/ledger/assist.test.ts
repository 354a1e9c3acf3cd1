/** What is said in the name of a dead master, to whom, when, and when nothing is. */
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';
import type { Assist } from '../../src/base/network.ts';
import type { Effect } from '../../src/ledger/effects.ts';
import { restate } from '../../src/ledger/resign.ts';
import { checksum, vrrpFrame } from './frames.ts';
import { A, B, C, HAVIP1, networkWith, Scene } from './scene.ts';

const RESIGN: Assist = { on: ['link-down'], hasten: true };
const RESIGN_ONLY: Assist = { ...RESIGN, hasten: false };
const HUNG: Assist = { on: ['link-down', 'hung'], hasten: true };
const high = { priority: 100 };
const low = { priority: 80 };
const peer = must(parseIpv4('172.17.16.13'), '');
const MULTICAST = 0xe000_0012;
const net = networkWith({ assist: RESIGN });
const three = networkWith({ assist: RESIGN, members: null });

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
type Shape = Parameters<typeof vrrpFrame>[0];

/** An advert of cvm-1 with its bytes. */
function advert(scene: Scene, version: 2 | 3 = 2, more: Partial<Shape> = {}): void {
  const shape = { version, priority: 100, destination: peer, password: '1111', ...more };
  const frame = vrrpFrame(shape);
  const voice = { ...high, version, destination: shape.destination, unicast: shape.destination !== MULTICAST };
  scene.advert(A, voice, version === 2 ? { rawFrame: frame, frame: frame.slice().fill(0, 46, 54) } : { frame });
}

const ports = (scene: Scene) => scene.of('resign').map(({ port }) => port);

describe('assisted resign', () => {
  it.each([2, 3] as const)('of version %d: what a backup is told, once', (version) => {
    const scene = new Scene(net);
    advert(scene, version);
    scene.announce(A);
    scene.wait(700);
    scene.link(A, 'down');
    scene.wait(7);
    expect(scene.of('resign')).toHaveLength(0);
    scene.wait(2);
    const [resign] = scene.of('resign');
    expect(resign?.port).toBe(B);
    const shape = { version, destination: peer, password: '1111' };
    const want =
      version === 2
        ? [vrrpFrame({ ...shape, priority: 0 })]
        : [vrrpFrame({ ...shape, priority: 100, centiseconds: 1 }), vrrpFrame({ ...shape, priority: 0, centiseconds: 1 })];
    expect(resign?.frames.map(hex)).toEqual(want.map(hex));
    for (const frame of resign?.frames ?? []) expect(checksum(frame.subarray(14, 34))).toBe(0);
    scene.wait(5000);
    expect(scene.of('resign')).toHaveLength(1);
    const kind = version === 2 ? 'plain' : 'hastened';
    expect(scene.ledger.counters.assists['link-down']).toEqual({ hastened: 0, plain: 0, [kind]: 1 });
    scene.master(B, { ...low, version });
    expect(scene.failovers()[0]?.cause).toBe('link-down');
  });

  it('says one frame where nothing more is asked for', () => {
    const scene = new Scene(networkWith({ assist: RESIGN_ONLY }));
    advert(scene, 3);
    scene.announce(A);
    scene.link(A, 'down');
    scene.wait(100);
    const want = vrrpFrame({ version: 3, destination: peer, password: '', priority: 0 });
    expect(scene.of('resign').map(({ frames }) => frames.map(hex))).toEqual([[hex(want)]]);
    expect(scene.ledger.counters.assists['link-down']).toEqual({ hastened: 0, plain: 1 });
  });

  it.each(['pseudo', 'plain', 'pseudo-multicast'] as const)('keeps the form of the checksum: %s', (form) => {
    const shape: Shape = { version: 3, priority: 100, destination: peer, password: '', centiseconds: 4095, form };
    for (const resigns of [false, true]) {
      const want = vrrpFrame({ ...shape, centiseconds: 1, priority: resigns ? 0 : 100 });
      expect(hex(restate(vrrpFrame(shape), { resigns, hastens: true }) ?? undefined)).toBe(hex(want));
    }
  });

  it('never lets the password into a view, an event or a record', () => {
    const scene = new Scene(net);
    advert(scene);
    scene.announce(A);
    scene.link(A, 'down');
    scene.wait(100);
    const told = JSON.stringify([scene.view(), scene.effects.filter(({ kind }) => kind === 'event'), scene.ledger.counters]);
    expect(told).not.toContain('1111');
    for (const { frame } of scene.ledger.record(HAVIP1)) expect(Buffer.from(frame).includes('1111')).toBe(false);
  });

  it.each([
    ['on mere silence', (scene: Scene) => scene.wait(10_000)],
    ['for a carrier that blinked', (scene: Scene) => (scene.link(A, 'down'), scene.wait(5), scene.link(A, 'up'), scene.wait(50))],
    ['with an advert that is not fresh', (scene: Scene) => (scene.wait(3500), scene.link(A, 'down'), scene.wait(100))],
    ['when the peer’s link is down too', (scene: Scene) => (scene.link(B, 'down'), scene.link(A, 'down'), scene.wait(100))],
    ['when it resigned itself', (scene: Scene) => (scene.resign(A, high), scene.link(A, 'down'), scene.wait(100))],
  ])('does not speak %s', (_, happen) => {
    for (const version of [2, 3] as const) {
      const scene = new Scene(net);
      advert(scene, version);
      scene.announce(A);
      happen(scene);
      expect(scene.of('resign')).toHaveLength(0);
    }
  });

  it.each(['absent', 'down'] as const)('does not speak for a port that seems %s when the kernel says otherwise', (state) => {
    const scene = new Scene(net, {}, { isThere: (ifindex) => ifindex === 10 + A, received: () => 0 });
    scene.link(A, 'up');
    advert(scene, 3);
    scene.announce(A);
    scene.link(A, state);
    scene.wait(5000);
    expect(scene.of('resign')).toHaveLength(0);
    expect(scene.events('assist')[0]?.text).toContain('has its carrier');
    scene.link(A, 'up');
    advert(scene, 3);
    expect(scene.ledger.counters.assists['link-down']).toEqual({ hastened: 0, plain: 0 });
  });

  it('is urgent at the end of the guard time, and nothing else is', () => {
    const scene = new Scene(net);
    advert(scene, 3);
    scene.announce(A);
    expect(scene.ledger.isUrgent(scene.ledger.nextDeadlineNs())).toBe(false);
    scene.link(A, 'down');
    expect(scene.ledger.isUrgent(scene.ledger.nextDeadlineNs())).toBe(true);
    scene.wait(100);
    expect(scene.of('resign')).toHaveLength(1);
    expect(scene.ledger.isUrgent(scene.ledger.nextDeadlineNs())).toBe(false);
  });

  it('says why it cannot', () => {
    const scene = new Scene(net);
    expect(scene.view().assist).toContain('no VRRP advert');
    scene.advert(A, { ...high, auth: 'ah' });
    scene.announce(A);
    expect(scene.view().assist).toContain('AH');
    scene.wait(1);
    scene.advert(A, { ...high, auth: 'hmac', version: 3 });
    expect(scene.view().assist).toContain('HMAC');
    scene.link(A, 'down');
    scene.wait(100);
    expect(scene.events('assist')[0]?.text).toContain('HMAC');
    expect(scene.of('resign')).toHaveLength(0);
  });

  it('refuses bytes that are no whole VRRP frame', () => {
    const whole = vrrpFrame({ version: 2, priority: 100, destination: peer, password: '1111' });
    const how = { resigns: true, hastens: false };
    expect(restate(whole, how)).not.toBeNull();
    for (const bytes of [whole.subarray(0, 50), whole.subarray(0, 20), new Uint8Array(100)])
      expect(restate(bytes, how)).toBeNull();
  });
});

const voiceOf = (priority: number) => ({ priority, version: 3 as const });
const lose = (scene: Scene) => {
  advert(scene, 3, { destination: MULTICAST });
  scene.announce(A);
  scene.wait(700);
  scene.link(A, 'down');
  scene.wait(10);
};

/** cvm-2 and cvm-3 were masters once, for a moment. */
const haveSpoken = (scene: Scene, one: number, other: number) => {
  for (const [port, priority] of [
    [B, one],
    [C, other],
  ] as const) {
    scene.advert(port, voiceOf(priority));
    scene.resign(port, voiceOf(priority));
  }
  scene.wait(20_000);
};

describe('of three members', () => {
  it.each([
    ['the one of the best priority', 80, 90, C],
    ['the one of the higher address, of equal priority', 80, 80, B],
  ])('tells %s alone', (_, one, other, successor) => {
    const scene = new Scene(three);
    haveSpoken(scene, one, other);
    lose(scene);
    expect(ports(scene)).toEqual([successor]);
    scene.wait(20);
    scene.master(successor, voiceOf(80));
    scene.wait(2000);
    expect(ports(scene)).toEqual([successor]);
    expect(scene.failovers()).toHaveLength(1);
  });

  it('tells the others as well when it does not advertise', () => {
    const scene = new Scene(three);
    haveSpoken(scene, 80, 90);
    lose(scene);
    scene.wait(35);
    expect(ports(scene)).toEqual([C]);
    scene.wait(20);
    expect(ports(scene)).toEqual([C, B]);
    expect(scene.events('assist').at(-1)?.text).toContain('tap13 too');
    scene.wait(5000);
    expect(ports(scene)).toHaveLength(2);
    expect(scene.ledger.counters.assists['link-down'].hastened).toBe(1);
  });

  it('tells all at once of whom none has spoken yet, and the better one holds it, whoever comes first', () => {
    for (const order of [
      [B, C],
      [C, B],
    ] as const) {
      const scene = new Scene(three);
      lose(scene);
      expect(ports(scene)).toEqual([B, C]);
      scene.wait(15);
      const voice = { [B]: voiceOf(80), [C]: voiceOf(90) };
      for (const port of order) scene.advert(port, voice[port]);
      for (const port of order) for (let i = 0; i < 5; i++) scene.announce(port);
      scene.wait(1);
      scene.advert(C, voice[C]);
      scene.wait(100);
      expect(scene.holder).toBe('cvm-3');
      scene.wait(10_000);
      expect(scene.holder).toBe('cvm-3');
      expect(scene.failovers().length).toBe(order[0] === C ? 1 : 2);
    }
  });

  it('calls it no contest when backups become masters at once and settle it', () => {
    const scene = new Scene(three);
    lose(scene);
    for (const port of [C, B, C, B, C]) {
      scene.wait(2);
      scene.advert(port, voiceOf(port === C ? 90 : 80));
      scene.announce(port);
    }
    scene.wait(100);
    expect(scene.holder).toBe('cvm-3');
    expect(scene.events('contested')).toEqual([]);
  });

  it('tells all at once in version 2, where the skew decides', () => {
    const scene = new Scene(three);
    haveSpoken(scene, 80, 90);
    advert(scene, 2, { destination: MULTICAST });
    scene.announce(A);
    scene.link(A, 'down');
    scene.wait(10);
    expect(ports(scene)).toEqual([B, C]);
  });
});

describe('a hung guest', () => {
  const v3 = { ...high, version: 3 as const };
  /** A machine that answers, or does not, and what its port has received. */
  class Machine {
    readonly scene: Scene;
    lives = true;
    received = 100;
    #answered = 0;

    constructor() {
      const received = () => {
        this.answer();
        return this.received;
      };
      this.scene = new Scene(networkWith({ assist: HUNG }), {}, { isThere: () => true, received });
      this.scene.link(A, 'up');
      this.advert();
      this.scene.announce(A);
      this.scene.wait(100);
    }

    get asks(): Extract<Effect, { kind: 'verify' }>[] {
      return this.scene.of('verify');
    }

    advert(): void {
      if (this.lives) this.received++;
      advert(this.scene, 3, { priority: v3.priority });
    }

    answer(): void {
      const asked = this.asks.length;
      if (this.lives) this.received += asked - this.#answered;
      this.#answered = asked;
    }
  }

  it('is resigned for when three questions got no answer, at most 1.7 s after its last advert', () => {
    const { scene, asks, ...machine } = hang();
    expect(asks).toHaveLength(1); // in peace
    scene.wait(1390);
    expect(scene.of('verify')).toHaveLength(1);
    scene.wait(265);
    expect(scene.of('verify')).toHaveLength(4);
    expect(scene.of('verify').at(-1)).toMatchObject({ port: A, address: parseIpv4('172.17.16.7') });
    expect(scene.of('resign').map(({ frames }) => frames.length)).toEqual([2]);
    const [said] = scene.events('assist');
    expect(said?.text).toMatch(
      /hung, its last advert is 16\d\d ms old .* 3 ARP questions for 172.17.16.7, 50 ms apart, got no answer/,
    );
    expect(scene.ledger.counters.assists.hung).toEqual({ hastened: 1, plain: 0 });
    scene.wait(20);
    scene.master(B, { ...low, version: 3 });
    expect(scene.failovers()[0]).toMatchObject({ cause: 'hung', to: 'cvm-2' });
    expect(scene.failovers()[0]?.phasesMs.detection).toBeGreaterThan(1650);
    expect(machine.machine.lives).toBe(false);
  });

  function hang() {
    const machine = new Machine();
    machine.lives = false;
    return { machine, scene: machine.scene, asks: machine.asks };
  }

  it('that answers is never resigned for, whatever its keepalived does', () => {
    const machine = new Machine();
    const { scene } = machine;
    for (let i = 0; i < 50; i++) {
      scene.wait(1800);
      machine.advert();
    }
    scene.wait(60_000);
    expect(scene.of('resign')).toHaveLength(0);
    expect(scene.of('verify').length).toBeGreaterThan(50);
  });

  it('that hangs after it answered is asked again', () => {
    const machine = new Machine();
    machine.scene.wait(1700);
    expect(machine.scene.of('resign')).toHaveLength(0);
    machine.lives = false;
    machine.scene.wait(1200);
    expect(machine.scene.of('resign')).toHaveLength(1);
  });

  it.each([
    ['that never answered a question', 5],
    ['that nobody can look at', null],
  ])('%s is not told from a living one', (_, received) => {
    const scene = new Scene(networkWith({ assist: HUNG }), {}, { isThere: () => true, received: () => received });
    scene.link(A, 'up');
    advert(scene, 3);
    scene.announce(A);
    scene.live(A, v3, 5000);
    expect(scene.view().assist).toContain('no ARP question');
    scene.wait(60_000);
    expect(scene.of('resign')).toHaveLength(0);
    expect(scene.of('verify').length).toBeLessThan(10);
  });

  it('is left alone where nobody asked for it', () => {
    const scene = new Scene(net, {}, { isThere: () => true, received: () => 5 });
    advert(scene, 3);
    scene.announce(A);
    scene.wait(60_000);
    expect(scene.of('verify')).toHaveLength(0);
    expect(scene.of('resign')).toHaveLength(0);
  });
});
