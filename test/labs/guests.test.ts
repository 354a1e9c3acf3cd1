/** Real virtual machines: Debian's kernel and keepalived under QEMU, which claim, die, stand still and migrate. Needs root. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Hosts } from '../../native-fixtures/lab/hosts.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { monotonicMs } from '../../native-fixtures/lab/ping.ts';
import { type AgentConfig, GUESTS, HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { Card, GuestImage } from '../../native-fixtures/qemu/devices.ts';
import { bootedGuest, guestImage, whyNoGuests } from '../../native-fixtures/qemu/image.ts';
import { Machine } from '../../native-fixtures/qemu/machine.ts';
import { must } from '../../src/base/assert.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const wanting = whyNoGuests();
if (wanting !== null) console.warn(`real guests: skipped, ${wanting}`);

const PATH = '/api/v1/havips/havip-1';
const LIMIT_MS = 180_000;
const cvm1 = must(
  GUESTS.find(({ instance }) => instance === 'cvm-1'),
  'cvm-1',
);
const port = { interface: cvm1.tap, instance: 'cvm-1', subnet: cvm1.subnet, mac: cvm1.mac, addresses: [cvm1.address] };
const addPort = (config: AgentConfig) => void config.ports.push(port);
const assisted = (config: AgentConfig) => {
  addPort(config);
  Object.assign(must(config.vpcs[0]?.havips[0], 'havip-1'), { assist: 'resign' });
};

const holds = (agent: AgentProcess, instance: string, limitMs = 40_000) =>
  agent.waitForApi<HavipView>(PATH, `${instance} as holder`, ({ holder }) => holder?.instance === instance, limitMs);
const isOn = (agent: AgentProcess, name: string) =>
  agent.waitForApi<HavipView>(
    PATH,
    `cvm-1 on ${name}`,
    ({ holder }) => holder?.instance === 'cvm-1' && holder.interface === name,
    40_000,
  );

describe.skipIf(wanting !== null)('a real guest', () => {
  let image: GuestImage;
  let state: string;
  const machines: Machine[] = [];

  const start = async (place: Pick<Lab, 'directory'>, space: Lab['host'], from = state, card: Card = 'virtio_net') => {
    const machine = await Machine.start({ image, space, directory: place.directory, spec: cvm1, from, card });
    machines.push(machine);
    if (from !== 'migration') await machine.plug();
    return machine;
  };

  beforeAll(async () => {
    image = await guestImage();
    const booted = await bootedGuest(image, cvm1);
    state = booted.state;
    if (booted.bootMs !== null) console.log(`boot to a shell: ${(booted.bootMs / 1000).toFixed(1)} s`);
  }, 400_000);

  afterAll(async () => {
    for (const machine of machines) await machine.kill();
  });

  it('claims, is killed with its QEMU, and a backup is hastened', { timeout: LIMIT_MS }, async () => {
    await using lab = await Lab.create({ guests: ['cvm-2', 'client'] });
    const agent = await lab.startAgent({ config: lab.config(assisted) });
    const machine = await start(lab, lab.host);
    await machine.startKeepalived({ priority: 100 });
    await machine.enters('MASTER');
    const { holder } = await holds(agent, 'cvm-1');
    expect(holder).toMatchObject({ interface: 'tap7', mac: cvm1.mac });
    const [sum, count] = [
      await agent.metric('havip_claim_to_programmed_seconds_sum'),
      await agent.metric('havip_claim_to_programmed_seconds_count'),
    ];
    const backup = await lab.guest('cvm-2').keepalived();
    const ping = lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply();
    await agent.waitForApi<{ assist: string }>(PATH, 'advert to resign with', ({ assist }) => assist === 'ready');
    const killedMs = monotonicMs();
    await machine.kill();
    await backup.enters('MASTER', 20_000);
    const { lastFailover } = await holds(agent, 'cvm-2');
    expect(lastFailover).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'link-down' });
    const outage = await ping.outage(killedMs);
    console.log(
      `claim to programmed ${((sum / count) * 1000).toFixed(2)} ms (${count}); killed: client ${outage.durationMs.toFixed(0)} ms`,
    );
    expect(await agent.metric('havip_assisted_resigns_total')).toBe(1);
  });

  it('stands still, is found hung, and comes back as backup', { timeout: LIMIT_MS }, async () => {
    await using lab = await Lab.create({ guests: ['cvm-2', 'client'] });
    const agent = await lab.startAgent({
      config: lab.config((config) => {
        addPort(config);
        Object.assign(must(config.vpcs[0]?.havips[0], 'havip-1'), { assist: { on: ['link-down', 'hung'] } });
      }),
    });
    const machine = await start(lab, lab.host);
    await machine.startKeepalived();
    await machine.enters('MASTER');
    await holds(agent, 'cvm-1');
    // Of higher priority, and `nopreempt` keeps it waiting: who comes back gives way to it.
    const backup = await lab.guest('cvm-2').keepalived({ priority: 100 });
    const ping = lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply();
    await agent.waitForApi<{ assist: string }>(PATH, 'advert to resign with', ({ assist }) => assist === 'ready');
    await sleep(3000); // until its own period is known
    const pausedMs = monotonicMs();
    await machine.pause();
    await backup.enters('MASTER', 30_000);
    const { lastFailover } = await holds(agent, 'cvm-2');
    expect(lastFailover).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'hung' });
    const outage = await ping.outage(pausedMs);
    await machine.resume();
    await machine.enters('BACKUP');
    await sleep(2000);
    expect(await agent.api(PATH)).toMatchObject({ holder: { instance: 'cvm-2' }, failovers: 1 });
    console.log(`paused: client ${outage.durationMs.toFixed(0)} ms`);
  });

  it('speaks under a virtual MAC (use_vmac), and is followed under it', { timeout: LIMIT_MS }, async () => {
    await using lab = await Lab.create({ guests: ['cvm-2', 'client'] });
    const agent = await lab.startAgent({ config: lab.config(assisted) });
    const machine = await start(lab, lab.host);
    const virtual = { multicast: true, virtualMac: true };
    await machine.startKeepalived({ ...virtual, priority: 100 });
    await machine.enters('MASTER');
    expect((await holds(agent, 'cvm-1')).holder).toMatchObject({ mac: '00:00:5e:00:01:33', interface: 'tap7' });
    const backup = await lab.guest('cvm-2').keepalived(virtual);
    const ping = lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply();
    await agent.waitForApi<{ assist: string }>(PATH, 'advert to resign with', ({ assist }) => assist === 'ready');
    const killedMs = monotonicMs();
    await machine.kill();
    await backup.enters('MASTER', 20_000);
    // Its adverts come under its own MAC and are heard first.
    await agent.waitForApi<HavipView>(
      PATH,
      'cvm-2 under the virtual MAC',
      ({ holder }) => holder?.instance === 'cvm-2' && holder.mac === '00:00:5e:00:01:33',
      20_000,
    );
    expect(await ping.outage(killedMs)).toBeDefined();
    expect(await agent.metric('havip_failovers_total')).toBe(1);
  });

  it.each(['virtio_net', 'e1000'] as const)(
    'migrates to another host under traffic, which is no failover: %s',
    { timeout: LIMIT_MS },
    async (card) => {
      await using hosts = await Hosts.create({ guests: { 'host-a': ['client'], 'host-b': ['cvm-2'] } });
      const [a, b] = (await hosts.startAgents(addPort)) as [AgentProcess, AgentProcess];
      const machine = await start(hosts, hosts.host('host-a').space, state, card);
      await machine.startKeepalived({ priority: 100 });
      await machine.enters('MASTER');
      await hosts.guest('cvm-2').keepalived();
      const [{ epoch, since }] = await Promise.all([isOn(a, 'tap7'), isOn(b, 'up0')]);
      const ping = hosts.guest('client').ping(HAVIP, { intervalMs: 10 });
      await ping.reply();
      const target = await start(hosts, hosts.host('host-b').space, 'migration', card);
      const sinceMs = monotonicMs();
      const migration = await machine.migrateTo(target);
      await Promise.all([isOn(a, 'up0'), isOn(b, 'tap7')]);
      const outage = await ping.outageUntilReply(sinceMs, 30_000);
      await sleep(12_000); // past the grace time of what left host-a
      await ping.reply();
      for (const agent of [a, b]) {
        const events = await agent.events();
        expect(events.filter(({ kind }) => kind === 'unbound' || kind === 'failover')).toEqual([]);
        expect(await agent.metric('havip_migrations_total')).toBe(1);
        expect(await agent.metric('havip_failovers_total')).toBe(0);
        // What alerts go by.
        expect(await agent.metric('havip_holder_silent')).toBe(0);
        expect(await agent.metric('havip_bindings', { state: 'contested' })).toBe(0);
      }
      expect(await a.api(PATH)).toMatchObject({ epoch, since, holder: { instance: 'cvm-1', interface: 'up0' } });
      console.log(
        `${card}: migration ${migration.totalMs} ms, stood still ${migration.downtimeMs} ms, client ${(outage?.durationMs ?? 0).toFixed(0)} ms`,
      );
    },
  );
});
