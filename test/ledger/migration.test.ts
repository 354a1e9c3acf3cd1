/** A guest that goes to another host, or comes from there, with what it holds. */
import { describe, expect, it } from 'vitest';
import { V } from '../../src/base/verdict.ts';
import { seedNetwork } from '../network.ts';
import { Far, high, pointsAt, portA, portB, twoHosts } from './far.ts';
import { A, C, Scene } from './scene.ts';

describe('a live migration', () => {
  it('away: RARP on the uplink, then the tap goes: no unbound, no failover, the epoch kept', () => {
    const scene = new Scene(twoHosts());
    scene.link(A, 'up');
    scene.master(A, high);
    scene.live(A, high, 3000);
    const { since } = scene.view();
    scene.wait(190);
    new Far(scene).rarp(portA.mac);
    expect(pointsAt(scene)).toBe('up0 02:00:ac:11:10:07');
    scene.wait(120);
    scene.link(A, 'absent');
    for (let i = 0; i < 20; i++) {
      scene.wait(1000);
      new Far(scene, portA.mac).advert();
      if (i === 0) new Far(scene, portA.mac).announce();
    }
    expect(scene.view()).toMatchObject({
      holder: { instance: 'cvm-1', interface: 'up0' },
      failovers: 0,
      epoch: 1,
      since,
      letGo: false,
    });
    expect(scene.events('migration')).toHaveLength(1);
    expect(scene.events('migration')[0]).toMatchObject({ cause: 'migration', from: 'cvm-1', to: 'cvm-1' });
    expect([scene.events('unbound'), scene.events('let-go'), scene.of('resign')]).toEqual([[], [], []]);
    expect(scene.ledger.counters.migrations).toBe(1);
  });

  it('away without RARP: the guest’s own announcement says it once its tap is gone', () => {
    const scene = new Scene(twoHosts());
    scene.link(A, 'up');
    scene.master(A, high);
    scene.wait(3000);
    scene.link(A, 'absent');
    scene.wait(313);
    new Far(scene, portA.mac).announce();
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-1', interface: 'up0' }, failovers: 0, epoch: 1 });
    scene.wait(20_000);
    expect(scene.events('unbound')).toEqual([]);
  });

  it('away is not what our own RARP says that the fabric sends back', () => {
    const scene = new Scene(twoHosts());
    scene.link(A, 'up');
    scene.master(A, high);
    scene.take({ kind: 'relocate', port: A, havip: -1, mac: portA.mac });
    scene.wait(0.5);
    new Far(scene).rarp(portA.mac);
    expect(scene.view().holder).toMatchObject({ interface: 'tap7' });
  });

  it('back: by RARP, by an announcement, or by the adverts of one who announces nothing', () => {
    for (const sign of [
      (scene: Scene) => scene.take({ kind: 'relocate', port: A, havip: -1, mac: portA.mac }),
      (scene: Scene) => scene.announce(A),
      (scene: Scene) => scene.advert(A, high),
    ]) {
      const scene = new Scene(twoHosts());
      scene.link(A, 'up');
      scene.master(A, high);
      scene.wait(3000);
      new Far(scene).rarp(portA.mac);
      scene.wait(3000);
      sign(scene);
      expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-1', interface: 'tap7' }, failovers: 0, epoch: 1 });
      expect(scene.events('migration')).toHaveLength(2);
    }
  });

  it('arriving: who was known by its MAC alone gets its name and its port', () => {
    const scene = new Scene(twoHosts({ members: null }));
    const far = new Far(scene, 0x0200_ac11_10bb);
    far.announce();
    expect(scene.holder).toBe('02:00:ac:11:10:bb');
    const port = { ...portB, index: 1, mac: 0x0200_ac11_10bb, interface: 'tap42' };
    const network = { ...scene.network, ports: [portA, port, seedNetwork.ports[C]!] };
    scene.ledger.configure(network, scene.nowNs, scene.wallMs);
    scene.ledger.link({ port: 1, state: 'up', ifindex: 42, atNs: scene.nowNs }, scene.wallMs);
    scene.wait(2000);
    scene.ledger.take(
      {
        kind: 'relocate',
        verdict: V['rarp-announce'],
        port: 1,
        havip: -1,
        mac: port.mac,
        capturedNs: scene.nowNs,
        vrrp: null,
        frame: new Uint8Array(0),
      },
      scene.nowNs,
      scene.wallMs,
    );
    scene.wait(1);
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2', interface: 'tap42' }, failovers: 0, epoch: 1 });
  });
});
