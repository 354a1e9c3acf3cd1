/**
 * The real Open vSwitch with its userspace datapath: what the guard drops is delivered all the same, and the agent says so, as its
 * database tells. Needs root.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import { AgentProcess, agentCommand } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { OpenVswitch } from '../../native-fixtures/lab/openvswitch.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { StatusView } from '../../src/api/types.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('Open vSwitch: skipped, it needs root to make network namespaces');

const LIMIT_MS = 20_000;
const GAUGE = 'havip_guard_ineffective_ports';
const ERROR =
  'the guard does not hold on tap9: Open vSwitch reads its frames before nftables (bridge ovs1, datapath_type netdev)';

const gauge = (agent: AgentProcess, value: number) => expect.poll(() => agent.metric(GAUGE), { timeout: LIMIT_MS }).toBe(value);
const status = (agent: AgentProcess) => agent.api<StatusView>('/api/v1/status');
const ineffective = async (agent: AgentProcess) =>
  (await status(agent)).findings.filter(({ kind }) => kind === 'guard-ineffective').map(({ about }) => about);
const errors = (agent: AgentProcess) => agent.process.stdout.filter((line) => line.includes('does not hold'));

describe.runIf(root)('Open vSwitch', () => {
  let lab: Lab;
  let ovs: OpenVswitch;

  const start = async () => {
    const file = lab.writeFile('agent.yaml', lab.config());
    const agent = new AgentProcess(lab.host, lab.socket, [...ovs.environment, ...agentCommand('run', '--config', file)]);
    await agent.ready();
    return agent;
  };

  beforeEach(async () => {
    lab = await Lab.create({ guests: ['cvm-1', 'cvm-3', 'client'] });
    ovs = await OpenVswitch.start(lab.host);
  });
  afterEach(async () => {
    await ovs.stop();
    lab.destroy();
  });

  test('forwards what the guard drops, by its userspace datapath, and that is said as long as it is so', async () => {
    for (const tap of ['tap9', 'tap100']) await lab.host.ip(`link set ${tap} nomaster`);
    await ovs.ctl('add-br', 'ovs1', '--', 'set', 'bridge', 'ovs1', 'datapath_type=netdev', 'fail_mode=standalone');
    for (const tap of ['tap9', 'tap100']) await ovs.ctl('add-port', 'ovs1', tap);
    const agent = await start();
    await gauge(agent, 2);
    expect(await ineffective(agent)).toEqual(['tap9', 'tap100']);
    expect(errors(agent).map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ level: 'error', interface: 'tap9', msg: expect.stringContaining(ERROR) as string }),
    );
    expect((await status(agent)).notes.join('\n')).toContain(ERROR);
    expect(await agent.metric('havip_findings', { kind: 'guard-ineffective' })).toBe(2);

    const spoof = arp({ source: lab.guest('cvm-3').spec.mac, senderAddress: HAVIP });
    const wire = lab.client.openWire();
    const hears = async () => {
      lab.guest('cvm-3').sendFrame(spoof);
      return (await wire.expect((frame) => frame.equals(spoof), 300)) !== null;
    };
    await expect.poll(hears, { timeout: LIMIT_MS }).toBe(true);
    await expect.poll(() => agent.metric('havip_guard_dropped_total'), { timeout: LIMIT_MS }).toBeGreaterThan(0);

    // To a Linux bridge, as the finding says; and said once that it is over.
    for (const tap of ['tap9', 'tap100']) await ovs.ctl('del-port', 'ovs1', tap);
    await lab.host.ip('link set tap9 master br1', 'link set tap100 master br1');
    await gauge(agent, 0);
    expect(await ineffective(agent)).toEqual([]);
    await agent.process.line(/no longer keeps the guard from tap9/);
    while (wire.receive() !== null);
    expect(await hears()).toBe(false);
    wire.close();
    // While the agent runs, a port comes to such a bridge; a bridge changes its datapath; a database comes back.
    await ovs.ctl('add-port', 'ovs1', 'tap9');
    await gauge(agent, 1);
    await ovs.ctl('--no-wait', 'set', 'bridge', 'ovs1', 'datapath_type=system');
    await gauge(agent, 0);
    await ovs.ctl('--no-wait', 'set', 'Open_vSwitch', '.', 'other_config:hw-offload=true');
    await gauge(agent, 1);
    expect((await status(agent)).findings.at(-1)?.text).toContain('offloads flows of bridge ovs1');
    expect(errors(agent)).toHaveLength(4);
    await agent.stop();
  });

  test('whose database hangs keeps nobody waiting, and what is known stays known', async () => {
    await ovs.ctl('--no-wait', 'add-br', 'ovs1', '--', 'set', 'bridge', 'ovs1', 'datapath_type=netdev');
    await ovs.ctl('--no-wait', 'add-port', 'ovs1', 'tap9');
    ovs.signalServer('SIGSTOP');
    const agent = await start();
    expect(await agent.metric(GAUGE)).toBe(0);
    await expect
      .poll(async () => (await status(agent)).notes.join('\n'), { timeout: LIMIT_MS })
      .toContain(`is not known: ${ovs.socket}: no answer within 5 s`);
    ovs.signalServer('SIGCONT');
    await expect.poll(() => agent.metric(GAUGE), { timeout: 40_000 }).toBe(1);
    expect((await status(agent)).notes.join('\n')).not.toContain('is not known');
    await ovs.stopServer();
    expect(await agent.metric(GAUGE)).toBe(1);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });
});
