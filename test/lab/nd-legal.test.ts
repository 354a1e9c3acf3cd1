/**
 * What guests do with IPv6 when nobody lies: link-local addresses come up, duplicates are looked for, routers asked, groups joined,
 * neighbours looked up and probed, large pings cut in fragments, and keepalived runs a cluster over it. Nothing of it is dropped. Needs root.
 */
import { describe, expect, test } from 'vitest';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import type { Guest } from '../../native-fixtures/lab/guest.ts';
import type { AgentConfig } from '../../native-fixtures/lab/topology.ts';
import type { StatusView } from '../../src/api/types.ts';
import { listing } from './victim.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('IPv6 of honest guests in the lab: skipped, it needs root to make network namespaces');

const VIP = 'fd00:16::3';

/** `any`: both members take the address in turn. `listed`: it is the first one's alone. */
const policies: [name: string, change: ((config: AgentConfig) => void) | undefined][] = [
  ['any', undefined],
  ['listed', listing({ 'cvm-1': [VIP] })],
];

async function ping(from: Guest, to: string, ...more: string[]): Promise<void> {
  await from.exec(['ping', '-6', '-n', '-c', '3', '-i', '0.05', '-W', '2', ...more, to]);
}

describe.runIf(root)('IPv6 of honest guests', () => {
  test.each(policies)('%s: no frame is dropped', async (name, change) => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'client'], ipv6: true });
    const agent = await lab.startAgent({ config: lab.config(change) });
    const [one, two, client] = [lab.guest('cvm-1'), lab.guest('cvm-2'), lab.client];

    // A guest that starts: duplicate address detection of both addresses, solicitations of routers, reports of multicast groups.
    await client.linkDown();
    await client.linkUp();
    await client.space.ip(`addr add ${client.spec.address6}/64 dev eth0`, 'route replace default via fe80::1 dev eth0');
    await client.ipv6Settled();

    await ping(client, one.spec.address6);
    await ping(client, one.spec.address6, '-s', '4000');
    await ping(client, 'fe80::acff:fe11:1007%eth0');
    await ping(one, client.spec.address6, '-s', '4000');
    await ping(client, 'fd00:16::1');
    // Is the neighbour still there? A question to it alone, and its answer without the option.
    await client.space.ip(`neigh change ${one.spec.address6} dev eth0 nud probe`);
    await ping(client, one.spec.address6);

    const cluster = { version: 3, multicast: true, addresses: [`${VIP}/64`], advertMs: 100 } as const;
    const first = await one.keepalived({ ...cluster, priority: 100 });
    await first.enters('MASTER');
    await ping(client, VIP);
    if (name === 'any') {
      const second = await two.keepalived({ ...cluster, priority: 90 });
      await second.enters('BACKUP');
      await first.stop();
      await second.enters('MASTER');
      await ping(client, VIP);
    }

    expect(await agent.metric('havip_frames_total', { protocol: 'nd' })).toBeGreaterThan(10);
    await expect.poll(() => agent.metric('havip_frames_total', { protocol: 'vrrp' })).toBeGreaterThan(3);
    expect(await agent.metric('havip_guard_dropped_total')).toBe(0);
    const drops = (await agent.metrics())
      .split('\n')
      .filter((line) => /^havip_verdicts_total.*verdict="drop".* [1-9]/.test(line));
    expect(drops).toEqual([]);

    // What the configuration does not know is said: where it may be taken, and where it is refused.
    await client.space.ip('addr add fd00:16::abcd/64 dev eth0');
    const findings = async () =>
      (await agent.api<StatusView>('/api/v1/status')).findings.map(({ kind, about }) => `${kind} ${about}`);
    const expected = name === 'any' ? 'nd-unlisted subnet-a' : 'address-not-listed tap100';
    await expect.poll(findings, { timeout: 5_000 }).toContain(expected);
  });
});
