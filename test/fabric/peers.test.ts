/** The protocol of one host, by hand: what it sends, when, and what it makes of answers. */
import { describe, expect, it } from 'vitest';
import type { Claimed, Ruler } from '../../src/fabric/claimed.ts';
import type { Proposal } from '../../src/fabric/fabric.ts';
import { Peers } from '../../src/fabric/peers.ts';
import type { BindingRecord, Item } from '../../src/fabric/records.ts';

const VPC = 'vpc-1';
const MS = 1e6;

class Desk implements Ruler {
  readonly sent: Proposal[][] = [];
  readonly told: string[] = [];
  readonly relisted: string[] = [];
  moves = true;
  held: Claimed | null = null;
  nowNs = 1e12;
  readonly peers: Peers;

  constructor() {
    this.peers = new Peers({
      host: 'here',
      boot: 'boot',
      vtep: null,
      ruler: this,
      directory: { havip: (_, havip) => (havip.startsWith('h') ? { subnet: 's', members: ['a', 'b'] } : null) },
      fabric: { propose: (batch) => this.sent.push([...batch]), relist: (vpc) => this.relisted.push(vpc) },
      random: () => 0.5,
    });
    const ports = [this.port('here', 'a', '02:00:00:00:00:0a'), this.port('there', 'b', '02:00:00:00:00:0b')];
    this.peers.snapshot(VPC, ports, 10, 'start', this.nowNs);
    this.peers.stateChanged('synced', this.nowNs);
  }

  port(host: string, instance: string, mac: string): Item {
    return {
      kind: 'port',
      vpc: VPC,
      id: `tap-${instance}`,
      host,
      value: { instance, subnet: 's', mac, addresses: [], vtep: null },
      revision: 5,
      version: 1,
    };
  }

  claimOf(havip: string, more: Partial<Claimed> = {}): Claimed {
    const startMs = 1000 + this.nowNs / MS;
    const when = { sinceMs: startMs, startNs: this.nowNs, startMs, streakNs: this.nowNs };
    const who = { vpc: VPC, havip, instance: 'a', mac: '02:00:00:00:00:0a' };
    return { ...who, ...when, cause: null, from: null, holdMs: 1000, masterDownMs: null, ...more };
  }

  claim(havip: string, more: Partial<Claimed> = {}): void {
    this.peers.claimed(this.claimOf(havip, more), this.nowNs);
  }

  tick(ms = 0): void {
    this.nowNs += ms * MS;
    this.peers.tick(this.nowNs);
  }

  /** Somebody else's binding comes. */
  event(havip: string, revision: number, version: number, more: Partial<BindingRecord> = {}): void {
    const startMs = 1000 + this.nowNs / MS;
    const value = {
      instance: 'b',
      host: 'there',
      mac: '02:00:00:00:00:0b',
      vtep: null,
      sinceMs: startMs,
      startMs,
      cause: null,
      from: null,
      holdMs: 1000,
      id: `x${revision}`,
      ...more,
    };
    this.peers.change({ kind: 'binding', vpc: VPC, id: havip, value, revision, version }, this.nowNs);
  }

  get last(): Proposal[] {
    return this.sent.at(-1) ?? [];
  }

  answer(batch: readonly Proposal[], result: 'committed' | 'beaten' | 'unknown', revision = 0): void {
    const ids = batch.map(({ id }) => id);
    this.peers.outcome(
      ids,
      result === 'committed' ? { result, revision } : result === 'beaten' ? { result } : { result, why: '' },
      this.nowNs,
    );
  }

  stillMoves(): boolean {
    return this.moves;
  }

  stored(_: string, havip: string, binding: BindingRecord | null, revision: number): void {
    this.told.push(`${havip} ${binding?.instance ?? 'nobody'} ${revision}`);
  }

  acknowledged(_: string, havip: string, revision: number): void {
    this.told.push(`${havip} acknowledged ${revision}`);
  }

  superseded({ havip }: Claimed): void {
    this.told.push(`${havip} superseded`);
  }

  again({ havip }: Claimed): void {
    this.told.push(`${havip} again`);
  }

  heldHere(): Claimed | null {
    return this.held;
  }

  refused(_: string, havip: string, __: BindingRecord, why: string): void {
    this.told.push(`${havip} refused ${why}`);
  }
}

const havip = (revision: number): Item => ({
  kind: 'havip',
  vpc: VPC,
  id: 'h1',
  value: { subnet: 's', address: '10.0.0.1', members: null, fence: true, assist: null, verify: false, probe: false },
  revision,
  version: revision - 14,
});

describe('a host', () => {
  it('sends what is decided together as one transaction of at most 60, on top of what it knows', () => {
    const desk = new Desk();
    desk.event('h0', 20, 1);
    for (let i = 0; i < 70; i++) desk.claim(`h${i}`);
    desk.tick();
    expect(desk.sent.map((batch) => batch.length)).toEqual([60, 10]);
    expect(desk.sent[0]?.slice(0, 2).map(({ based }) => based)).toEqual([20, 0]);
    desk.tick();
    expect(desk.sent).toHaveLength(2);
  });

  it('repeats a group that was beaten claim by claim, at most 8 under way', () => {
    const desk = new Desk();
    for (let i = 0; i < 20; i++) desk.claim(`h${i}`);
    desk.tick();
    const [group = []] = desk.sent;
    desk.answer(group, 'beaten');
    desk.tick();
    expect(desk.sent.slice(1).map((batch) => batch.length)).toEqual(Array.from({ length: 8 }, () => 1));
    // Nothing of the group was written: the same ids.
    expect(desk.sent[1]?.[0]?.id).toBe(group[0]?.id);
    expect(desk.peers.nextNs()).toBe(Number.POSITIVE_INFINITY);
    desk.answer(desk.sent[1] ?? [], 'committed', 30);
    desk.tick();
    expect(desk.sent).toHaveLength(10);
  });

  it('does nothing when it is beaten but wait for what was first, and lists when that does not come', () => {
    const desk = new Desk();
    desk.claim('h1');
    desk.tick();
    desk.answer(desk.last, 'beaten');
    desk.tick(1900);
    expect([desk.sent.length, desk.relisted]).toEqual([1, []]);
    desk.tick(200);
    expect(desk.relisted).toEqual([VPC]);
  });

  it('tries the same again when there was no answer, and learns by its own id that it was written', () => {
    const desk = new Desk();
    desk.claim('h1');
    desk.tick();
    const [first] = desk.last;
    desk.answer(desk.last, 'unknown');
    desk.tick(20);
    expect(desk.sent).toHaveLength(1);
    desk.tick(60);
    expect(desk.last).toEqual([first]);
    desk.answer(desk.last, 'beaten');
    desk.peers.change({ kind: 'binding', vpc: VPC, id: 'h1', value: first!.binding, revision: 21, version: 1 }, desk.nowNs);
    expect(desk.told).toEqual(['h1 acknowledged 21']);
    expect(desk.peers.pending).toBe(0);
  });

  it('proposes a newer claim once more on top of what beat it, by the ledger and by arrival', () => {
    const desk = new Desk();
    desk.claim('h1');
    desk.tick(1);
    const { id } = desk.last[0]!;
    desk.event('h1', 20, 1);
    desk.tick();
    expect(desk.last[0]).toMatchObject({ based: 20 });
    expect(desk.last[0]?.id).not.toBe(id);
    // The answer to the first attempt is of no interest any more.
    desk.peers.outcome([id], { result: 'beaten' }, desk.nowNs);
    desk.answer(desk.last, 'committed', 22);
    expect(desk.told).toEqual(['h1 acknowledged 22']);
  });

  it.each([
    ['the ledger says no', 1, false],
    ['it is a second older than what came', 1100, true],
  ])('drops a claim when %s, and says so', (_, ms, moves) => {
    const desk = new Desk();
    desk.moves = moves;
    desk.claim('h1');
    desk.tick();
    desk.nowNs += ms * MS;
    desk.event('h1', 20, 1);
    expect(desk.told).toEqual(['h1 superseded', 'h1 b 20']);
    expect(desk.peers.pending).toBe(0);
  });

  it.each([
    [1000, ['h1 superseded', 'h1 b 20']],
    [-2500, []],
  ])('out of touch, lets wall clocks choose that differ by more than 2 s (%i ms)', (ms, told) => {
    const desk = new Desk();
    desk.peers.stateChanged('away', desk.nowNs);
    desk.claim('h1');
    desk.event('h1', 20, 1, { startMs: 1000 + desk.nowNs / MS + ms });
    expect(desk.told).toEqual(told);
  });

  it('waits for its turn when the store is back, so that hosts do not all come at once', () => {
    const desk = new Desk();
    desk.peers.stateChanged('away', desk.nowNs);
    desk.claim('h1');
    desk.tick(60_000);
    expect(desk.sent).toEqual([]);
    desk.peers.stateChanged('synced', desk.nowNs);
    desk.tick(200);
    expect(desk.sent).toEqual([]);
    desk.tick(100);
    expect(desk.last).toHaveLength(1);
  });

  it('is ruled by the configuration it saw, and proposes anew when that has changed', () => {
    const desk = new Desk();
    desk.peers.change(havip(15), desk.nowNs);
    desk.claim('h1');
    desk.tick();
    expect(desk.last[0]).toMatchObject({ ruledBy: 15 });
    desk.answer(desk.last, 'beaten');
    desk.peers.change(havip(16), desk.nowNs);
    desk.tick();
    expect(desk.last[0]).toMatchObject({ ruledBy: 16, based: 0 });
  });

  it('drops a claim that may lie under what came, when no answer tells', () => {
    const desk = new Desk();
    desk.claim('h1', { masterDownMs: 3600 });
    desk.tick();
    // Two versions on: one of them may be ours.
    desk.event('h1', 22, 2);
    expect(desk.told).toEqual([]);
    desk.answer(desk.last, 'unknown');
    expect(desk.told).toEqual(['h1 superseded', 'h1 b 22']);
    // It has had its chance, as far as anybody knows.
    desk.tick(10_000);
    expect(desk.told).toHaveLength(2);
  });

  it('gives a master that lost one second chance, and no third', () => {
    const desk = new Desk();
    desk.moves = false;
    desk.claim('h1', { masterDownMs: 3600, streakNs: 7 });
    desk.tick();
    desk.event('h1', 20, 1);
    desk.tick(4500);
    expect(desk.told.at(-1)).toBe('h1 b 20');
    desk.tick(200);
    expect(desk.told.at(-1)).toBe('h1 again');
    desk.claim('h1', { masterDownMs: 3600, streakNs: 7 });
    desk.tick();
    expect(desk.last[0]).toMatchObject({ based: 20 });
    desk.event('h1', 23, 2);
    desk.tick(20_000);
    expect(desk.told.filter((text) => text === 'h1 again')).toHaveLength(1);
  });

  it('withdraws what it holds, and never what another host does', () => {
    const desk = new Desk();
    desk.claim('h1');
    desk.tick();
    desk.answer(desk.last, 'committed', 20);
    desk.claim('h1', { instance: null, mac: null });
    desk.tick();
    expect(desk.last[0]).toMatchObject({ based: 20, binding: { instance: null } });
    const other = new Desk();
    other.event('h1', 20, 1);
    other.claim('h1', { instance: null, mac: null });
    other.tick();
    expect(other.sent).toEqual([]);
    expect(other.told).toEqual(['h1 b 20', 'h1 b 20']);
  });

  it('follows up a claim that was withdrawn before anybody answered', () => {
    const desk = new Desk();
    desk.claim('h1');
    desk.tick();
    const batch = desk.last;
    desk.claim('h1', { instance: null, mac: null });
    expect(desk.sent).toHaveLength(1);
    desk.answer(batch, 'committed', 20);
    desk.tick();
    expect(desk.last[0]).toMatchObject({ based: 20, binding: { instance: null } });
  });

  it('proposes no more what its ledger has let go to another host', () => {
    const desk = new Desk();
    desk.peers.stateChanged('away', desk.nowNs);
    desk.claim('h1');
    const nobody: Claimed = { ...desk.claimOf('h1'), instance: null, mac: null };
    desk.peers.yielded(VPC, 'h1', nobody);
    desk.peers.stateChanged('synced', desk.nowNs);
    desk.tick(1000);
    expect([desk.sent, desk.told]).toEqual([[], []]);
  });

  it.each<[string, Partial<BindingRecord>, string | null]>([
    ['who is no member', { instance: 'c' }, 'h1 refused not-member'],
    ["with a MAC that is no port's", { mac: '02:00:00:00:00:99' }, 'h1 refused foreign-mac'],
    ['with a virtual MAC of VRRP', { mac: '00:00:5e:00:01:33' }, 'h1 b 20'],
    ['on a host that has no port of it', { host: 'elsewhere' }, null],
  ])('judges a binding for one %s', (_, more, says) => {
    const desk = new Desk();
    desk.event('h1', 20, 1, more);
    expect(desk.told).toEqual(says === null ? [] : [says]);
    desk.tick(2100);
    expect(desk.told).toEqual([says ?? 'h1 refused other-host']);
  });

  it('believes a binding when the port that it is believed by comes', () => {
    const desk = new Desk();
    desk.event('h1', 20, 1, { host: 'third' });
    desk.peers.change(desk.port('third', 'b', '02:00:00:00:00:0b'), desk.nowNs);
    expect(desk.told).toEqual(['h1 b 20']);
  });

  it('says again what a restored store has forgotten, and only that', () => {
    const desk = new Desk();
    desk.claim('h1');
    desk.tick();
    desk.answer(desk.last, 'committed', 20);
    const { binding } = desk.last[0]!;
    desk.held = {
      vpc: VPC,
      havip: 'h1',
      instance: 'a',
      mac: binding.mac,
      sinceMs: 1,
      startNs: 1,
      startMs: binding.startMs,
      streakNs: 1,
      cause: null,
      from: null,
      holdMs: 0,
      masterDownMs: null,
    };
    // A list that is merely late takes nothing back.
    desk.peers.snapshot(VPC, [desk.port('here', 'a', '02:00:00:00:00:0a')], 15, 'asked', desk.nowNs);
    expect(desk.sent).toHaveLength(1);
    desk.peers.snapshot(VPC, [desk.port('here', 'a', '02:00:00:00:00:0a')], 15, 'restored', desk.nowNs);
    desk.tick();
    expect(desk.last[0]).toMatchObject({ havip: 'h1', based: 0 });
  });
});
