/** What a ledger makes of other hosts' bindings, and what it has to tell them. */
import { describe, expect, it } from 'vitest';
import { bindingElsewhere, UNKNOWN } from '../../src/base/binding.ts';
import { must } from '../../src/base/assert.ts';
import type { StoredBinding } from '../../src/ledger/stored.ts';
import { A, B, HAVIP1, networkWith, Scene } from './scene.ts';

const MAC_B = 0x0200ac11100d;

function shared(): Scene {
  const scene = new Scene({
    ...networkWith({}),
    uplinks: [{ index: 0, interface: 'vx10', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true }],
  });
  scene.ledger.setStore('synced');
  return scene;
}

function say(scene: Scene, more: Partial<StoredBinding> | null): boolean {
  const stored = {
    instance: 'cvm-2',
    host: 'host-b',
    uplink: 'vx10',
    mac: MAC_B,
    revision: 100,
    sinceMs: scene.wallMs,
    holdMs: 1000,
  };
  const answer = scene.ledger.stored(HAVIP1, more === null ? null : { ...stored, ...more }, scene.nowNs, scene.wallMs);
  scene.wait(0);
  return answer;
}

describe('bindings of other hosts', () => {
  it('move the HAVIP beyond the uplink, at the revision, and are told to nobody again', () => {
    const scene = shared();
    scene.announce(A);
    expect(scene.of('propose')).toHaveLength(1);
    say(scene, {});
    expect(scene.binds().at(-1)).toMatchObject({
      epoch: 100,
      binding: { instance: 'cvm-2', host: 'host-b', port: null, interface: 'vx10', mac: MAC_B },
    });
    expect(scene.view()).toMatchObject({
      holder: { instance: 'cvm-2', host: 'host-b', interface: 'vx10' },
      epoch: 100,
      failovers: 1,
    });
    expect(scene.of('propose')).toHaveLength(1);
    expect(scene.ledger.bindingOf(HAVIP1)?.port).toBeNull();
    // The same once more is no change.
    const binds = scene.binds().length;
    say(scene, { revision: 101 });
    expect(scene.binds()).toHaveLength(binds);
    expect(scene.view().epoch).toBe(101);
  });

  it('lose to a START of this host, by the rules as ever, and hold what comes back too soon', () => {
    const scene = shared();
    scene.announce(A);
    scene.wait(5000);
    say(scene, { holdMs: 3000 });
    // A held it before: it would move it back, and waits as long as the binding says.
    scene.wait(2100);
    scene.announce(A);
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2' }, pending: 'cvm-1' });
    scene.wait(1000);
    expect(scene.holder).toBe('cvm-1');
    expect(scene.of('propose').at(-1)).toMatchObject({ instance: 'cvm-1', cause: 'takeover', from: 'cvm-2' });
  });

  it('are withdrawn by their own host alone, however silent they are here', () => {
    const scene = shared();
    scene.master(B, { priority: 100 });
    scene.wait(1000);
    say(scene, {});
    scene.wait(60_000);
    expect(scene.holder).toBe('cvm-2');
    expect(say(scene, null)).toBe(true);
    expect(scene.holder).toBeNull();
    expect(scene.of('propose').filter(({ instance }) => instance === null)).toEqual([]);
  });

  it('end with a withdrawal where the holder is here and its grace is over', () => {
    const scene = shared();
    scene.announce(A);
    scene.link(A, 'down');
    scene.wait(11_000);
    expect(scene.of('propose').at(-1)).toMatchObject({ instance: null, from: 'cvm-1' });
  });

  it('that name an instance of this host are taken over, or said to be wrong', () => {
    const scene = shared();
    expect(say(scene, { instance: 'cvm-1', host: null, uplink: null, mac: must(scene.network.ports[A], 'port').mac })).toBe(true);
    expect(scene.view().holder).toMatchObject({ instance: 'cvm-1', interface: 'tap7', host: 'host-a' });
    expect(say(scene, { instance: 'cvm-gone', host: null, uplink: null, revision: 103 })).toBe(false);
    expect(scene.holder).toBeNull();
  });

  it('follow a guest that migrates: by its RARP here it is no failover', () => {
    const scene = shared();
    say(scene, {});
    scene.take({ kind: 'relocate', port: B, havip: -1 });
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2', interface: 'tap13', host: 'host-a' }, failovers: 0 });
    expect(scene.of('propose').at(-1)).toMatchObject({ instance: 'cvm-2', cause: 'migration' });
    // A clone with the same name and another NIC moves nothing.
    const other = shared();
    say(other, {});
    other.take({ kind: 'relocate', port: B, havip: -1, mac: 0x020000000099 });
    expect(other.view().holder).toMatchObject({ host: 'host-b' });
  });

  it('are found in the switch after a restart, and get their host from the store', () => {
    const scene = shared();
    const found = bindingElsewhere(UNKNOWN, UNKNOWN, 'vx10', MAC_B, 100, 5000);
    expect(scene.ledger.adopt(HAVIP1, found, scene.nowNs, scene.wallMs)).toBe(true);
    expect(scene.view().holder).toMatchObject({ instance: 'cvm-2', interface: 'vx10', host: null });
    say(scene, { sinceMs: 5000 });
    expect(scene.view()).toMatchObject({ holder: { instance: 'cvm-2', host: 'host-b' }, failovers: 0 });
  });

  it('are weighed against a claim of this host by the rules of the contest', () => {
    const scene = shared();
    scene.announce(A);
    const stored = {
      instance: 'cvm-2',
      host: 'host-b',
      uplink: 'vx10',
      mac: MAC_B,
      revision: 7,
      sinceMs: scene.wallMs,
      holdMs: 1000,
    };
    expect(scene.ledger.stillMoves(HAVIP1, 'cvm-1', stored, scene.nowNs)).toBe(true);
    expect(scene.ledger.stillMoves(HAVIP1, 'cvm-9', stored, scene.nowNs)).toBe(false);
  });

  it('give way once more to a living master that hears nobody', () => {
    const scene = shared();
    scene.master(A, { priority: 100 });
    say(scene, {});
    const lostNs = scene.nowNs;
    scene.live(A, { priority: 100 }, 5000);
    expect(scene.holder).toBe('cvm-2');
    scene.ledger.again(HAVIP1, 'cvm-1', lostNs, scene.nowNs, scene.wallMs);
    scene.wait(0);
    expect(scene.holder).toBe('cvm-1');
  });
});

describe('without a store', () => {
  it('nothing is proposed', () => {
    const scene = new Scene();
    scene.announce(A);
    scene.announce(B);
    scene.link(B, 'down');
    scene.wait(20_000);
    expect(scene.of('propose')).toEqual([]);
  });
});
