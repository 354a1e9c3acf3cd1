/**
 * What is on a bridge of ports and named nowhere, on the real kernel: every kind of interface that may be there is said, and those behind
 * which a guest may be are shut where the configuration wants it. Needs root.
 */
import { describe, expect, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import { type AgentProcess, agentCommand } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { HeldTap } from '../../native-fixtures/lab/tap.ts';
import { type AgentConfig, HAVIP } from '../../native-fixtures/lab/topology.ts';
import { Wire } from '../../native-fixtures/lab/wire.ts';
import type { StatusView } from '../../src/api/types.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('strangers on the bridge: skipped, it needs root to make network namespaces');

const LIMIT_MS = 20_000;
const MAC = '02:00:00:00:00:aa';
const GAUGE = 'havip_unguarded_bridge_ports';

/** Interfaces that may be in a bridge; `guest`: a guest may be behind it. */
const KINDS: readonly { readonly name: string; readonly make: string; readonly guest: boolean }[] = [
  { name: 'xveth', make: 'link add xveth type veth peer name xveth-guest', guest: true },
  { name: 'xtap', make: 'tuntap add xtap mode tap', guest: true },
  { name: 'xifb', make: 'link add xifb type ifb', guest: false },
  { name: 'xdummy', make: 'link add xdummy type dummy', guest: false },
  { name: 'xbond', make: 'link add xbond type bond', guest: false },
  { name: 'xvlan', make: 'link add link xlower name xvlan type vlan id 5', guest: false },
  { name: 'xvxlan', make: 'link add xvxlan type vxlan id 7 dstport 4789 local 127.0.0.1', guest: false },
  { name: 'xgeneve', make: 'link add xgeneve type geneve id 7 remote 127.0.0.2', guest: false },
  { name: 'xgretap', make: 'link add xgretap type gretap local 127.0.0.1 remote 127.0.0.2', guest: false },
  { name: 'xmacvlan', make: 'link add link xlower name xmacvlan type macvlan mode private', guest: false },
];

/** The kinds that this kernel has; veth and tap always. */
async function plugAll(lab: Lab): Promise<typeof KINDS> {
  await lab.host.ip('link add xlower type veth peer name xlower-end', 'link set xlower up');
  const there: (typeof KINDS)[number][] = [];
  for (const kind of KINDS) {
    try {
      await lab.host.ip(kind.make, `link set ${kind.name} master br1`, `link set ${kind.name} up`);
    } catch (error) {
      if (kind.guest) throw error;
      continue;
    }
    there.push(kind);
  }
  await lab.host.ip('link set xveth-guest up');
  return there;
}

const byText = (a: string, b: string) => a.localeCompare(b);
const gauge = (agent: AgentProcess, value: number) => expect.poll(() => agent.metric(GAUGE), { timeout: LIMIT_MS }).toBe(value);
const shut = async (lab: Lab) =>
  [...(await lab.host.exec(['nft', 'list', 'ruleset'])).matchAll(/chain shut_(\S+) /g)].map(([, name = '']) => name).sort(byText);
const named = (status: StatusView) =>
  status.findings.filter(({ kind }) => kind === 'unguarded-bridge-port').map(({ about }) => about);

/** Whether the client hears such a claim from the interface's other end, now and again until it does or should have. */
async function hears(lab: Lab, send: (frame: Uint8Array) => void, source = MAC, senderAddress = HAVIP): Promise<boolean> {
  const frame = arp({ source, senderAddress });
  const wire = lab.client.openWire();
  try {
    for (let tries = 0; tries < 5; tries++) {
      send(frame);
      if ((await wire.expect((one) => one.equals(frame), 200)) !== null) return true;
    }
    return false;
  } finally {
    wire.close();
  }
}

async function reload(lab: Lab, agent: AgentProcess, change: (config: AgentConfig) => void): Promise<void> {
  const at = await agent.metric('havip_config_last_reload_success_timestamp_seconds');
  lab.writeFile('agent-0.yaml', lab.config(change));
  agent.signal('SIGHUP');
  await expect
    .poll(() => agent.metric('havip_config_last_reload_success_timestamp_seconds'), { timeout: LIMIT_MS })
    .toBeGreaterThan(at);
}

const deny = (config: AgentConfig) => void Object.assign(config, { strangers: 'deny' });
const asPort = (config: AgentConfig) => {
  deny(config);
  config.ports.push({ interface: 'xveth', instance: 'cvm-x', subnet: 'subnet-a', mac: MAC, addresses: ['172.17.16.77'] });
};

describe.runIf(root)('strangers on a bridge of ports', () => {
  test('are said by default, whatever they are, and pass what they like', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-9', 'client'] });
    const there = await plugAll(lab);
    // On a bridge without ports nobody minds.
    await lab.host.ip('link add br9 type bridge', 'link add xelse type veth peer name xelse-guest', 'link set xelse master br9');
    const agent = await lab.startAgent();
    await gauge(agent, there.length);
    const status = await agent.api<StatusView>('/api/v1/status');
    expect(named(status).sort(byText)).toEqual(there.map(({ name }) => name).sort(byText));
    for (const { name, guest } of there) {
      const text = status.findings.find(({ about }) => about === name)?.text;
      expect(text).toContain(guest ? '`strangers: deny`' : 'name it in `uplinks`');
    }
    expect(status.notes.join('\n')).toMatch(/interfaces on a bridge of ports, named nowhere and not guarded: .*\(br1\)/);
    expect(await agent.metric('havip_findings', { kind: 'unguarded-bridge-port' })).toBe(there.length);
    const wire = new Wire(lab.host.path, 'xveth-guest');
    expect(await hears(lab, (frame) => wire.send(frame))).toBe(true);
    wire.close();
    expect(await shut(lab)).toEqual([]);
    // One more comes, one goes to the other bridge, where there is a port too, and one leaves.
    await lab.host.ip('link set xelse master br1', 'link set xtap master br2');
    await gauge(agent, there.length + 1);
    await lab.host.ip('link set xelse nomaster', 'link del xtap');
    await gauge(agent, there.length - 1);
  });

  test('are shut by `strangers: deny`, if a guest may be behind them: also those that come later, and until they are ports', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const there = await plugAll(lab);
    const others = there.filter(({ guest }) => !guest);
    const agent = await lab.startAgent({ config: lab.config(deny) });
    await gauge(agent, others.length);
    expect(named(await agent.api<StatusView>('/api/v1/status')).sort(byText)).toEqual(
      others.map(({ name }) => name).sort(byText),
    );
    expect(await shut(lab)).toEqual(['xtap', 'xveth']);
    const wire = new Wire(lab.host.path, 'xveth-guest');
    const send = (frame: Uint8Array) => wire.send(frame);
    expect(await hears(lab, send)).toBe(false);
    await expect
      .poll(() => agent.metric('havip_guard_reason_dropped_total', { reason: 'unknown-port' }), { timeout: LIMIT_MS })
      .toBeGreaterThan(0);

    const tap = new HeldTap(lab.host, 'xlate', false);
    await lab.host.ip('link set xlate up', 'link set xlate master br1');
    await expect.poll(() => shut(lab), { timeout: LIMIT_MS }).toEqual(['xlate', 'xtap', 'xveth']);
    expect(await hears(lab, (frame) => tap.send(frame))).toBe(false);
    tap.die();
    await expect.poll(() => shut(lab), { timeout: LIMIT_MS }).toEqual(['xtap', 'xveth']);

    await reload(lab, agent, asPort);
    expect(await shut(lab)).toEqual(['xtap']);
    expect(await hears(lab, send, MAC, '172.17.16.77')).toBe(true);
    expect(await hears(lab, send)).toBe(false);
    await reload(lab, agent, deny);
    expect(await shut(lab)).toEqual(['xtap', 'xveth']);
    expect(await hears(lab, send, MAC, '172.17.16.77')).toBe(false);

    // Renamed, it is another stranger; what somebody else takes away comes back.
    await lab.host.ip('link set xveth down', 'link set xveth name xother', 'link set xother up');
    await expect.poll(() => shut(lab), { timeout: LIMIT_MS }).toEqual(['xother', 'xtap']);
    await lab.host.exec(['nft', 'flush chain netdev havip shut_xother']);
    await expect.poll(() => hears(lab, send), { timeout: LIMIT_MS }).toBe(false);
    expect(await agent.metric('havip_drift_repaired_total')).toBeGreaterThan(0);
    wire.close();
  });

  test('stay shut while no agent runs, and after its next start; cleanup opens them', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    await lab.host.ip(
      'link add xveth type veth peer name xveth-guest',
      'link set xveth master br1',
      'link set xveth up',
      'link set xveth-guest up',
    );
    const wire = new Wire(lab.host.path, 'xveth-guest');
    const send = (frame: Uint8Array) => wire.send(frame);
    const config = lab.config(deny);
    const first = await lab.startAgent({ config });
    expect(await shut(lab)).toEqual(['xveth']);
    await first.stop('SIGKILL');
    expect(await hears(lab, send)).toBe(false);
    const second = await lab.startAgent({ config });
    expect(await second.metric('havip_programming_attempts_total')).toBe(0);
    expect(await second.metric(GAUGE)).toBe(0);
    await second.stop();
    const third = await lab.startAgent();
    expect(await shut(lab)).toEqual([]);
    await gauge(third, 1);
    expect(await hears(lab, send)).toBe(true);
    await reload(lab, third, () => {});
    await third.stop();
    const fourth = await lab.startAgent({ config });
    expect(await shut(lab)).toEqual(['xveth']);
    await fourth.stop();
    await lab.host.exec(agentCommand('cleanup', '--config', lab.writeFile('cleanup.yaml', config)));
    expect(await hears(lab, send)).toBe(true);
    wire.close();
  });
});
