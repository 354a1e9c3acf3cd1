/** Tables of tunnels that do not learn: written by the agent, read back and repaired, and left alone where a routing daemon has them. Needs root. */
import { describe, expect, test } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Hosts } from '../../native-fixtures/lab/hosts.ts';
import { type AgentConfig, HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { Host } from '../../native-fixtures/lab/underlay.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('tables of tunnels: skipped, they need root to make network namespaces');

const PATH = '/api/v1/havips/havip-1';
const VMAC = '00:00:5e:00:01:33';
const THREE = { 'host-a': ['cvm-1'], 'host-b': ['cvm-2'], 'host-c': ['client'] };
const LATE = { timeout: 20_000 };

interface Row {
  readonly mac: string;
  readonly dst?: string;
  readonly flags?: readonly string[];
  readonly ifname: string;
}

/** What a program wrote into the device's own table: MAC and other end. */
async function written({ space, uplink }: Host): Promise<string[]> {
  const rows = JSON.parse(await space.exec(['bridge', '-j', 'fdb', 'show', 'dev', uplink])) as Row[];
  const own = rows.filter(({ dst, flags }) => dst !== undefined && flags?.includes('extern_learn') === true);
  return own.map(({ mac, dst }) => `${mac} ${dst}`).sort();
}

const programmed = (config: AgentConfig): void => void (config.uplinks![0]!['fdb'] = 'program');
const bridge = ({ space }: Host, text: string) => space.exec(`bridge fdb ${text}`.split(' '));

async function heldBy(agents: readonly AgentProcess[], instance: string): Promise<void> {
  const isIt = ({ holder }: HavipView) => holder?.instance === instance;
  await Promise.all(agents.map((agent) => agent.waitForApi<HavipView>(PATH, `${instance} as the holder`, isIt, 20_000)));
}

describe.runIf(root)('the table of a VXLAN device', () => {
  test('has the other hosts’ machines and the held virtual MAC, whatever happens to it', { timeout: 180_000 }, async () => {
    await using hosts = await Hosts.create({ guests: THREE, uplink: 'vxlan', noLearning: true, store: {} });
    const [a, b, c] = ['host-a', 'host-b', 'host-c'].map((id) => hosts.host(id)) as [Host, Host, Host];
    const [mac1, mac2, macC] = ['cvm-1', 'cvm-2', 'client'].map((instance) => hosts.guest(instance).spec.mac);
    const agents = await hosts.startAgents(programmed);
    await expect.poll(() => written(c), LATE).toEqual([`${mac1} ${a.vtep}`, `${mac2} ${b.vtep}`]);
    await expect.poll(() => written(a), LATE).toEqual([`${mac2} ${b.vtep}`, `${macC} ${c.vtep}`]);
    const options = { multicast: true, virtualMac: true };
    const first = await hosts.guest('cvm-1').keepalived({ ...options, priority: 90 });
    await heldBy(agents, 'cvm-1');
    await expect.poll(() => written(c), LATE).toContain(`${VMAC} ${a.vtep}`);
    await hosts.guest('cvm-2').keepalived(options);
    const ping = hosts.guest('client').ping(HAVIP, { intervalMs: 20 });
    await ping.reply();
    await first.stop();
    await heldBy(agents, 'cvm-2');
    await expect.poll(() => written(c), LATE).toEqual([`${VMAC} ${b.vtep}`, `${mac1} ${a.vtep}`, `${mac2} ${b.vtep}`].sort());
    await ping.reply();

    // Somebody changes, removes and adds entries.
    const whole = await written(c);
    await bridge(c, `replace ${mac1} dev vx10 dst ${b.vtep} self static`);
    await expect.poll(() => written(c), LATE).toEqual(whole);
    await bridge(c, `del ${VMAC} dev vx10 self`);
    await expect.poll(() => written(c), LATE).toEqual(whole);
    await bridge(c, `add 02:00:00:00:00:77 dev vx10 dst ${b.vtep} self static extern_learn`);
    await expect.poll(() => written(c), LATE).toEqual(whole);
    // What is nobody's program's is left alone.
    const rows = await c.space.exec(['bridge', 'fdb', 'show', 'dev', 'vx10']);
    expect(rows.match(/^00:00:00:00:00:00/gm)).toHaveLength(2);

    // Without the agent it stays, and the next one takes it over: also while the store is away.
    await hosts.store.kill(0);
    await agents[2]!.stop('SIGKILL');
    expect(await written(c)).toEqual(whole);
    const again = await hosts.startAgent('host-c', programmed);
    await again.waitForApi(PATH, 'a holder', ({ holder }: HavipView) => holder !== null, 20_000);
    expect(await written(c)).toEqual(whole);
    hosts.store.run(0);
    await heldBy([again], 'cvm-2');
    expect(await written(c)).toEqual(whole);
    await again.stop();
    await hosts.cleanUp('host-c');
    expect(await written(c)).toEqual([]);
  });

  test('is a routing daemon’s with `evpn`', { timeout: 120_000 }, async () => {
    await using hosts = await Hosts.create({ guests: THREE, uplink: 'vxlan', noLearning: true, store: {} });
    const [b, c] = ['host-b', 'host-c'].map((id) => hosts.host(id)) as [Host, Host];
    const { mac } = hosts.guest('cvm-2').spec;
    const theirs = `${mac} ${b.vtep}`;
    await bridge(c, `add ${mac} dev vx10 dst ${b.vtep} self static extern_learn`);
    const agents = await hosts.startAgents((config) => void (config.uplinks![0]!['fdb'] = 'evpn'));
    await hosts.guest('cvm-1').keepalived({ multicast: true, virtualMac: true });
    await heldBy(agents, 'cvm-1');
    expect(await written(c)).toEqual([theirs]);
    const { findings } = await agents[2]!.api<HavipView>(PATH);
    expect(findings.map(({ kind }) => kind)).toContain('vmac-evpn');
    for (const agent of agents) await agent.stop();
    await hosts.cleanUp('host-c');
    expect(await written(c)).toEqual([theirs]);
  });
});
