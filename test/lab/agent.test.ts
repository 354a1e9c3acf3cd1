/**
 * The whole agent on the real kernel with real keepalived. Needs root; `npm test` builds dist/ first.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { agentCommand } from '../../native-fixtures/lab/agent.ts';
import type { Keepalived } from '../../native-fixtures/lab/keepalived.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { monotonicMs } from '../../native-fixtures/lab/ping.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import { arp } from '../../native-fixtures/frames.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('agent in the lab: skipped, it needs root to make network namespaces');

const FIRST_MS = 15_000;
/** Letters: `1111` is also found in a time or a duration, now and then. */
const PASSWORD = 'unspoken';

const view = (agent: AgentProcess) => agent.api<HavipView>('/api/v1/havips/havip-1');
const heldBy = (agent: AgentProcess, instance: string) =>
  agent.waitForApi<HavipView>(
    '/api/v1/havips/havip-1',
    `${instance} holds havip-1`,
    ({ holder }) => holder?.instance === instance,
    FIRST_MS,
  );
const dropped = (agent: AgentProcess, reason: string) => agent.metric('havip_verdicts_total', { verdict: 'drop', reason });
const failoverTo = (agent: AgentProcess, epoch: number) =>
  agent.waitForEvent(`failover of epoch ${epoch}`, (event) => event['kind'] === 'failover' && event['epoch'] === epoch, FIRST_MS);

/** All that the kernel holds of the agent's, with handles: equal texts mean that nothing was touched. Counters tick, so not they. */
async function rulesetOf(lab: Lab): Promise<string> {
  const text = await lab.host.exec(['nft', '-a', 'list', 'ruleset']);
  // The dead man's switch runs down while the agent is away, and no faster while it is not.
  return text.replaceAll(/packets \d+ bytes \d+/g, 'packets - bytes -').replaceAll(/ expires \w+/g, '');
}

describe.runIf(root)('the agent in the lab', () => {
  let lab: Lab;
  let agent: AgentProcess;
  let first: Keepalived;
  let second: Keepalived;
  const mac = (instance: string) => lab.guest(instance).spec.mac;

  beforeAll(async () => {
    lab = await Lab.create();
    agent = await lab.startAgent();
    first = await lab.guest('cvm-1').keepalived({ priority: 100, preempt: true, password: PASSWORD });
    await heldBy(agent, 'cvm-1');
    second = await lab.guest('cvm-2').keepalived({ priority: 80, preempt: true, password: PASSWORD });
  });
  afterAll(() => lab?.destroy());

  test('binds the HAVIP to the first guest and says on what evidence', async () => {
    expect(await view(agent)).toMatchObject({
      state: 'bound',
      epoch: 1,
      holder: { instance: 'cvm-1', interface: 'tap7', mac: mac('cvm-1'), host: 'host-a' },
      evidence: [{ instance: 'cvm-1', vrid: 51, state: 'master', version: 2, priority: 100, auth: 'pass' }],
    });
    const everything =
      (await agent.get('/api/v1/havips')).body + (await agent.get('/api/v1/events')).body + (await agent.metrics());
    expect(everything).not.toContain(PASSWORD);
  });

  test('refuses a spoofing neighbour, in the kernel, with the reason', async () => {
    const guest = lab.guest('cvm-3');
    const wire = lab.client.openWire();
    const spoofs = [
      ['foreign-subnet', arp({ source: mac('cvm-3'), senderAddress: '172.17.32.3' })],
      ['not-member', arp({ source: mac('cvm-3'), senderAddress: HAVIP })],
      ['not-havip', arp({ source: mac('cvm-3'), senderAddress: '172.17.16.7' })],
      // With a target of its own: else it is byte for byte what the holder says again 5 s after it became master.
      ['mac-mismatch', arp({ source: mac('cvm-1'), senderAddress: HAVIP, targetAddress: '172.17.16.201' })],
    ] as const;
    for (const [reason, frame] of spoofs) {
      const before = await dropped(agent, reason);
      guest.sendFrame(frame);
      await expect.poll(() => dropped(agent, reason), { timeout: FIRST_MS }).toBe(before + 1);
    }
    // A frame that is allowed, sent last, marks the end: what had not arrived by then was dropped.
    const last = arp({ source: mac('cvm-3'), senderAddress: '172.17.16.9', targetAddress: '172.17.16.200' });
    guest.sendFrame(last);
    const seen: Buffer[] = [];
    await wire.expect((frame) => {
      seen.push(frame);
      return frame.equals(last);
    }, FIRST_MS);
    wire.close();
    for (const [, spoof] of spoofs) expect(seen.some((frame) => frame.equals(spoof))).toBe(false);
    expect(await view(agent)).toMatchObject({ holder: { instance: 'cvm-1' }, epoch: 1 });
    expect(await agent.metric('havip_guard_dropped_total')).toBeGreaterThanOrEqual(4);
  });

  test('killed with SIGKILL it leaves traffic and guard alone; restarted it reports the same and touches nothing', async () => {
    const before = await view(agent);
    const ruleset = await rulesetOf(lab);
    const ping = lab.client.ping(HAVIP);
    await ping.reply();
    await agent.stop('SIGKILL');

    const wire = lab.client.openWire();
    const spoof = arp({ source: mac('cvm-3'), senderAddress: HAVIP });
    const last = arp({ source: mac('cvm-3'), senderAddress: '172.17.16.9', targetAddress: '172.17.16.201' });
    lab.guest('cvm-3').sendFrame(spoof);
    lab.guest('cvm-3').sendFrame(last);
    let spoofed = false;
    await wire.expect((frame) => {
      spoofed ||= frame.equals(spoof);
      return frame.equals(last);
    }, FIRST_MS);
    wire.close();
    expect(spoofed).toBe(false);

    agent = await lab.startAgent();
    await ping.reply();
    expect(await ping.stop()).toEqual([]);
    expect(await view(agent)).toMatchObject({ holder: before.holder, epoch: before.epoch, since: before.since });
    expect(await rulesetOf(lab)).toBe(ruleset);
    expect(await agent.metric('havip_programming_attempts_total')).toBe(0);
  });

  test('a client whose ARP cache is pinned to the old holder follows a failover', async () => {
    await lab.client.pinNeighbour(HAVIP, mac('cvm-1'));
    const ping = lab.client.ping(HAVIP);
    await ping.reply();
    const crashedMs = monotonicMs();
    await first.crash();
    await lab.guest('cvm-1').linkDown();
    const failover = await failoverTo(agent, 2);
    expect(failover).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'link-down' });
    const outage = await ping.outage(crashedMs);
    expect(outage.lost).toBeGreaterThan(10);
    await ping.stop();
    expect(await lab.client.exec(['ip', 'neigh', 'show', HAVIP])).toContain(`${mac('cvm-1')} PERMANENT`);
    await lab.client.unpinNeighbour(HAVIP);

    const { phasesMs } = (await view(agent)).lastFailover!;
    const parts = Object.entries(phasesMs).filter(([phase]) => phase !== 'total');
    expect(parts.reduce((sum, [, ms]) => sum + ms, 0)).toBeCloseTo(phasesMs.total, 3);
    expect(Object.keys(phasesMs).toSorted()).toEqual(['announce', 'detection', 'programming', 'total', 'verdict']);
  });

  test('the host’s own neighbour entry follows too, and is not permanent', async () => {
    const entry = await lab.host.exec(['ip', 'neigh', 'show', HAVIP]);
    expect(entry).toContain(mac('cvm-2'));
    expect(entry).not.toContain('PERMANENT');
  });

  test('a preemption and a clean stop are told apart', async () => {
    await lab.guest('cvm-1').forget(HAVIP);
    await lab.guest('cvm-1').linkUp();
    first = await lab.guest('cvm-1').keepalived({ priority: 100, preempt: true, password: PASSWORD });
    expect(await failoverTo(agent, 3)).toMatchObject({ from: 'cvm-2', to: 'cvm-1', cause: 'preempt' });
    await first.stop();
    expect(await failoverTo(agent, 4)).toMatchObject({ from: 'cvm-1', to: 'cvm-2', cause: 'resign' });
    expect(await agent.metric('havip_failovers_total')).toBe(3);
  });

  test('a deleted table is noticed and repaired', async () => {
    const repaired = await agent.metric('havip_drift_repaired_total');
    await lab.host.exec(['nft', 'delete', 'table', 'netdev', 'havip']);
    await expect.poll(() => agent.metric('havip_drift_repaired_total'), { timeout: FIRST_MS }).toBeGreaterThan(repaired);
    expect(await rulesetOf(lab)).toContain(mac('cvm-2'));
    await agent.waitForApi<{ ready: boolean }>('/api/v1/status', 'ready again', ({ ready }) => ready);
  });

  test('the flight recorder’s file replays to the same bindings and failovers', async () => {
    const path = '/api/v1/havips/havip-1/record';
    const file = lab.writeFile('record.pcapng', '');
    await lab.host.exec(['sh', '-c', `${agentCommand('record', 'havip-1', '--http', `unix:${lab.socket}`).join(' ')} > ${file}`]);
    expect((await agent.get(path)).status).toBe(200);
    const config = lab.writeFile('replay.json', lab.config());
    const replayed = JSON.parse(await lab.host.exec(agentCommand('replay', file, '--config', config, '--json'))) as {
      failovers: { from: string; to: string; cause: string }[];
      verdicts: Record<string, number>;
      havips: HavipView[];
    };
    const { holder, epoch, failovers } = await view(agent);
    expect(replayed.havips).toMatchObject([{ id: 'havip-1', epoch, failovers, holder: { instance: holder?.instance } }]);
    const live = (await agent.events()).filter(({ kind }) => kind === 'failover');
    expect(replayed.failovers.map(({ from, to, cause }) => ({ from, to, cause }))).toEqual(
      live.map(({ from, to, cause }) => ({ from, to, cause })),
    );
    expect(Object.keys(replayed.verdicts)).not.toContain('vrrp-checksum');
  });

  test('status tells a person who holds what', async () => {
    lab.guest('cvm-3').sendFrame(arp({ source: mac('cvm-3'), senderAddress: HAVIP }));
    await expect.poll(() => dropped(agent, 'not-member'), { timeout: FIRST_MS }).toBe(1);
    const text = await lab.host.exec(agentCommand('status', '--http', `unix:${lab.socket}`));
    expect(text).toMatch(/havip-1 +172\.17\.16\.3 +bound/);
    expect(text).toContain('cvm-2 (tap13 on host-a');
    expect(text).toMatch(/drops: .*not-member/);
  });

  test('SIGTERM leaves the switch as it is; cleanup removes all of it', async () => {
    const ruleset = await rulesetOf(lab);
    expect(await agent.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await rulesetOf(lab)).toBe(ruleset);
    const config = lab.writeFile('cleanup.json', lab.config());
    await lab.host.exec(agentCommand('cleanup', '--config', config));
    expect((await lab.host.exec(['nft', 'list', 'ruleset'])).trim()).toBe('');
    void second;
  });
});
