/**
 * Virtual MACs over three hosts: the holder on one, its fenced fellow on another, a client beside that one and a client on the third. Switches
 * and tunnels between hosts learn by what passes, and no agent can put them right. Needs root.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { vrrp } from '../../native-fixtures/frames.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Hosts } from '../../native-fixtures/lab/hosts.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('virtual MACs over hosts: skipped, they need root to make network namespaces');

const PATH = '/api/v1/havips/havip-1';
const VMAC = '00:00:5e:00:01:33';
const ADVERTS = 1000;
const THREE = { 'host-a': ['cvm-1', 'client'], 'host-b': ['cvm-2'], 'host-c': ['cvm-3'] };
const OPTIONS = { multicast: true, virtualMac: true } as const;
/** A split brain: neither hears the other. And keepalived answers each advert of a lesser master by six frames. */
const DEAF = 'add table netdev deaf; add chain netdev deaf in { type filter hook ingress device eth0 priority 0; };';

async function held(agents: readonly AgentProcess[], names: readonly string[]): Promise<HavipView[]> {
  return Promise.all(
    agents.map((agent, i) =>
      agent.waitForApi<HavipView>(
        PATH,
        `the holder at ${names[i]}`,
        ({ holder, letGo }) => holder !== null && !letGo && holder.interface === names[i] && holder.mac === VMAC,
        20_000,
      ),
    ),
  );
}

describe.runIf(root)('virtual MACs over three hosts', () => {
  test.each(['plain', 'vxlan'] as const)(
    'stay with the holder, whatever its fenced fellow sends: %s',
    { timeout: 120_000 },
    async (uplink) => {
      await using hosts = await Hosts.create({ guests: THREE, uplink, store: {} });
      const name = hosts.host('host-a').uplink;
      const agents = await hosts.startAgents();
      const first = await hosts.guest('cvm-1').keepalived({ ...OPTIONS, priority: 90 });
      await first.enters('MASTER', 20_000);
      await held(agents, ['tap7', name, name]);
      const second = await hosts.guest('cvm-2').keepalived({ ...OPTIONS, priority: 100 });
      const clients = ['client', 'cvm-3'].map((instance) => hosts.guest(instance).ping(HAVIP, { intervalMs: 10 }));
      await Promise.all(clients.map((ping) => ping.reply()));
      await first.stop();
      const before = await held(agents, [name, 'tap13', name]);
      await second.enters('MASTER', 20_000);
      await Promise.all(clients.map((ping) => ping.reply(20_000)));
      await hosts.guest('cvm-2').exec(['nft', '-f', '-'], { input: `${DEAF} add rule netdev deaf in ip protocol 112 drop\n` });
      await sleep(2000);
      await held(agents, [name, 'tap13', name]);
      const lostBefore = clients.map((ping) => ping.outages().length);
      const { mac, address } = hosts.guest('cvm-1').spec;
      const wire = hosts.guest('cvm-1').openWire();
      for (let i = 0; i < ADVERTS; i++) {
        const advert = { ipSource: address, addresses: [HAVIP], priority: 250, password: '1111' };
        wire.send(vrrp({ ...advert, source: i % 10 === 0 ? mac : VMAC }));
        await sleep(1);
      }
      wire.close();
      await Promise.all(clients.map((ping) => ping.reply()));
      expect(clients.map((ping) => ping.outages().length)).toEqual(lostBefore);
      const after = await held(agents, [name, 'tap13', name]);
      expect(after.map(({ epoch, failovers }) => ({ epoch, failovers }))).toEqual(
        before.map(({ epoch, failovers }) => ({ epoch, failovers })),
      );
    },
  );
});
