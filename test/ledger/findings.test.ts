/** What is wrong with a tenant's set-up, and what the view and the flight recorder show of a HAVIP. */
import { expect, it } from 'vitest';
import { V, VERDICTS } from '../../src/base/verdict.ts';
import { Recorder } from '../../src/ledger/recorder.ts';
import { Deadlines } from '../../src/ledger/deadlines.ts';
import { CVM4, seedNetwork } from '../network.ts';
import { A, B, C, HAVIP1, networkWith, Scene } from './scene.ts';

const high = { priority: 100 };
const low = { priority: 80 };
const kinds = (scene: Scene): string[] => scene.view().findings.map(({ kind }) => kind);

it('finds a missing announcement refresh', () => {
  const scene = new Scene();
  scene.master(A, high);
  scene.live(A, high, 61_000);
  expect(kinds(scene)).toContain('no-refresh');
  scene.announce(A);
  expect(kinds(scene)).not.toContain('no-refresh');
});

it('finds one VRID in two clusters, and no such thing within one', () => {
  const scene = new Scene(networkWith({ members: null }));
  scene.advert(A, high);
  scene.advert(B, low);
  expect(kinds(scene)).not.toContain('vrid-shared');
  scene.advert(C, low, { havip: 2 });
  expect(scene.view().findings.find(({ kind }) => kind === 'vrid-shared')?.text).toContain('cvm-3 for havip-3');
  scene.wait(61_000);
  expect(kinds(scene)).not.toContain('vrid-shared');
});

it('finds different intervals', () => {
  const scene = new Scene();
  scene.advert(A, high);
  scene.resign(A, high);
  scene.wait(700);
  scene.advert(B, { ...low, intervalMs: 2000 });
  expect(scene.view().findings.find(({ kind }) => kind === 'interval-mismatch')?.text).toMatch(/1000 ms.*2000 ms/);
});

it('finds VRRP that is sent from the HAVIP, by the refused frame', () => {
  const scene = new Scene();
  const frame = new Uint8Array(60);
  frame.set([0x08, 0x00], 12);
  frame.set([172, 17, 16, 3], 26);
  scene.take({ kind: 'refused', port: A, havip: -1, verdict: V['vrrp-source'], frame });
  expect(kinds(scene)).toEqual(['vrrp-from-havip', 'claim-refused']);
  scene.wait(3_700_000);
  expect(kinds(scene)).toEqual([]);
});

it('finds a lone member, all members on one host, and claims after a resignation', () => {
  const alone = new Scene({ ...seedNetwork, ports: seedNetwork.ports.map((port) => (port?.index === B ? null : port)) });
  alone.announce(A);
  expect(kinds(alone)).toEqual(['single-member']);
  const scene = new Scene();
  scene.master(A, high);
  expect(kinds(scene)).toEqual(['one-host']);
  scene.wait(500);
  scene.resign(A, high);
  scene.wait(50);
  scene.answer(A);
  expect(kinds(scene)).not.toContain('announced-after-release');
  scene.wait(500);
  scene.answer(A);
  expect(kinds(scene)).toContain('announced-after-release');
});

it('tells the tenant what to change when a claim is refused, and forgets the oldest of too many', () => {
  const scene = new Scene();
  scene.take({ kind: 'refused', port: C, verdict: V['not-member'] });
  scene.take({ kind: 'refused', port: C, verdict: V['not-member'] });
  scene.take({ kind: 'refused', port: C, verdict: V['rate-limited'] });
  expect(scene.view().findings).toEqual([
    { kind: 'claim-refused', havip: 'havip-1', text: expect.stringContaining('cvm-3 is refused (not-member)') },
  ]);
  scene.ledger.countFindings(scene.nowNs);
  expect(scene.ledger.findingCounts).toMatchObject({ 'claim-refused': 1, 'no-refresh': 0 });
  for (const port of [A, B, CVM4]) for (const verdict of VERDICTS.keys()) scene.take({ kind: 'refused', port, verdict });
  expect(scene.view().findings.some(({ text }) => text.includes('cvm-3'))).toBe(false);
});

it('shows the evidence, the successor and the contract’s fields', () => {
  const scene = new Scene();
  scene.master(A, { ...high, destination: 0xac11100d });
  scene.wait(250);
  expect(scene.view()).toMatchObject({
    id: 'havip-1',
    vpc: 'vpc-1',
    subnet: 'subnet-a',
    address: '172.17.16.3',
    state: 'bound',
    holder: { instance: 'cvm-1', interface: 'tap7', mac: '02:00:ac:11:10:07', host: 'host-a' },
    since: '2026-01-01T00:00:10.001Z',
    epoch: 1,
    failovers: 0,
    lastFailover: null,
    contested: false,
    successor: 'cvm-2',
    assist: null,
    evidence: [{ instance: 'cvm-1', vrid: 51, state: 'master', priority: 100, auth: 'pass', lastAdvertAgoMs: 251 }],
  });
  scene.wait(5000);
  expect(scene.view().evidence[0]?.state).toBe('silent');
  scene.advert(B, low);
  expect(scene.view().successor).toBe('cvm-2');
  scene.resign(B, low);
  expect(scene.view().evidence[1]?.state).toBe('resigned');
  expect(scene.ledger.views()).toHaveLength(3);
});

it('records the frames around each change and outlives a flood', () => {
  const scene = new Scene();
  scene.announce(A);
  scene.wait(3000);
  scene.announce(B);
  for (let i = 0; i < 50_000; i++) {
    scene.nowMs += 0.1;
    scene.announce(A);
  }
  const entries = scene.ledger.record(HAVIP1);
  expect(entries.length).toBeLessThanOrEqual(96);
  expect(entries.map(({ note }) => note)).toContain('cvm-2 takes over from cvm-1: takeover');
  expect(entries.map(({ capturedNs }) => capturedNs)).toEqual(
    entries.map(({ capturedNs }) => capturedNs).toSorted((a, b) => a - b),
  );
  expect(scene.ledger.record(2)).toEqual([]);
});

it('bounds the recorder’s bytes over all HAVIPs, those without a change first', () => {
  const recorder = new Recorder(3000);
  recorder.notable(1, null, 1, 0, 0, 'moved', true);
  for (let havip = 2; havip < 40; havip++) recorder.notable(havip, null, havip, 0, 0, 'seen', false);
  expect(recorder.bytes).toBeLessThanOrEqual(3000);
  expect(recorder.entries(1)).toHaveLength(1);
  expect(recorder.entries(2)).toHaveLength(0);
  recorder.forget(1);
  recorder.forget(1);
  expect(recorder.entries(1)).toHaveLength(0);
});

it('remembers a bounded number of claimants and speakers', () => {
  const ports = Array.from({ length: 40 }, (_, i) => ({
    ...seedNetwork.ports[A]!,
    index: i,
    interface: `tap${i}`,
    instance: `g${i}`,
    mac: 0x020000000000 + i,
    addresses: [0xac111020 + i],
  }));
  const scene = new Scene({ ...networkWith({ members: null }), ports });
  for (let i = 0; i < 40; i++) {
    scene.master(i, { priority: 100 + i });
    scene.wait(100);
  }
  expect(scene.view().evidence.length).toBeLessThanOrEqual(16);
  scene.wait(1000);
  expect(scene.holder).toBe('g39');
});

it('keeps deadlines in order', () => {
  const deadlines = new Deadlines<{ deadlineNs: number; place: number; id: number }>();
  const items = [50, 10, 40, 20, 30, 60, 5].map((id) => ({ deadlineNs: Infinity, place: -1, id }));
  for (const item of items) deadlines.set(item, item.id);
  for (const item of items) deadlines.set(item, item.id + 5);
  deadlines.remove(items[2]!);
  deadlines.remove(items[2]!);
  expect(deadlines.size).toBe(6);
  const order = [];
  for (let item = deadlines.pop(55); item !== null; item = deadlines.pop(55)) order.push(item.id);
  expect(order).toEqual([5, 10, 20, 30, 50]);
  expect(deadlines.nextNs()).toBe(60);
});
