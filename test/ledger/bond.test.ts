/** An instance with several ports of one subnet that share a MAC or an address: it sits where it last spoke, and that is no failover. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { parseMac } from '../../src/base/mac.ts';
import type { Mac } from '../../src/base/mac.ts';
import type { Network } from '../../src/base/network.ts';
import { vrrpFrame } from './frames.ts';
import { networkWith, A, B, HAVIP1, Scene } from './scene.ts';

const high = { priority: 100 };
/** The second port of cvm-1. */
const A2 = 5;
const OTHER_MAC = must(parseMac('02:00:ac:11:10:77'), 'a MAC');
/** Its first port's MAC, after the network. */
const FRAME = vrrpFrame({ version: 3, priority: 100, destination: 0xac11_100d, password: '' });
const MAC_A = must(parseMac('02:00:ac:11:10:07'), 'a MAC');

function bonded(mac: Mac = MAC_A, change: Parameters<typeof networkWith>[0] = {}): Network {
  const network = networkWith(change);
  const first = must(network.ports[A], 'a port');
  return { ...network, ports: [...network.ports, { ...first, index: A2, interface: 'tap8', mac }] };
}

const portOf = (scene: Scene) => scene.view().holder?.interface;
const quiet = (scene: Scene) => {
  expect(scene.failovers()).toEqual([]);
  expect(scene.view()).toMatchObject({ failovers: 0, lastFailover: null });
  expect(scene.ledger.counters).toMatchObject({ migrations: 0, boundAfterOutage: 0 });
  expect(scene.ledger.counters.failovers).toEqual(expect.objectContaining({ 'link-down': 0, takeover: 0 }));
};

describe('a bonded guest', () => {
  it('sits on the port where it announced last, since when it holds, and back again', () => {
    const scene = new Scene(bonded());
    scene.announce(A);
    const { since } = scene.view();
    scene.wait(5000);
    scene.announce(A2);
    expect([scene.holder, portOf(scene)]).toEqual(['cvm-1', 'tap8']);
    expect(scene.binds().at(-1)).toMatchObject({ binding: { interface: 'tap8', mac: MAC_A } });
    expect(scene.view().since).toBe(since);
    expect(scene.events('bound').at(-1)?.text).toContain('holds it on tap8 now, before tap7');
    scene.wait(5000);
    scene.announce(A);
    expect(portOf(scene)).toBe('tap7');
    quiet(scene);
  });

  it.each(['advert', 'answer'] as const)('follows an %s alone, which is all that some bonds say', (kind) => {
    const scene = new Scene(bonded());
    scene.master(A, high);
    scene.live(A, high, 3000);
    if (kind === 'advert') scene.advert(A2, high);
    else scene.answer(A2);
    expect([scene.holder, portOf(scene)]).toEqual(['cvm-1', 'tap8']);
    quiet(scene);
  });

  it('does not flap with a guest that speaks from both ports all the time: once a second at most', () => {
    const scene = new Scene(bonded());
    scene.announce(A);
    scene.wait(2000);
    const before = scene.binds().length;
    for (let i = 0; i < 1000; i++) {
      scene.wait(10);
      scene.advert(i % 2 === 0 ? A2 : A, high);
    }
    expect(scene.binds().length - before).toBeLessThanOrEqual(11);
    quiet(scene);
  });

  it('goes over with the link of a port that is lost, is not spoken for, and dies with the last one', () => {
    const scene = new Scene(bonded(MAC_A, { assist: { on: ['link-down'], hasten: true } }));
    scene.link(A, 'up');
    scene.link(A2, 'up');
    scene.master(A, high);
    scene.live(A, high, 3000);
    scene.link(A, 'down');
    expect(portOf(scene)).toBe('tap8');
    scene.wait(500);
    scene.advert(A2, high);
    scene.live(A2, high, 2000);
    scene.advert(A2, { ...high, version: 3, destination: 0xac11_100d, unicast: true }, { frame: FRAME });
    expect(scene.of('resign')).toEqual([]);
    quiet(scene);
    scene.link(A2, 'absent');
    scene.wait(100);
    expect(scene.of('resign').map(({ port }) => port)).toEqual([B]);
    scene.master(B, { priority: 80 });
    expect(scene.holder).toBe('cvm-2');
    expect(scene.view().lastFailover).toMatchObject({ cause: 'link-down', from: 'cvm-1', to: 'cvm-2' });
  });

  it('with a MAC of each port (fail_over_mac active) is bound with that of the port where it is', () => {
    const scene = new Scene(bonded(OTHER_MAC));
    scene.link(A, 'up');
    scene.link(A2, 'up');
    scene.announce(A);
    scene.wait(2000);
    scene.link(A, 'absent');
    expect(scene.binds().at(-1)).toMatchObject({ binding: { interface: 'tap8', mac: OTHER_MAC } });
    quiet(scene);
  });

  it('is asked at all of its ports, and bound where it answers', () => {
    const scene = new Scene(bonded(MAC_A, { verify: true }));
    const asked = () => scene.of('verify').length;
    const answering = (port: number) => {
      const before = asked();
      scene.wait(500);
      if (asked() > before) scene.answer(port);
    };
    scene.master(A, high);
    for (let i = 0; i < 10; i++) {
      scene.advert(A, high);
      answering(A);
    }
    const before = asked();
    for (let i = 0; i < 20; i++) answering(A2); // its daemon is dead
    expect(
      new Set(
        scene
          .of('verify')
          .slice(before)
          .map(({ port }) => port),
      ),
    ).toEqual(new Set([A, A2]));
    expect([scene.holder, portOf(scene)]).toEqual(['cvm-1', 'tap8']);
    expect(scene.events('unbound')).toEqual([]);
  });

  it('that loses the HAVIP loses it from whatever port', () => {
    const scene = new Scene(bonded());
    scene.announce(A);
    scene.wait(3000);
    scene.announce(A2);
    scene.wait(3000);
    scene.announce(B);
    expect(scene.holder).toBe('cvm-2');
    expect(scene.view(HAVIP1).failovers).toBe(1);
  });
});
