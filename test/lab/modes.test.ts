/**
 * The daemon's other modes on the real kernel: libpcap as source, several workers, audit, reload, ports that come and go, and what it
 * says when it cannot run. Needs root.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import { AgentProcess, agentCommand } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('modes of the agent: skipped, it needs root to make network namespaces');

const LIMIT_MS = 20_000;
const holderOf = async (agent: AgentProcess) => (await agent.api<HavipView>('/api/v1/havips/havip-1')).holder?.instance;

function claim(lab: Lab, instance: string, address = HAVIP): Buffer {
  return Buffer.from(arp({ source: lab.guest(instance).spec.mac, senderAddress: address }));
}

/** Whether the client heard the frame; a frame that is always allowed, sent after it, ends the wait. */
async function heard(lab: Lab, instance: string, frame: Uint8Array): Promise<boolean> {
  const guest = lab.guest(instance);
  const wire = lab.client.openWire();
  const last = Buffer.from(arp({ source: guest.spec.mac, senderAddress: guest.spec.address, targetAddress: '172.17.16.222' }));
  guest.sendFrame(frame);
  guest.sendFrame(last);
  let arrived = false;
  await wire.expect((each) => {
    arrived ||= each.equals(frame);
    return each.equals(last);
  }, LIMIT_MS);
  wire.close();
  return arrived;
}

const SCHED_RR = 2;

/** The 41st field of /proc/PID/task/TID/stat (man 5 proc). */
function policyOf(pid: number, thread: string): number {
  const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]);
}

describe.runIf(root)('modes of the agent', () => {
  test('libpcap in child processes: claims arrive, and one port’s end disturbs no other', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'client'] });
    const agent = await lab.startAgent({ config: lab.config((config) => (config.capture = { source: 'libpcap' })) });
    const say = async (instance: string) => {
      // A child that is still starting hears nothing, and libpcap cannot say when it listens: so it is said until it is heard.
      const again = setInterval(() => lab.guest(instance).sendFrame(claim(lab, instance)), 100);
      await expect
        .poll(() => holderOf(agent), { timeout: LIMIT_MS })
        .toBe(instance)
        .finally(() => clearInterval(again));
    };
    await say('cvm-1');
    await lab.guest('cvm-1').unplug();
    await say('cvm-2');
    await lab.guest('cvm-1').plug();
    await agent.stop('SIGTERM');
  });

  test('of a real-time agent only the main thread, the workers and who waits for changes of the table are so', async () => {
    await using lab = await Lab.create();
    const agent = await lab.startAgent({ config: lab.config((config) => (config.capture = { workers: 2 })), realtime: true });
    const { pid } = agent.process;
    const realtime = readdirSync(`/proc/${pid}/task`).filter((thread) => policyOf(pid, thread) === SCHED_RR);
    expect(realtime).toHaveLength(4);
    expect(realtime).toContain(String(pid));
    await agent.stop('SIGTERM');
  });

  test('two workers share the ports', async () => {
    await using lab = await Lab.create();
    const agent = await lab.startAgent({ config: lab.config((config) => (config.capture = { workers: 2 })) });
    for (const instance of ['cvm-1', 'cvm-2']) {
      lab.guest(instance).sendFrame(claim(lab, instance));
      await expect.poll(() => holderOf(agent), { timeout: LIMIT_MS }).toBe(instance);
    }
    const frames = await agent.metric('havip_frames_total');
    expect(await agent.metric('havip_verdicts_total')).toBe(frames);
  });

  test('audit lets everything pass, counts it, and says what it would have done', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-3', 'client'] });
    const agent = await lab.startAgent({ config: lab.config((config) => (config.mode = 'audit')) });
    expect(await heard(lab, 'cvm-3', claim(lab, 'cvm-3'))).toBe(true);
    await expect.poll(() => agent.metric('havip_verdicts_total', { reason: 'not-member' }), { timeout: LIMIT_MS }).toBe(1);
    expect(await agent.metric('havip_guard_dropped_total')).toBe(1);
    expect(await holderOf(agent)).toBeUndefined();
  });

  test('SIGHUP: a broken file is refused and the old one goes on; a good one changes the rules of the kernel', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-3', 'client'] });
    const agent = await lab.startAgent();
    const reloaded = () => agent.metric('havip_config_last_reload_successful');
    lab.writeFile('agent-0.yaml', 'host: { id: 7 }\nports: [{}]\n');
    agent.signal('SIGHUP');
    await expect.poll(reloaded, { timeout: LIMIT_MS }).toBe(0);
    expect(await heard(lab, 'cvm-3', claim(lab, 'cvm-3'))).toBe(false);
    lab.writeFile(
      'agent-0.yaml',
      lab.config((config) => delete config.vpcs[0]!.havips[0]!.members),
    );
    agent.signal('SIGHUP');
    await expect.poll(reloaded, { timeout: LIMIT_MS }).toBe(1);
    expect(await heard(lab, 'cvm-3', claim(lab, 'cvm-3'))).toBe(true);
    await expect.poll(() => holderOf(agent), { timeout: LIMIT_MS }).toBe('cvm-3');
  });

  test('a tap that is unplugged and plugged anew is guarded and heard again', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-3', 'client'] });
    const agent = await lab.startAgent();
    const ports = (state: string) => agent.metric('havip_ports', { state });
    await lab.guest('cvm-3').unplug();
    await expect.poll(() => ports('absent'), { timeout: LIMIT_MS }).toBe(1);
    await lab.guest('cvm-3').plug();
    await expect.poll(() => ports('captured'), { timeout: LIMIT_MS }).toBe(3);
    expect(await heard(lab, 'cvm-3', claim(lab, 'cvm-3'))).toBe(false);
    await expect.poll(() => agent.metric('havip_verdicts_total', { reason: 'not-member' }), { timeout: LIMIT_MS }).toBe(1);
  });

  test('CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF are all it needs', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const file = lab.writeFile('least.json', lab.config());
    const few = ['--bounding-set=-all,+net_admin,+net_raw,+bpf', '--inh-caps=-all'];
    const agent = new AgentProcess(lab.host, lab.socket, ['setpriv', ...few, ...agentCommand('run', '--config', file)]);
    await agent.ready();
    lab.guest('cvm-1').sendFrame(claim(lab, 'cvm-1'));
    await expect.poll(() => holderOf(agent), { timeout: LIMIT_MS }).toBe('cvm-1');
    expect(await lab.host.exec(['nft', 'list', 'ruleset'])).toContain(lab.guest('cvm-1').spec.mac);
  });

  test('without the privilege, and with a broken configuration, it says so in one line', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1'] });
    const file = lab.writeFile('a.json', lab.config());
    const run = agentCommand('run', '--config', file);
    await expect(
      lab.host.exec(['setpriv', '--bounding-set=-net_admin,-net_raw', '--inh-caps=-net_admin,-net_raw', ...run]),
    ).rejects.toThrow(/CAP_NET_ADMIN/);
    const broken = lab.writeFile(
      'b.json',
      '{"host":{"id":"a"},"vpcs":[{"id":"v","cidr":"10.0.0.1/8"}],"ports":[{"interface":"x"}]}',
    );
    await expect(lab.host.exec(agentCommand('check', broken))).rejects.toThrow(/b\.json/);
  });
});
