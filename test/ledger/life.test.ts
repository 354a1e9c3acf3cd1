/** Release, withdrawal, verification, migration, adoption and reload. */
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';
import { bindingHere } from '../../src/base/binding.ts';
import { formatMac } from '../../src/base/mac.ts';
import type { Port } from '../../src/base/network.ts';
import { FAILOVER_CAUSES } from '../../src/ledger/effects.ts';
import { ASKER, arpQuestion } from '../../src/agent/question.ts';
import { seedNetwork } from '../network.ts';
import { A, B, HAVIP1, networkWith, Scene } from './scene.ts';

const ASSIST = { on: ['link-down'], hasten: true } as const;
const high = { priority: 100 };
const low = { priority: 80 };
const QUICK = { priority: 200, intervalMs: 100 };
const SLOW = { priority: 80, intervalMs: 10_000 };

describe('release and withdrawal', () => {
  it('keeps the binding of one who resigned until the grace time ends', () => {
    const scene = new Scene();
    scene.master(A, high);
    scene.live(A, high, 3000);
    scene.resign(A, high);
    expect(scene.events('release')).toHaveLength(1);
    scene.wait(9999);
    expect(scene.holder).toBe('cvm-1');
    scene.wait(2);
    expect(scene.view()).toMatchObject({ state: 'unbound', holder: null, epoch: 2 });
    expect(scene.binds().at(-1)).toMatchObject({ binding: null, epoch: 2 });
  });

  it('counts the claim of another within the grace time as a failover, and after it as what it is', () => {
    for (const [afterMs, failovers] of [
      [9_000, 1],
      [12_000, 0],
      [632_000, 0],
    ] as const) {
      const scene = new Scene();
      scene.master(A, high);
      scene.live(A, high, 3000);
      scene.resign(A, high);
      scene.wait(afterMs);
      scene.master(B, low);
      expect(scene.holder).toBe('cvm-2');
      expect(scene.failovers()).toHaveLength(failovers);
      expect(scene.view()).toMatchObject({ failovers, lastFailover: failovers === 0 ? null : { cause: 'resign' } });
      expect(scene.ledger.counters.boundAfterOutage).toBe(1 - failovers);
      expect(scene.events('bound').at(-1)?.text).toContain(failovers === 0 ? 'after an outage, no failover' : 'resign');
    }
  });

  it('counts no failover from a master that fell silent long ago, nor from a port that is long gone', () => {
    for (const end of ['silent', 'gone'] as const) {
      const scene = new Scene();
      scene.link(A, 'up');
      scene.master(A, high);
      scene.live(A, high, 3000);
      if (end === 'gone') scene.link(A, 'absent');
      scene.wait(98_000);
      scene.master(B, low);
      expect(scene.holder).toBe('cvm-2');
      expect(scene.failovers()).toEqual([]);
      expect(scene.ledger.counters.boundAfterOutage).toBe(1);
    }
  });

  it('unbinds a holder whose port is gone, not one whose link only blinked', () => {
    const scene = new Scene();
    scene.announce(A);
    scene.link(A, 'up');
    scene.wait(100);
    scene.link(A, 'down');
    scene.wait(5000);
    scene.link(A, 'up');
    scene.wait(20_000);
    expect(scene.holder).toBe('cvm-1');
    scene.link(A, 'absent');
    scene.wait(5000);
    scene.link(A, 'up', 77);
    scene.wait(5001);
    expect(scene.holder).toBeNull();
    scene.announce(A);
    expect(scene.view()).toMatchObject({ failovers: 0, state: 'bound', epoch: 3 });
  });

  it('asks a silent holder three times and unbinds it', () => {
    const scene = new Scene(networkWith({ verify: true }));
    scene.master(A, high);
    scene.live(A, high, 3000);
    const asked = scene.of('verify').length;
    scene.wait(3700);
    expect(scene.of('verify')).toHaveLength(asked + 1);
    expect(scene.of('verify').at(-1)).toMatchObject({ havip: HAVIP1, port: A, mac: 0x0200ac111007 });
    scene.answer(A);
    scene.wait(1000);
    expect(scene.events('verify')).toHaveLength(2);
    scene.wait(31_000);
    scene.wait(3000);
    expect(scene.of('verify').length).toBe(asked + 4);
    expect(scene.holder).toBeNull();
  });

  it.each([
    ['an announcement', (scene: Scene) => scene.master(B, QUICK)],
    ['an announcement before its first advert', (scene: Scene) => (scene.announce(B), scene.wait(1), scene.advert(B, QUICK))],
    [
      'an advert behind an announcement that was not enough',
      (scene: Scene) => {
        scene.advert(B, QUICK);
        scene.resign(B, QUICK);
        scene.advert(A, SLOW);
        scene.wait(2000);
        scene.announce(B);
        expect(scene.holder).toBe('cvm-1');
        scene.wait(1);
        scene.advert(B, QUICK);
      },
    ],
  ])('asks a silent holder in its own time, not in that of the one before it: taken over by %s', (_, takeOver) => {
    const scene = new Scene(networkWith({ verify: true }));
    scene.master(A, SLOW);
    scene.wait(500);
    takeOver(scene);
    expect(scene.holder).toBe('cvm-2');
    const asked = scene.of('verify').length;
    scene.wait(1000);
    expect(scene.of('verify')).toHaveLength(asked + 1);
  });

  it('asks by a probe that teaches nobody anything', () => {
    const frame = arpQuestion(0x0200ac111007, must(parseIpv4('172.17.16.3'), ''));
    expect(frame).toHaveLength(60);
    expect(Buffer.from(frame.subarray(0, 42)).toString('hex')).toBe(
      '0200ac1110070268617669700806000108000604000102686176697000000000000000000000ac111003',
    );
    expect(formatMac(ASKER)).toBe('02:68:61:76:69:70');
  });
});

describe('migration', () => {
  /** cvm-1 appears on a second port of this host. */
  const twin: Port = { ...must(seedNetwork.ports[A], ''), index: 5, interface: 'tap70' };
  const net = { ...networkWith({ assist: ASSIST }), ports: [...seedNetwork.ports, twin] };

  it('follows the instance by RARP, and is no failover', () => {
    const scene = new Scene(net);
    scene.announce(A);
    scene.link(A, 'down');
    scene.take({ kind: 'relocate', port: 5, havip: -1 });
    expect(scene.view()).toMatchObject({ failovers: 0, epoch: 2, holder: { interface: 'tap70', instance: 'cvm-1' } });
    expect(scene.events('migration')).toHaveLength(1);
    expect(scene.ledger.counters.migrations).toBe(1);
    expect(scene.ledger.counters.failovers).toEqual(Object.fromEntries(FAILOVER_CAUSES.map((cause) => [cause, 0])));
    scene.wait(60_000);
    expect(scene.holder).toBe('cvm-1');
    expect(scene.of('resign')).toHaveLength(0);
  });

  it('follows the instance by its claim', () => {
    const scene = new Scene(net);
    scene.announce(A);
    scene.wait(100);
    scene.announce(5);
    expect(scene.view().holder?.interface).toBe('tap70');
    expect(scene.ledger.bindingOf(HAVIP1)?.port).toBe(5);
  });

  it.each([
    ['a claim', (scene: Scene) => scene.announce(A)],
    ['a RARP', (scene: Scene) => scene.take({ kind: 'relocate', port: A, havip: -1 })],
  ])('stays where it is bound when a reload takes the port to which %s would have moved it', (_, move) => {
    const scene = new Scene(net);
    scene.announce(A);
    scene.announce(5);
    move(scene);
    expect(scene.view()).toMatchObject({ pending: 'cvm-1', holder: { interface: 'tap70' } });
    scene.ledger.configure({ ...net, ports: [null, ...net.ports.slice(1)] }, scene.nowNs, scene.wallMs);
    scene.wait(5000);
    expect(scene.binds().map(({ binding }) => binding?.interface)).toEqual(['tap7', 'tap70']);
    expect(scene.view()).toMatchObject({ pending: null, holder: { interface: 'tap70' } });
  });

  it('moves nothing of another instance, however its RARP looks', () => {
    const scene = new Scene(net);
    scene.announce(A);
    scene.take({ kind: 'relocate', port: B, havip: -1, mac: must(seedNetwork.ports[A], '').mac });
    expect(scene.view().holder?.interface).toBe('tap7');
  });
});

describe('restart and reload', () => {
  it('adopts what the switch holds and changes nothing', () => {
    const scene = new Scene();
    const adoption = bindingHere(must(seedNetwork.ports[A], ''), 0x0200ac111007, 7, 1000);
    expect(scene.ledger.adopt(HAVIP1, adoption, scene.nowNs, scene.wallMs)).toBe(true);
    expect(scene.ledger.adopt(HAVIP1, adoption, scene.nowNs, scene.wallMs)).toBe(false);
    expect(scene.ledger.adopt(99, adoption, scene.nowNs, scene.wallMs)).toBe(false);
    expect(scene.ledger.adopt(2, { ...adoption, port: 3 }, scene.nowNs, scene.wallMs)).toBe(false);
    scene.announce(A);
    expect(scene.binds()).toHaveLength(0);
    expect(scene.view()).toMatchObject({ epoch: 7, since: '1970-01-01T00:00:01.000Z', holder: { instance: 'cvm-1' } });
    scene.link(A, 'absent');
    scene.wait(10_001);
    expect(scene.view()).toMatchObject({ epoch: 8, state: 'unbound' });
  });

  it.each([
    ['the same port', {}, 'down'],
    ['a port of another guest on the same interface', { instance: 'cvm-8' }, 'down'],
    ['another interface', { interface: 'tap8' }, null],
  ] as const)('says what link a port has after a reload: %s', (_, change, state) => {
    const scene = new Scene();
    expect(scene.ledger.linkState(A)).toBeNull();
    scene.announce(A);
    scene.link(A, 'down');
    const ports = seedNetwork.ports.map((port) => (port?.index === A ? { ...port, ...change } : port));
    scene.ledger.configure({ ...seedNetwork, ports }, scene.nowNs, scene.wallMs);
    expect(scene.ledger.linkState(A)).toBe(state);
    scene.link(A, 'up', 99);
    expect(scene.ledger.linkState(A)).toBe('up');
    scene.ledger.configure({ ...seedNetwork, ports: [null, ...ports.slice(1)] }, scene.nowNs, scene.wallMs);
    expect(scene.ledger.linkState(A)).toBeNull();
  });

  it('keeps bindings of HAVIPs that did not change and ends the others', () => {
    const scene = new Scene();
    scene.announce(A);
    scene.announce(A, { havip: 2 });
    scene.master(B, low);
    const [first, second, third] = seedNetwork.havips;
    const changed = { ...seedNetwork, havips: [must(first, ''), must(second, ''), null] };
    scene.ledger.configure(changed, scene.nowNs, scene.wallMs);
    scene.wait(0);
    expect(scene.holder).toBe('cvm-2');
    expect(scene.ledger.view(2)).toBeNull();
    expect(scene.binds().at(-1)).toMatchObject({ havip: 2, binding: null });
    expect(scene.ledger.bindingsByState()).toEqual({ bound: 1, unbound: 1, contested: 0 });
    expect(scene.ledger.views()).toHaveLength(2);
    const without = { ...changed, havips: [{ ...must(first, ''), members: ['cvm-1'] }, must(second, ''), must(third, '')] };
    scene.ledger.configure(without, scene.nowNs, scene.wallMs);
    scene.wait(0);
    expect(scene.holder).toBeNull();
    expect(scene.events('unbound').at(-1)?.text).toContain('may no longer claim');
    scene.announce(B);
    expect(scene.holder).toBeNull();
    scene.announce(A);
    scene.ledger.configure(
      { ...without, ports: without.ports.map((port) => (port?.index === A ? null : port)) },
      scene.nowNs,
      scene.wallMs,
    );
    expect(scene.holder).toBeNull();
    scene.announce(A);
    scene.take({ kind: 'refused', port: A });
    expect(scene.holder).toBeNull();
  });

  it('keeps the binding of a HAVIP that has another id, and of a port that has another name', () => {
    const scene = new Scene();
    scene.announce(A);
    const since = scene.view().since;
    scene.wait(5000);
    const [first, ...rest] = seedNetwork.havips;
    const renamed = { ...seedNetwork, havips: [null, ...rest, { ...must(first, ''), id: 'vip-new', index: rest.length + 1 }] };
    scene.ledger.configure(renamed, scene.nowNs, scene.wallMs);
    scene.wait(0);
    const { index } = must(renamed.havips.at(-1), '');
    expect(scene.view(index)).toMatchObject({ id: 'vip-new', holder: { instance: 'cvm-1' }, since, failovers: 0 });
    expect(scene.binds().slice(-2)).toMatchObject([
      { havip: HAVIP1, binding: null },
      { havip: index, binding: { port: A } },
    ]);
    const ports = renamed.ports.map((port) => (port?.index === A ? { ...port, interface: 'tap7a' } : port));
    scene.ledger.configure({ ...renamed, ports }, scene.nowNs, scene.wallMs);
    scene.wait(20_000);
    expect(scene.view(index)).toMatchObject({ holder: { instance: 'cvm-1', interface: 'tap7a' }, since, failovers: 0 });
    const moved = [null, ...ports.slice(1), { ...must(ports[A], ''), index: ports.length, interface: 'tap7b' }];
    scene.ledger.configure({ ...renamed, ports: moved }, scene.nowNs, scene.wallMs);
    scene.wait(20_000);
    expect(scene.view(index)).toMatchObject({ holder: { instance: 'cvm-1', interface: 'tap7b' }, since, failovers: 0 });
    expect(scene.of('verify')).toEqual([]);
  });

  it('asks the former holder at once where its NIC is another one, and binds nobody until it answers', () => {
    const scene = new Scene();
    scene.announce(A);
    const other = { ...must(seedNetwork.ports[A], ''), interface: 'tap7a', mac: 0x0200ac1110aa };
    const ports = [other, ...seedNetwork.ports.slice(1)];
    scene.ledger.configure({ ...seedNetwork, ports }, scene.nowNs, scene.wallMs);
    scene.wait(0);
    expect(scene.holder).toBeNull();
    expect(scene.of('verify')).toMatchObject([{ havip: HAVIP1, port: A, mac: 0x0200ac1110aa, address: 0xac111003 }]);
    scene.answer(A);
    expect(scene.holder).toBe('cvm-1');
  });

  it('ignores claims for what is not there', () => {
    const scene = new Scene();
    scene.announce(A, { havip: 99 });
    scene.announce(3);
    scene.ledger.programmed(99, 1, 0);
    scene.ledger.reachable(99, 0);
    expect(scene.ledger.view(99)).toBeNull();
    expect(scene.view()).toMatchObject({ since: null, epoch: 0, state: 'unbound' });
    expect(scene.ledger.bindingOf(HAVIP1)).toBeNull();
    expect(scene.ledger.nextDeadlineNs()).toBe(Infinity);
  });
});

function talk(scene: Scene, ms: number, answers: boolean): void {
  for (let t = 0; t < ms; t += 1000) {
    const before = scene.of('verify').length;
    scene.wait(1000);
    scene.advert(A, high);
    if (answers && scene.of('verify').length > before) scene.answer(A);
  }
}

describe('a holder that goes on talking', () => {
  it.each(['auto', true] as const)('is asked each 10 s and, mute, told of and kept; verify: %s', (verify) => {
    const scene = new Scene(networkWith({ verify }));
    scene.advert(A, high);
    scene.announce(A);
    talk(scene, 60_000, true);
    expect(scene.of('verify').length).toBeGreaterThanOrEqual(5);
    expect(scene.of('verify').length).toBeLessThanOrEqual(8);
    expect(scene.events('verify')).toEqual([]);
    talk(scene, 40_000, false);
    expect(scene.holder).toBe('cvm-1');
    expect(scene.events('verify').map(({ text }) => text)).toEqual([expect.stringContaining('does not answer for the address')]);
    expect(scene.view().findings.map(({ kind }) => kind)).toContain('holder-mute');
    scene.answer(A);
    expect(scene.view().findings.map(({ kind }) => kind)).not.toContain('holder-mute');
    scene.wait(60_000);
    expect(scene.holder).toBeNull();
  });

  it('is not asked with verify off, in a replay, or with auto while it keeps no period', () => {
    for (const [verify, asks] of [
      [false, true],
      ['auto', false],
    ] as const) {
      const scene = new Scene(networkWith({ verify }), { asks });
      scene.advert(A, high);
      scene.announce(A);
      talk(scene, 60_000, false);
      scene.wait(20_000);
      expect(scene.of('verify')).toEqual([]);
      expect(scene.holder).toBe('cvm-1');
    }
    const once = new Scene(networkWith({ verify: 'auto' }));
    once.announce(A);
    once.wait(60_000);
    expect(once.of('verify')).toEqual([]);
  });
});
