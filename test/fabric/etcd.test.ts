/** The etcd driver against Debian's etcd: what one member does, and what its users may. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { PREFIX, VPC, Watcher } from './watcher.ts';

const open: Watcher[] = [];
let etcd: Etcd;

function watcher(host: string, more: ConstructorParameters<typeof Watcher>[2] = {}): Watcher {
  const made = new Watcher(host, etcd.endpoints, more);
  open.push(made);
  return made;
}

beforeAll(async () => {
  etcd = await Etcd.start();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await etcd.close();
});

describe('one member of etcd', () => {
  it('tells a VPC as a list, then each change in order', async () => {
    await etcd.ctl([
      'put',
      `${PREFIX}/config/${VPC}/havip/havip-1`,
      '{"subnet":"a","address":"10.0.0.1","members":null,"fence":true,"assist":null,"verify":false,"probe":false,"later":7}',
    ]);
    const [a, b] = [watcher('a'), watcher('b')];
    await Promise.all([a.synced(), b.synced()]);
    expect(a.snapshots.find(({ vpc }) => vpc === VPC)).toMatchObject({ reason: 'start', items: 1 });
    // Fields of a later version stay.
    expect(a.items.get(`havip ${VPC} havip-1 `)?.value).toMatchObject({ address: '10.0.0.1', later: 7 });
    const first = await a.propose(a.proposal('havip-1', 0));
    expect(first.result).toBe('committed');
    await until('change at b', () => b.binding('havip-1') !== null);
    expect(b.binding('havip-1')).toMatchObject({ version: 1, value: { instance: 'cvm-a' } });
    expect(b.binding('havip-1')?.revision).toBe(first.result === 'committed' ? first.revision : 0);
  });

  it('lets one of two claims on the same revision win, and a group stand or fall whole', async () => {
    const [a, b] = [watcher('a'), watcher('b')];
    await Promise.all([a.synced(), b.synced()]);
    const based = a.binding('havip-2')?.revision ?? 0;
    const outcomes = await Promise.all([a.propose(a.proposal('havip-2', based)), b.propose(b.proposal('havip-2', based))]);
    expect(outcomes.map(({ result }) => result).sort()).toEqual(['beaten', 'committed']);
    const group = await b.propose(b.proposal('havip-3', 0), b.proposal('havip-2', based));
    expect(group.result).toBe('beaten');
    await until('agreement', () => a.binding('havip-2')?.revision === b.binding('havip-2')?.revision);
    expect(b.binding('havip-3')).toBeNull();
  });

  it('rules by the configuration that was seen', async () => {
    const a = watcher('a');
    await a.synced();
    const config = a.items.get(`havip ${VPC} havip-1 `)!;
    const based = a.binding('havip-1')?.revision ?? 0;
    expect((await a.propose(a.proposal('havip-1', based, {}, config.revision - 1))).result).toBe('beaten');
    expect((await a.propose(a.proposal('havip-1', based, {}, config.revision))).result).toBe('committed');
  });

  it('ignores what it cannot read, counts it and says it once', async () => {
    const a = watcher('a');
    await a.synced();
    for (const value of ['{', '{"instance":1}', '{"instance":1}'])
      await etcd.ctl(['put', `${PREFIX}/state/${VPC}/binding/bad`, value]);
    await etcd.ctl(['put', `${PREFIX}/state/${VPC}/of-a-later-version/x`, 'y']);
    await until('three bad values', () => a.fabric.counters.badValues === 3);
    expect(a.notes).toHaveLength(2);
    expect(a.binding('bad')).toBeNull();
    expect(a.fabric.counters.gaps).toBe(0);
  });

  it('keeps ports and its host record in the store, and takes away those of an earlier life', async () => {
    await etcd.ctl([
      'put',
      `${PREFIX}/state/${VPC}/port/a/tap-old`,
      '{"instance":"x","subnet":"s","mac":"02:00:00:00:00:09","addresses":[],"vtep":null}',
    ]);
    const a = watcher('a');
    const record = { instance: 'cvm-a', subnet: 's', mac: '02:00:00:00:00:01', addresses: ['10.0.0.7'], vtep: null };
    a.fabric.publishPort(VPC, 'tap 1/2', record);
    a.fabric.publishHost({ vtep: null, version: '1', startedMs: 1, bootId: 'x' });
    await a.synced();
    await until('its port', () => a.items.get(`port ${VPC} tap 1/2 a`)?.value);
    await until('its host record', () => a.items.get('host  a ')?.value);
    await until('the old port to go', () => a.items.get(`port ${VPC} tap-old a`) === undefined);
    expect(a.items.get(`port ${VPC} tap 1/2 a`)?.value).toEqual(record);
    // Somebody's broom: written again with the next list.
    await etcd.ctl(['del', '--prefix', `${PREFIX}/state/${VPC}/port/`]);
    a.fabric.relist(VPC);
    await until('its port again', () => a.items.get(`port ${VPC} tap 1/2 a`)?.value);
  });

  it('reads 2,500 bindings in pages', async () => {
    const a = watcher('big');
    await a.synced();
    const text = 'x'.repeat(200);
    const batchOf = (n: number, version: number) =>
      Array.from({ length: 50 }, (_, i) => {
        const havip = `big-${n * 50 + i}`;
        return a.proposal(havip, version === 0 ? 0 : a.binding(havip)!.revision, { from: text, cause: `v${version}` });
      });
    for (let n = 0; n < 50; n++) expect((await a.propose(...batchOf(n, 0))).result).toBe('committed');
    const late = watcher('late');
    await late.synced();
    expect([...late.items.keys()].filter((key) => key.startsWith('binding'))).toHaveLength(
      [...a.items.keys()].filter((key) => key.startsWith('binding')).length,
    );
    expect(late.fabric.counters.gaps).toBe(0);
    expect(late.items.size).toBeGreaterThan(2500);
  });

  it('lists again when the past was compacted', async () => {
    const [a, b] = [watcher('a'), watcher('b')];
    await Promise.all([a.synced(), b.synced()]);
    etcd.signal(0, 'SIGSTOP');
    await until('both away', () => a.state === 'away' && b.state === 'away');
    etcd.signal(0, 'SIGCONT');
    // In the gap: a change, and the loss of its history. Whoever is back before sees it as a change, others in a list.
    await etcd.ctl(['put', `${PREFIX}/state/${VPC}/sign/cvm-9`, '{"host":"a","kind":"link-down","agoMs":3}']);
    const status = await etcd.ctl(['endpoint', 'status', '--write-out=json']);
    const revision = /"revision":(\d+)/.exec(status)?.[1] ?? '0';
    await etcd.ctl(['compaction', revision]);
    await Promise.all([a.synced(), b.synced()]);
    await until('the sign at both', () => [a, b].every((one) => one.items.get(`sign ${VPC} cvm-9 `)?.value));
    expect([...a.missed, ...b.missed]).toEqual([]);
  });

  it('takes what hung on a lease away when it ends, and has it back with the host', { timeout: 60_000 }, async () => {
    const a = watcher('mortal', { leaseSeconds: 2 });
    const b = watcher('b');
    a.fabric.publishHost({ vtep: null, version: '1', startedMs: 1, bootId: 'x' });
    await Promise.all([a.synced(), b.synced()]);
    expect((await a.propose(a.proposal('havip-9', 0))).result).toBe('committed');
    await until('host record', () => b.items.get('host  mortal ')?.value);
    await a.close();
    await until('host gone', () => b.items.get('host  mortal ') === undefined, 20_000);
    expect(b.binding('havip-9')?.value?.host).toBe('mortal');
  });
});
