/** Several hosts and a real etcd: who holds what is the same on all of them, whatever becomes of the store, of an agent, of a guest. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { command } from '../../native-fixtures/lab/command.ts';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { until as untilWithin } from '../../native-fixtures/lab/until.ts';
import { Host } from './hosts.ts';

/** Beside other labs a store, a heartbeat and an election may each want seconds. */
const LIMIT_MS = 60_000;
const SLOW = { timeout: 180_000 };
const until = (what: string, ask: () => boolean) => untilWithin(what, ask, LIMIT_MS);
const ALL = Array.from({ length: 50 }, (_, i) => `havip-${i + 1}`);
let etcd: Etcd;
let hosts: Host[];

function start(...numbers: number[]): Host[] {
  const made = numbers.map((number) => new Host(number, etcd.endpoints));
  hosts.push(...made);
  return made;
}

async function synced(some: readonly Host[]): Promise<void> {
  await until('hosts in touch', () => some.every(({ agent }) => agent.sharing?.status.state === 'synced'));
}

const beyond = (number: number) => `vx10 02:00:ac:11:10:0${number}`;
const here = (number: number) => `tap${number} 02:00:ac:11:10:0${number}`;

const failoverOn = (host: Host) => host.view('havip-1').lastFailover;

const moved = async (from: Host, to: Host, instance: string) => {
  to.say(instance, ['havip-1']);
  await until('the others', () => hosts.every((host) => host.view('havip-1').holder?.instance === instance));
  await until('programmed', () => from.programmed('havip-1') !== undefined && failoverOn(to)?.to === instance);
};

beforeEach(async () => {
  etcd = await Etcd.start();
  hosts = [];
});
afterEach(async () => {
  await Promise.all(hosts.map(({ agent }) => agent.stop()));
  await etcd.close();
});

describe('hosts with a store', () => {
  it('all have the holder, on its own host by the tap and on others beyond the uplink, by one epoch', SLOW, async () => {
    const [one, two, three] = start(1, 2, 3) as [Host, Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1']);
    expect(one.programmed('havip-1')).toBe(here(1));
    await until('the others', () => two.programmed('havip-1') === beyond(1) && three.programmed('havip-1') === beyond(1));
    two.say('cvm-2', ['havip-1']);
    await until('the others', () => one.programmed('havip-1') === beyond(2) && three.programmed('havip-1') === beyond(2));
    await until('one epoch', () => new Set(hosts.map((host) => host.view('havip-1').epoch)).size === 1);
    expect(two.programmed('havip-1')).toBe(here(2));
    expect(two.view('havip-1').lastFailover?.phasesMs.spread).toBeGreaterThan(0);
    expect(hosts.map((host) => host.view('havip-1').holder?.host)).toEqual(['host-2', 'host-2', 'host-2']);
    expect(hosts.map((host) => host.agent.ledger.counters.failovers.takeover)).toEqual([0, 1, 0]);
  });

  it('say that a link was lost on another host, where that is why', SLOW, async () => {
    const [one, two, three] = start(1, 2, 3) as [Host, Host, Host];
    await synced(hosts);
    one.link('up');
    one.say('cvm-1', ['havip-1']);
    await until('the others', () => two.programmed('havip-1') === beyond(1) && three.programmed('havip-1') === beyond(1));
    one.link('absent');
    await until('the sign', () => two.signs.length > 0 && three.signs.length > 0);
    expect([two, three].map((host) => host.programmed('havip-1'))).toEqual([beyond(1), beyond(1)]);
    await moved(one, two, 'cvm-2');
    expect(failoverOn(two)).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'link-down' });
    expect(failoverOn(two)?.phasesMs.detection).toBeGreaterThan(0);
    // Its link is back, and so is the guest; what was told of it before explains nothing of what comes.
    one.link('up');
    await until('the sign to go', () => two.signs.at(-1) === null);
    await moved(two, one, 'cvm-1');
    await moved(one, two, 'cvm-2');
    expect(failoverOn(two)?.cause).toBe('takeover');
  });

  it('do not believe it of a host where the holder is not', SLOW, async () => {
    const [one, two] = start(1, 2) as [Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1']);
    await until('the other', () => two.programmed('havip-1') === beyond(1));
    // As of the tap that a guest has left behind by a migration.
    two.agent.ledger.cut(0, 'cvm-1', 'host-3', two.agent.clock.nowNs());
    await moved(one, two, 'cvm-2');
    expect(failoverOn(two)?.cause).toBe('takeover');
  });

  it('do not believe the sign of a link that was lost before the holder was last heard', SLOW, async () => {
    const [one, two] = start(1, 2) as [Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1']);
    await until('the other', () => two.programmed('havip-1') === beyond(1));
    two.agent.ledger.cut(0, 'cvm-1', 'host-1', two.agent.clock.nowNs() - 60e9);
    await moved(one, two, 'cvm-2');
    expect(failoverOn(two)?.cause).toBe('takeover');
  });

  it('move 50 HAVIPs of one guest together', SLOW, async () => {
    const [one, two, three] = start(1, 2, 3) as [Host, Host, Host];
    await synced(hosts);
    one.say('cvm-1', ALL);
    // Who has not heard of all bases its transactions on revisions that are over.
    const haveAll = (host: Host) => ALL.every((havip) => host.programmed(havip) === beyond(1));
    await until('all at the others', () => haveAll(two) && haveAll(three));
    const before = three.agent.reconciler.counters.attempts;
    two.say('cvm-2', ALL);
    await until('all at the first', () => ALL.every((havip) => one.programmed(havip) === beyond(2)));
    expect(two.agent.sharing?.fabric.counters.transactions).toMatchObject({ beaten: 0, unknown: 0 });
    // A turn ends after 8 ms (agent/turns.ts): one to three here, more where this process gets no CPU.
    expect(two.agent.sharing?.fabric.counters.transactions.committed).toBeLessThan(ALL.length / 2);
    await until('all at the third', () => ALL.every((havip) => three.programmed(havip) === beyond(2)));
    expect(three.agent.reconciler.counters.attempts - before).toBeLessThan(ALL.length / 2);
  });

  it('agree when two claim at once', SLOW, async () => {
    const [one, two] = start(1, 2, 3) as [Host, Host, Host];
    await synced(hosts);
    for (const havip of ALL) {
      const [first, second] = Math.random() < 0.5 ? [one, two] : [two, one];
      first.say(first === one ? 'cvm-1' : 'cvm-2', [havip]);
      second.say(second === one ? 'cvm-1' : 'cvm-2', [havip]);
    }
    await until('agreement', () =>
      ALL.every((havip) => {
        const holders = hosts.map((host) => host.view(havip).holder?.instance);
        return new Set(holders).size === 1 && hosts.every((host) => host.agent.sharing?.status.pending === 0);
      }),
    );
    for (const havip of ALL) {
      const macs = hosts.map((host) => host.programmed(havip)?.split(' ')[1]);
      expect(new Set(macs).size).toBe(1);
    }
  });

  it('go on without the store, and agree when it is back', SLOW, async () => {
    const [one, two, three] = start(1, 2, 3) as [Host, Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1']);
    await until('the others', () => three.programmed('havip-1') === beyond(1));
    await etcd.kill(0);
    await until('away', () => hosts.every(({ agent }) => agent.sharing?.status.state === 'away'));
    two.say('cvm-2', ['havip-1']);
    expect(two.programmed('havip-1')).toBe(here(2));
    expect([one.programmed('havip-1'), three.programmed('havip-1')]).toEqual([here(1), beyond(1)]);
    expect(two.agent.sharing?.status.pending).toBe(1);
    etcd.run(0);
    await until('all agree', () => one.programmed('havip-1') === beyond(2) && three.programmed('havip-1') === beyond(2));
    expect(two.agent.sharing?.status.pending).toBe(0);
  });

  it('keep what they have over a restart of an agent, with the store and without it', SLOW, async () => {
    const [one, , three] = start(1, 2, 3) as [Host, Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1', 'havip-2']);
    await until('the third', () => three.programmed('havip-2') === beyond(1));
    for (const isThere of [true, false]) {
      if (!isThere) await etcd.kill(0);
      const before = hosts.at(-1)!;
      await before.agent.stop();
      const again = new Host(3, etcd.endpoints, { vswitch: before.vswitch });
      hosts[hosts.length - 1] = again;
      expect([again.programmed('havip-1'), again.programmed('havip-2')]).toEqual([beyond(1), beyond(1)]);
      if (isThere) await synced([again]);
      else await until('away', () => again.lines.some(({ message }) => message.includes('the store is away')));
      expect([again.programmed('havip-1'), again.programmed('havip-2')]).toEqual([beyond(1), beyond(1)]);
      expect(again.view('havip-1').holder?.instance).toBe(isThere ? 'cvm-1' : '02:00:ac:11:10:01');
    }
  });

  it('let a claim made without the store survive a restart of its agent', SLOW, async () => {
    const [one, two] = start(1, 2) as [Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1']);
    await until('the other', () => two.programmed('havip-1') === beyond(1));
    await etcd.kill(0);
    await until('away', () => two.agent.sharing?.status.state === 'away');
    two.say('cvm-2', ['havip-1']);
    await two.agent.stop();
    const again = new Host(2, etcd.endpoints, { vswitch: two.vswitch });
    hosts[1] = again;
    expect(again.programmed('havip-1')).toBe(here(2));
    etcd.run(0);
    await until('the other', () => one.programmed('havip-1') === beyond(2));
    expect(again.programmed('havip-1')).toBe(here(2));
  });

  it('take a migration for no failover', SLOW, async () => {
    const more =
      '  - { interface: tap9, instance: cvm-7, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.17] }';
    const made = [1, 2].map((number) => new Host(number, etcd.endpoints, { more }));
    hosts.push(...made);
    const [one, two] = made as [Host, Host];
    await synced(hosts);
    one.say('cvm-7', ['havip-1']);
    await until('the other', () => two.programmed('havip-1') === beyond(7));
    const { epoch } = one.view('havip-1');
    two.say('cvm-7', ['havip-1'], 'relocate');
    expect(two.programmed('havip-1')).toBe('tap9 02:00:ac:11:10:07');
    await until('the first host', () => one.programmed('havip-1') === beyond(7));
    expect(hosts.map((host) => host.view('havip-1').failovers)).toEqual([0, 0]);
    expect(two.agent.ledger.counters.migrations).toBe(1);
    expect(one.view('havip-1').epoch).toBeGreaterThan(epoch);
  });

  it('do not believe a binding for who may not hold it, and say so', SLOW, async () => {
    const [one, two] = start(1, 2) as [Host, Host];
    await synced(hosts);
    one.say('cvm-1', ['havip-1']);
    await until('the other', () => two.programmed('havip-1') === beyond(1));
    const forged = {
      instance: 'cvm-9',
      host: 'host-9',
      mac: '02:00:00:00:00:99',
      vtep: null,
      sinceMs: 1,
      startMs: 1,
      cause: null,
      from: null,
      holdMs: 0,
      id: 'x',
    };
    const record = { instance: 'cvm-9', subnet: 'subnet-a', mac: forged.mac, addresses: [], vtep: null };
    await etcd.ctl(['put', '/havip/v1/state/vpc-1/port/host-9/tap9', JSON.stringify(record)]);
    await etcd.ctl(['put', '/havip/v1/state/vpc-1/binding/havip-1', JSON.stringify(forged)]);
    await until('refusal at both', () => hosts.every(({ agent }) => agent.sharing?.status.refusals === 1));
    expect([one.programmed('havip-1'), two.programmed('havip-1')]).toEqual([here(1), beyond(1)]);
    expect(two.lines).toContainEqual({ level: 'warn', message: 'a binding in the store is not believed: not-member' });
    // A stranger's word takes nothing from the next real claim.
    two.say('cvm-2', ['havip-1']);
    await until('the claim', () => one.programmed('havip-1') === beyond(2));
  });

  it('let the second of one name write nothing', SLOW, async () => {
    start(1);
    await synced(hosts);
    const twin = new Host(1, etcd.endpoints, { bootId: 'another' });
    hosts.push(twin);
    await until('the twin to give up', () => twin.agent.sharing?.status.isSecond === true);
    expect(hosts[0]!.agent.sharing?.status.isSecond).toBe(false);
    expect(twin.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });
});

describe('a host that is alone', () => {
  it('loads nothing of the store: neither gRPC nor the protocol', async () => {
    const daemon = join(projectRoot(), 'dist/src/cli/daemon.js');
    // What Node.js has of packages in CommonJS, and which of our own files a loader saw.
    const script = `
      import { createRequire, register } from 'node:module';
      import { MessageChannel } from 'node:worker_threads';
      const { port1, port2 } = new MessageChannel();
      const seen = [];
      port1.on('message', (url) => seen.push(url));
      const hooks = 'export function initialize({ port }) { globalThis.port = port; }' +
        'export async function load(url, context, next) { globalThis.port.postMessage(url); return next(url, context); }';
      register('data:text/javascript,' + encodeURIComponent(hooks), { data: { port: port2 }, transferList: [port2] });
      await import(${JSON.stringify(daemon)});
      setTimeout(() => {
        console.log(JSON.stringify([...seen, ...Object.keys(createRequire(${JSON.stringify(daemon)}).cache)]));
        process.exit(0);
      }, 100);`;
    const said = await command(['node', '--input-type=module', '--eval', script], { limitMs: 30_000 });
    const loaded = JSON.parse(said) as string[];
    expect(loaded.filter((name) => name.endsWith('/agent/agent.js'))).toHaveLength(1);
    expect(loaded.filter((name) => /@grpc|protobufjs|\/src\/fabric\/|agent\/sharing/.test(name))).toEqual([]);
  });
});
