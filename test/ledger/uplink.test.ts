/** What comes in by an uplink: members on another host, guests that left, strangers. */
import { describe, expect, it } from 'vitest';
import { bindingElsewhere, UNKNOWN } from '../../src/base/binding.ts';
import type { Network } from '../../src/base/network.ts';
import { Far, FAR, high, pointsAt, portA, portB, twoHosts, UP, uplink, VIRTUAL } from './far.ts';
import { A, B, HAVIP1, Scene } from './scene.ts';

describe('a member on another host', () => {
  it('takes over by its claim on the uplink, with the cause and the phases that were seen', () => {
    const scene = new Scene(twoHosts());
    scene.master(A, high);
    scene.live(A, high, 3000);
    scene.wait(3690);
    new Far(scene).master();
    expect(scene.view()).toMatchObject({
      holder: { instance: 'cvm-2', interface: 'up0', host: null },
      failovers: 1,
      lastFailover: { from: 'cvm-1', to: 'cvm-2', cause: 'silence' },
    });
    expect(scene.view().lastFailover?.phasesMs.detection).toBeCloseTo(3690, 0);
    expect(pointsAt(scene)).toBe('up0 02:00:ac:11:10:0d');
  });

  it('is followed back: evidence of the uplink tells why, as evidence of a port does', () => {
    const scene = new Scene(twoHosts());
    const far = new Far(scene);
    far.master();
    for (let i = 0; i < 3; i++) {
      scene.wait(1000);
      far.advert();
    }
    scene.wait(500);
    far.resign();
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2' }, letGo: true });
    expect(pointsAt(scene)).toBeNull();
    scene.wait(690);
    scene.master(A, high);
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-1' }, letGo: false, lastFailover: { cause: 'resign' } });
    expect(scene.view().lastFailover?.phasesMs.detection).toBeCloseTo(690, 0);
  });

  it('that announced at each advert of a lesser master is not missed when that one stops: its own adverts go on', () => {
    const scene = new Scene(twoHosts());
    const far = new Far(scene);
    far.master();
    for (let i = 0; i < 20; i++) {
      scene.wait(200);
      far.advert();
      far.announce();
    }
    for (let i = 0; i < 5; i++) {
      scene.wait(1000);
      far.advert();
    }
    expect(scene.events('let-go')).toEqual([]);
    scene.wait(4000);
    expect(scene.events('let-go')).toHaveLength(1);
  });

  it('that resigned and had no successor is not held for ever: no store would tell', () => {
    const scene = new Scene(twoHosts());
    const far = new Far(scene);
    far.master();
    far.resign();
    scene.wait(10_001);
    expect(scene.holder).toBeNull();
  });

  it('is held by the contest’s rules like any other: who lost it a moment ago waits', () => {
    const scene = new Scene(twoHosts());
    scene.announce(A);
    scene.wait(5000);
    new Far(scene).announce();
    expect(scene.holder).toBe('cvm-2');
    scene.wait(300);
    scene.announce(A);
    scene.wait(2100);
    scene.announce(A);
    expect(scene.holder).toBe('cvm-1');
    expect(scene.failovers().length + Number(scene.view().failovers > 0)).toBeGreaterThan(0);
  });

  it('that announced once, as a cable was mended, and stepped down unheard gives way to the master that goes on', () => {
    const scene = new Scene(twoHosts());
    scene.master(A, high);
    scene.live(A, high, 10_000, 5000);
    scene.wait(500);
    new Far(scene).announce();
    expect(scene.holder).toBe('cvm-2');
    scene.live(A, high, 3000);
    expect(scene.holder).toBe('cvm-1');
    expect(scene.binds()).toHaveLength(3);
    scene.live(A, high, 20_000, 5000);
    expect(scene.binds()).toHaveLength(3);
  });

  it('keeps it from a master that advertises on, if its own adverts are heard and better', () => {
    const scene = new Scene(twoHosts());
    const far = new Far(scene);
    scene.master(A, high);
    scene.live(A, high, 5000);
    far.advert({ priority: 200 });
    far.announce();
    for (let i = 0; i < 10; i++) {
      scene.wait(1000);
      far.advert({ priority: 200 });
      scene.advert(A, high);
    }
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2' }, failovers: 1 });
  });

  it('goes by its MAC while nobody knows its name, and moves nothing when it gets one', () => {
    const scene = new Scene(twoHosts({ members: ['cvm-1', 'cvm-2', 'cvm-7'] }));
    const far = new Far(scene);
    far.announce();
    expect(scene.view().holder).toMatchObject({ instance: '02:00:ac:11:10:0d', host: null });
    const peers = [{ instance: 'cvm-2', vpc: 0, mac: FAR, addresses: [], vtep: null }];
    scene.ledger.configure({ ...scene.network, peers }, scene.nowNs, scene.wallMs);
    scene.wait(5000);
    far.announce();
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2' }, failovers: 0, epoch: 1 });
  });

  it('is adopted by a restarted agent, by name where that is known', () => {
    for (const [network, holder] of [
      [twoHosts(), 'cvm-2'],
      [twoHosts({ members: null }), '02:00:ac:11:10:0d'],
      [twoHosts({ members: ['cvm-1', 'cvm-3'] }), null],
      [twoHosts({}, { uplinks: [{ ...uplink, trust: 'none' }] }), null],
      [twoHosts({}, { uplinks: [] }), null],
    ] as const) {
      const scene = new Scene(network);
      const found = bindingElsewhere(UNKNOWN, UNKNOWN, 'up0', FAR, 7, 1000);
      expect(scene.ledger.adopt(HAVIP1, found, scene.nowNs, scene.wallMs)).toBe(holder !== null);
      expect(scene.holder).toBe(holder);
      if (holder === null) continue;
      new Far(scene).announce();
      expect(scene.view()).toMatchObject({ epoch: 7, failovers: 0, holder: { instance: holder } });
      expect(scene.binds()).toEqual([]);
    }
  });
});

describe('what moves nothing', () => {
  const stranger = 0x0200_ac11_10aa;
  it.each([
    [
      'a stranger, where the member’s MAC is known',
      twoHosts({}, { peers: [{ instance: 'cvm-2', vpc: 0, mac: FAR, addresses: [], vtep: null }] }),
      stranger,
    ],
    ['a stranger, where all members are here', twoHosts({}, { ports: [portA, portB] }), stranger],
    ['a virtual MAC, where all members are here', twoHosts({}, { ports: [portA, portB] }), VIRTUAL],
    ['anybody, where nobody is believed', twoHosts({}, { uplinks: [{ ...uplink, trust: 'none' }] }), FAR],
    ['a frame of our own that the fabric sends back', twoHosts(), portA.mac],
    ['another VPC’s uplink', twoHosts({}, { uplinks: [{ ...uplink, vpc: 1 }] }), FAR],
    [
      'a machine that is known and no member',
      twoHosts({}, { peers: [{ instance: 'cvm-9', vpc: 0, mac: stranger, addresses: [], vtep: null }] }),
      stranger,
    ],
  ])('%s', (_, network, mac) => {
    const scene = new Scene(network);
    scene.link(A, 'up');
    scene.master(A, high);
    const before = scene.binds().length;
    const far = new Far(scene, mac);
    for (let i = 0; i < 5; i++) {
      scene.wait(500);
      scene.advert(A, high);
      far.announce();
      far.advert({ priority: 250 });
      far.resign();
    }
    expect(scene.holder).toBe('cvm-1');
    expect(scene.binds()).toHaveLength(before);
  });

  it('our own announcement from the virtual MAC, sent back; but not another member’s', () => {
    const scene = new Scene(twoHosts());
    scene.announce(A, { mac: VIRTUAL });
    scene.wait(0.3);
    new Far(scene, VIRTUAL).announce();
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-1' }, failovers: 0 });
    scene.wait(3000);
    new Far(scene, VIRTUAL).announce();
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2' }, failovers: 1 });
  });
});

describe('the switch, where uplinks lead to other members', () => {
  it('no longer points at a holder that resigned, lost its link or fell silent, and does again when it is back', () => {
    for (const [end, back] of [
      [(scene: Scene) => scene.resign(A, high), (scene: Scene) => scene.advert(A, high)],
      [(scene: Scene) => scene.link(A, 'down'), (scene: Scene) => scene.link(A, 'up')],
      [(scene: Scene) => scene.wait(4000), (scene: Scene) => scene.advert(A, high)],
    ] as const) {
      const scene = new Scene(twoHosts());
      scene.link(A, 'up');
      scene.master(A, high);
      scene.live(A, high, 3000);
      expect(pointsAt(scene)).toBe('tap7 02:00:ac:11:10:07');
      end(scene);
      expect(scene.view()).toMatchObject({ state: 'bound', holder: { instance: 'cvm-1' }, letGo: true, failovers: 0 });
      expect(pointsAt(scene)).toBeNull();
      scene.wait(1000);
      expect(scene.events('let-go')).toHaveLength(1);
      back(scene);
      expect(pointsAt(scene)).toBe('tap7 02:00:ac:11:10:07');
      expect(scene.view()).toMatchObject({ letGo: false, epoch: 1, failovers: 0 });
      expect(scene.events('taken-back')).toHaveLength(1);
    }
  });

  it('lets go too of one who announced evenly without VRRP and stopped, and even where nobody is believed', () => {
    const scene = new Scene(twoHosts({}, { uplinks: [{ ...uplink, trust: 'none' }] }));
    for (let i = 0; i < 20; i++) {
      scene.announce(A);
      scene.wait(1000);
    }
    expect(scene.view().letGo).toBe(false);
    scene.wait(3000);
    expect(scene.view().letGo).toBe(true);
    expect(pointsAt(scene)).toBeNull();
  });

  it('points at whom it did on a host without uplinks, and where all members are on this one', () => {
    for (const network of [twoHosts({}, { uplinks: [] }), twoHosts({}, { ports: [portA, portB] })]) {
      const scene = new Scene(network);
      scene.link(A, 'up');
      scene.link(B, 'up');
      scene.master(A, high);
      scene.resign(A, high);
      scene.wait(5000);
      expect(scene.view().letGo).toBe(false);
      expect(pointsAt(scene)).toBe('tap7 02:00:ac:11:10:07');
    }
  });

  it('goes on to the successor without a step back', () => {
    const scene = new Scene(twoHosts());
    scene.master(A, high);
    scene.live(A, high, 3000);
    scene.resign(A, high);
    scene.wait(690);
    new Far(scene).master();
    expect(scene.view()).toMatchObject({ letGo: false, lastFailover: { cause: 'resign' }, epoch: 2 });
    expect(scene.binds().map(({ binding }) => binding?.interface ?? null)).toEqual(['tap7', null, 'up0']);
  });
});

describe('an assisted resign', () => {
  const frame = new Uint8Array(60);
  frame.set([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 255, 112], 12);

  function dies(network: Network, destination?: number): number[] {
    const scene = new Scene(network);
    for (const port of [A, B]) if (network.ports[port]) scene.link(port, 'up');
    const voice = destination === undefined ? high : { ...high, destination };
    scene.advert(A, voice, { frame });
    scene.wait(1);
    scene.announce(A);
    scene.link(A, 'down');
    scene.wait(100);
    return scene.of('resign').map(({ port }) => port);
  }

  it('goes out of the uplink where another member may be on another host, and only there', () => {
    const assist = { on: ['link-down'], hasten: false } as const;
    expect(dies(twoHosts({ assist }))).toEqual([UP]);
    expect(dies(twoHosts({ assist }, { ports: [portA, portB] }))).toEqual([B]);
    expect(dies(twoHosts({ assist, members: ['cvm-1', 'cvm-2', 'cvm-8'] }, { ports: [portA, portB] }))).toEqual([UP, B]);
    expect(dies(twoHosts({ assist }), 0xac11100d)).toEqual([UP]);
    expect(dies(twoHosts({ assist, members: ['cvm-1', 'cvm-2', 'cvm-8'] }, { ports: [portA, portB] }), 0xac11100d)).toEqual([B]);
  });
});

const kinds = (scene: Scene) => scene.view().findings.map(({ kind }) => kind);

describe('findings', () => {
  it('look at living ports and at peers', () => {
    const alone = new Scene(twoHosts());
    alone.announce(A);
    expect(kinds(alone)).toContain('single-member');
    const known = new Scene(twoHosts({}, { peers: [{ instance: 'cvm-2', vpc: 0, mac: FAR, addresses: [], vtep: null }] }));
    known.announce(A);
    expect(kinds(known)).not.toContain('single-member');
    const heard = new Scene(twoHosts());
    heard.announce(A);
    new Far(heard).advert();
    expect(kinds(heard)).not.toContain('single-member');
    const both = new Scene(twoHosts({}, { ports: [portA, portB] }));
    both.announce(A);
    both.announce(B);
    expect(kinds(both)).toContain('one-host');
    both.link(A, 'up');
    both.link(B, 'absent');
    expect(kinds(both)).not.toContain('one-host');
  });
});

describe('while the store is away', () => {
  it.each([true, false])('an announcement beyond an uplink with `awayClaims: %s`', (awayClaims) => {
    const scene = new Scene(twoHosts({}, { uplinks: [{ ...uplink, awayClaims }] }));
    const far = new Far(scene);
    scene.ledger.setStore('synced');
    scene.announce(A);
    scene.wait(5000);
    far.announce();
    expect(scene.holder).toBe('cvm-1');
    scene.ledger.setStore('away');
    scene.wait(5000);
    far.announce();
    expect(scene.holder).toBe(awayClaims ? 'cvm-2' : 'cvm-1');
  });
});
