/** A store that answers and cannot write: its quota is full, or its disk is slow. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { StoreCatalogue } from '../../src/catalogue/store.ts';
import { readWish } from '../../src/catalogue/wish.ts';
import { Connection, type Access, type StoreError } from '../../src/fabric/etcd/connection.ts';
import { TXN } from '../../src/fabric/etcd/wire.ts';
import { EtcdWriter } from '../../src/fabric/etcd/writer.ts';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { PREFIX, Watcher } from './watcher.ts';

const OPEN: Access = { tls: null, user: null, password: () => null };
const FILLER = Buffer.alloc(512 * 1024, 'x');
/** Frozen and running, by turns: writes take long, and now and then longer than a deadline. */
const BURSTS: readonly (readonly [frozenMs: number, runningMs: number])[] = [
  ...Array.from({ length: 8 }, () => [300, 150] as const),
  [1600, 300],
  [300, 150],
  [2500, 500],
  ...Array.from({ length: 4 }, () => [400, 200] as const),
];

/** Until the store takes no more. */
async function fill(endpoint: string): Promise<number> {
  const connection = new Connection(endpoint, OPEN);
  try {
    for (let n = 0; ; n++) {
      const write = { request_put: { key: Buffer.from(`/filler/${n}`), value: FILLER, lease: 0 } };
      try {
        await connection.call(TXN, { compare: [], success: [write] }, 5000);
      } catch (error) {
        expect((error as StoreError).message).toContain('database space exceeded');
        return n;
      }
    }
  } finally {
    connection.close();
  }
}

describe('a store', () => {
  it('that is full leaves all as it is, says so, and goes on when there is room', { timeout: 120_000 }, async () => {
    const etcd = await Etcd.start({ flags: ['--quota-backend-bytes=6000000'] });
    const [a, b] = [new Watcher('a', etcd.endpoints), new Watcher('b', etcd.endpoints)];
    const writer = new EtcdWriter(etcd.endpoints, OPEN);
    const catalogue = new StoreCatalogue({ writer, prefix: PREFIX, wallMs: Date.now, isOfFile: () => false });
    try {
      await Promise.all([a.synced(), b.synced()]);
      await catalogue.addVpc('vpc-9', '172.17.0.0/16', 10);
      await catalogue.addSubnet('vpc-9', 'subnet-a', { cidr: '172.17.16.0/24', gateway: null, probe: false });
      expect((await a.propose(a.proposal('havip-1', 0))).result).toBe('committed');
      await until('its event', () => b.binding('havip-1') !== null);
      expect(await fill(etcd.endpoints[0]!)).toBeGreaterThan(2);

      const proposal = b.proposal('havip-1', b.binding('havip-1')?.revision ?? 0);
      const refused = await b.propose(proposal);
      expect(refused).toMatchObject({ result: 'unknown', why: expect.stringContaining('database space exceeded') as string });
      await b.propose(b.proposal('havip-1', b.binding('havip-1')?.revision ?? 0));
      expect(b.notes.filter((note) => note.includes('the store refuses a claim'))).toHaveLength(1);
      const wish = readWish({ vpc: 'vpc-9', subnet: 'subnet-a', id: 'web' });
      await expect(catalogue.allocate(wish, { by: 'a test', key: null })).rejects.toMatchObject({
        code: 'away',
        message: expect.stringMatching(/the store is full: .*database space exceeded/) as string,
      });
      // It answers, and nobody lost anything.
      expect([a.state, b.state]).toEqual(['synced', 'synced']);
      expect(b.binding('havip-1')?.value?.host).toBe('a');

      await etcd.ctl(['del', '--prefix', '/filler/']);
      const status = JSON.parse(await etcd.ctl(['endpoint', 'status', '-w', 'json'])) as {
        Status: { header: { revision: number } };
      }[];
      await etcd.ctl(['compaction', String(status[0]?.Status.header.revision)]);
      await etcd.ctl(['defrag']);
      await etcd.ctl(['alarm', 'disarm']);
      await until('a claim with room', async () => {
        return (await b.propose(b.proposal('havip-1', b.binding('havip-1')?.revision ?? 0))).result === 'committed';
      });
      await until('its event', () => a.binding('havip-1')?.value?.host === 'b');
      expect((await catalogue.allocate(wish, { by: 'a test', key: null })).address).toBe('172.17.16.1');
      expect([...a.missed, ...b.missed]).toEqual([]);
    } finally {
      writer.close();
      await Promise.all([a.close(), b.close()]);
      await etcd.close();
    }
  });

  it('with a slow disk loses no event and no acknowledged write', { timeout: 120_000 }, async () => {
    const etcd = await Etcd.start();
    const hosts = ['a', 'b'].map((host) => new Watcher(host, etcd.endpoints));
    const work = { over: false };
    const acknowledged = new Map<string, number>();
    const claims = async (host: Watcher, havip: string) => {
      while (!work.over) {
        const proposal = host.proposal(havip, host.binding(havip)?.revision ?? 0);
        const outcome = await host.propose(proposal);
        if (outcome.result === 'committed') acknowledged.set(havip, Math.max(acknowledged.get(havip) ?? 0, outcome.revision));
        await sleep(outcome.result === 'committed' ? 5 : 30);
      }
    };
    try {
      await Promise.all(hosts.map((host) => host.synced()));
      const writers = hosts.map((host, i) => claims(host, `havip-${i}`));
      for (const [frozenMs, runningMs] of BURSTS) {
        etcd.signal(0, 'SIGSTOP');
        await sleep(frozenMs);
        etcd.signal(0, 'SIGCONT');
        await sleep(runningMs);
      }
      work.over = true;
      await Promise.all(writers);
      await until('both in touch', () => hosts.every(({ state }) => state === 'synced'));
      for (const [havip, revision] of acknowledged)
        await until(`${havip} everywhere`, () => hosts.every((host) => (host.binding(havip)?.revision ?? 0) >= revision));
      expect(acknowledged.size).toBe(2);
      expect(hosts.flatMap(({ missed }) => missed)).toEqual([]);
      expect(hosts.map(({ fabric }) => fabric.counters.gaps)).toEqual([0, 0]);
    } finally {
      work.over = true;
      await Promise.all(hosts.map((host) => host.close()));
      await etcd.close();
    }
  });
});
