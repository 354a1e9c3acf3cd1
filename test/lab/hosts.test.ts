/** Two hosts and an uplink, without any store: who is believed, what a restart keeps, what a migration is. Needs root. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { arp, rarp, vrrp } from '../../native-fixtures/frames.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Hosts } from '../../native-fixtures/lab/hosts.ts';
import { monotonicMs } from '../../native-fixtures/lab/ping.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import { Wire } from '../../native-fixtures/lab/wire.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('hosts and uplinks: skipped, they need root to make network namespaces');

const PATH = '/api/v1/havips/havip-1';
const TWO = { 'host-a': ['cvm-1', 'client'], 'host-b': ['cvm-2'] };
const MAC2 = '02:00:ac:11:10:0d';
const STRANGER = '02:00:ac:11:10:aa';
const LATE = { timeout: 20_000, interval: 100 };

const isOn = (instance: string, name: string) => (view: HavipView) =>
  view.holder?.instance === instance && view.holder.interface === name;
const holderEntries = async (hosts: Hosts, id: string) => {
  const text = await hosts.host(id).space.exec(['nft', 'list', 'set', 'netdev', 'havip', 'holder']);
  return text.match(/"[^"]+" \. [\d.]+/g) ?? [];
};

function say(hosts: Hosts, ...frames: readonly Uint8Array[]): void {
  const wire = new Wire(hosts.fabric.path, 'fab');
  try {
    for (const frame of frames) wire.send(frame);
  } finally {
    wire.close();
  }
}

async function holds(agent: AgentProcess, instance: string, name: string): Promise<HavipView> {
  return agent.waitForApi<HavipView>(PATH, `${instance} on ${name}`, isOn(instance, name), 20_000);
}

function hearsOf(instance: string): (view: HavipView) => boolean {
  return (view) => view.evidence.some((one) => one.instance === instance);
}

describe.runIf(root)('two hosts and an uplink', () => {
  test.each(['plain', 'vxlan'] as const)(
    'follow a holder to the other host and back: %s',
    { timeout: 120_000 },
    async (uplink) => {
      await using hosts = await Hosts.create({ guests: TWO, uplink });
      const name = hosts.host('host-a').uplink;
      const [a, b] = (await hosts.startAgents()) as [AgentProcess, AgentProcess];
      const first = await hosts.guest('cvm-1').keepalived();
      await Promise.all([holds(a, 'cvm-1', 'tap7'), holds(b, 'cvm-1', name)]);
      const client = hosts.guest('client');
      const ping = client.ping(HAVIP, { intervalMs: 20 });
      await ping.reply();
      // The client hears no announcement: what reaches the other host, the flow map has sent there.
      await client.pinNeighbour(HAVIP, hosts.guest('cvm-1').spec.mac);
      const second = await hosts.guest('cvm-2').keepalived();
      const sinceMs = monotonicMs();
      await first.stop();
      const [viewA, viewB] = await Promise.all([holds(a, 'cvm-2', name), holds(b, 'cvm-2', 'tap13')]);
      expect([viewA.lastFailover?.cause, viewB.lastFailover?.cause]).toEqual(['resign', 'resign']);
      expect((await ping.outageUntilReply(sinceMs))?.durationMs).toBeLessThan(5000);
      expect(await holderEntries(hosts, 'host-a')).toEqual([`"${name}" . ${HAVIP}`]);
      await sleep(1500);
      const again = await hosts.guest('cvm-1').keepalived();
      await second.stop();
      await Promise.all([holds(a, 'cvm-1', 'tap7'), holds(b, 'cvm-1', name)]);
      await ping.reply();
      await again.stop();
    },
  );

  test('believe no stranger, and say so', { timeout: 60_000 }, async () => {
    await using hosts = await Hosts.create({ guests: TWO });
    const agent = await hosts.startAgent('host-a', (config) => {
      config.peers = [{ instance: 'cvm-2', vpc: 'vpc-1', mac: MAC2, addresses: ['172.17.16.13'] }];
    });
    hosts.guest('cvm-1').sendFrame(arp({ source: hosts.guest('cvm-1').spec.mac, senderAddress: HAVIP }));
    const { epoch } = await holds(agent, 'cvm-1', 'tap7');
    const advert = { ipSource: '172.17.16.13', addresses: [HAVIP], priority: 255 };
    for (let i = 0; i < 50; i++)
      say(
        hosts,
        arp({ source: STRANGER, senderAddress: HAVIP }),
        arp({ source: STRANGER, senderMac: MAC2, senderAddress: HAVIP }),
        arp({ source: hosts.guest('cvm-1').spec.mac, senderAddress: HAVIP }),
        vrrp({ ...advert, source: STRANGER }),
      );
    await expect.poll(() => agent.metric('havip_verdicts_total', { reason: 'stranger' }), { timeout: 5000 }).toBe(150);
    expect(await agent.api(PATH)).toMatchObject({ holder: { instance: 'cvm-1', interface: 'tap7' }, epoch, failovers: 0 });
    say(hosts, arp({ source: MAC2, senderAddress: HAVIP }));
    await holds(agent, 'cvm-2', 'up0');
    expect(agent.process.stdout.some((line) => line.includes('"stranger"') && line.includes('"up0"'))).toBe(true);
  });

  test('believe no stranger where the store knows the members’ MACs, or all members are here', { timeout: 60_000 }, async () => {
    await using hosts = await Hosts.create({ guests: TWO, store: {} });
    const [a] = (await hosts.startAgents(({ vpcs: [vpc] }) => {
      vpc?.havips.push({ id: 'havip-3', subnet: 'subnet-a', address: '172.17.16.33', members: ['cvm-1'] });
    })) as [AgentProcess, AgentProcess];
    const { mac } = hosts.guest('cvm-1').spec;
    for (const senderAddress of [HAVIP, '172.17.16.33']) hosts.guest('cvm-1').sendFrame(arp({ source: mac, senderAddress }));
    await holds(a, 'cvm-1', 'tap7');
    const advert = { ipSource: '172.17.16.13', addresses: [HAVIP], priority: 255 };
    const strange = () =>
      say(
        hosts,
        arp({ source: STRANGER, senderAddress: HAVIP }),
        arp({ source: STRANGER, senderAddress: '172.17.16.33' }),
        vrrp({ ...advert, source: STRANGER }),
      );
    // Known since the store told of the other host's port.
    const strangers = () => a.metric('havip_verdicts_total', { reason: 'stranger' });
    await expect
      .poll(async () => {
        const before = await strangers();
        strange();
        await sleep(300);
        return (await strangers()) - before;
      }, LATE)
      .toBe(3);
    // Once the store has it, the epoch is the store's revision.
    await expect.poll(() => a.metric('havip_store_pending'), LATE).toBe(0);
    const { epoch } = await holds(a, 'cvm-1', 'tap7');
    await hosts.store.kill(0);
    await expect.poll(() => a.metric('havip_store_connected'), LATE).toBe(0);
    const before = await strangers();
    for (let i = 0; i < 20; i++) strange();
    await expect.poll(strangers, LATE).toBe(before + 60);
    const isAsBefore = { holder: { instance: 'cvm-1', interface: 'tap7' }, failovers: 0 };
    expect(await a.api(PATH)).toMatchObject({ ...isAsBefore, epoch });
    expect(await a.api('/api/v1/havips/havip-3')).toMatchObject(isAsBefore);
    // A member itself is believed while the store is away.
    say(hosts, arp({ source: MAC2, senderAddress: HAVIP }));
    await holds(a, 'cvm-2', 'up0');
  });

  test('keep a holder beyond the uplink when the agent is killed and starts again', { timeout: 60_000 }, async () => {
    await using hosts = await Hosts.create({ guests: TWO });
    const agent = await hosts.startAgent('host-a');
    say(hosts, arp({ source: MAC2, senderAddress: HAVIP }));
    const { epoch, since } = await holds(agent, 'cvm-2', 'up0');
    await agent.stop('SIGKILL');
    expect(await holderEntries(hosts, 'host-a')).toEqual([`"up0" . ${HAVIP}`]);
    const again = await hosts.startAgent('host-a');
    expect(await again.api(PATH)).toMatchObject({ holder: { instance: 'cvm-2', interface: 'up0', host: null }, epoch, since });
    await sleep(1000);
    expect(await holderEntries(hosts, 'host-a')).toEqual([`"up0" . ${HAVIP}`]);
    expect(await again.metric('havip_failovers_total')).toBe(0);
  });

  test('say on the other host, and by the store on this one, that a link was lost here', { timeout: 120_000 }, async () => {
    await using hosts = await Hosts.create({ guests: TWO, store: {} });
    const [a, b] = (await hosts.startAgents()) as [AgentProcess, AgentProcess];
    const first = await hosts.guest('cvm-1').keepalived();
    const { uplink } = hosts.host('host-a');
    await Promise.all([holds(a, 'cvm-1', 'tap7'), holds(b, 'cvm-1', uplink)]);
    const second = await hosts.guest('cvm-2').keepalived();
    await second.enters('BACKUP', 20_000);
    // Adverts are what tells silence from the loss of a link.
    await b.waitForApi<HavipView>(PATH, 'adverts of cvm-1', hearsOf('cvm-1'), 20_000);
    await first.crash();
    await hosts.guest('cvm-1').linkDown();
    const [, taken] = await Promise.all([holds(a, 'cvm-2', uplink), holds(b, 'cvm-2', 'tap13')]);
    expect(taken.lastFailover).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'link-down' });
    const told = (await a.events()).findLast(({ kind, to }) => kind === 'bound' && to === 'cvm-2');
    expect(told).toMatchObject({ from: 'cvm-1', cause: 'link-down' });
    await second.stop();
  });

  test('let a guest migrate: no unbound, no failover, the same epoch', { timeout: 60_000 }, async () => {
    await using hosts = await Hosts.create({ guests: TWO });
    const moving = hosts.guest('cvm-1');
    const { instance, tap, mac, address } = moving.spec;
    const port = { interface: tap, instance, subnet: 'subnet-a', mac, addresses: [address] };
    const a = await hosts.startAgent('host-a');
    // Its port is made known there before it comes.
    const b = await hosts.startAgent('host-b', ({ ports }) => void ports.push(port));
    // keepalived would take the moment without a carrier, which a virtual machine never sees, for a fault.
    await moving.space.ip(`addr add ${HAVIP}/32 dev eth0`);
    moving.sendFrame(arp({ source: mac, senderAddress: HAVIP }));
    const { epoch, since } = await holds(a, 'cvm-1', 'tap7');
    await holds(b, 'cvm-1', 'up0');
    const ping = hosts.guest('client').ping(HAVIP, { intervalMs: 10 });
    await ping.reply();
    const sinceMs = monotonicMs();
    await hosts.migrate('cvm-1', 'host-a', 'host-b');
    const arrivedMs = monotonicMs();
    for (let i = 0; i < 5; i++) moving.sendFrame(rarp(mac));
    const [left, arrived] = await Promise.all([holds(a, 'cvm-1', 'up0'), holds(b, 'cvm-1', 'tap7')]);
    const outage = await ping.outageUntilReply(sinceMs);
    await sleep(11_000);
    for (const [agent, view] of [
      [a, left],
      [b, arrived],
    ] as const) {
      expect(view).toMatchObject({ failovers: 0, lastFailover: null });
      const events = await agent.events();
      expect(events.filter(({ kind }) => kind === 'unbound' || kind === 'failover')).toEqual([]);
      expect(events.findLast(({ kind }) => kind === 'migration')).toMatchObject({ cause: 'migration' });
      expect(await agent.metric('havip_migrations_total')).toBe(1);
    }
    expect(await a.api(PATH)).toMatchObject({ epoch, since, holder: { instance: 'cvm-1', interface: 'up0' } });
    // What the guest itself was away is not the agents' doing.
    expect((outage?.durationMs ?? 0) - (arrivedMs - sinceMs)).toBeLessThan(1500);
  });

  test('agree again after a cable was cut and mended, and after a host stood still', { timeout: 120_000 }, async () => {
    await using hosts = await Hosts.create({ guests: TWO });
    const [a, b] = (await hosts.startAgents()) as [AgentProcess, AgentProcess];
    const first = await hosts.guest('cvm-1').keepalived({ priority: 100 });
    await first.enters('MASTER');
    const second = await hosts.guest('cvm-2').keepalived();
    await holds(b, 'cvm-1', 'up0');
    await hosts.setCable('host-b', 'down');
    await second.enters('MASTER', 20_000);
    // Each side has the one that it can reach.
    await Promise.all([holds(a, 'cvm-1', 'tap7'), holds(b, 'cvm-2', 'tap13')]);
    await hosts.setCable('host-b', 'up');
    await second.enters('BACKUP', 20_000);
    await Promise.all([holds(a, 'cvm-1', 'tap7'), holds(b, 'cvm-1', 'up0')]);
    hosts.freeze('host-a');
    await second.enters('MASTER', 20_000);
    await holds(b, 'cvm-2', 'tap13');
    hosts.thaw('host-a');
    await second.enters('BACKUP', 20_000);
    await Promise.all([holds(a, 'cvm-1', 'tap7'), holds(b, 'cvm-1', 'up0')]);
  });
});
