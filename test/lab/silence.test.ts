/**
 * The agent is killed, and then the holder's machine crashes: nobody is there to follow the failover. The kernel by itself lets go of the
 * holder, so that clients are back as on a plain bridge; what nobody may do stays forbidden; and the next agent finds out who holds what.
 * And ucarp's pair, which is no keepalived. Needs root.
 */
import { describe, expect, test } from 'vitest';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import type { KeepalivedOptions } from '../../native-fixtures/lab/keepalived.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { monotonicMs } from '../../native-fixtures/lab/ping.ts';
import { type AgentConfig, HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('silence of the agent in the lab: skipped, it needs root to make network namespaces');

const LIMIT_MS = 20_000;
const FAILSAFE_S = 8;
/** Three adverts and the skew, and the announcement: a failover on a plain bridge, on a machine that does other things too. */
const GUESTS_MS = 5000;

const settings = (config: AgentConfig) => void Object.assign(config, { failsafeSeconds: FAILSAFE_S });
const holderOf = async (agent: AgentProcess) => (await agent.api<HavipView>('/api/v1/havips/havip-1')).holder?.instance;
const holds = (agent: AgentProcess, instance: string) =>
  agent.waitForApi<HavipView>(
    '/api/v1/havips/havip-1',
    `${instance} as holder`,
    ({ holder }) => holder?.instance === instance,
    LIMIT_MS,
  );

/** What cvm-3, no member, tries; how many frames of it the client and cvm-2 hear. */
async function spoofsHeard(lab: Lab): Promise<number> {
  const { mac, address } = lab.guest('cvm-3').spec;
  const frames = [
    arp({ source: mac, senderAddress: HAVIP }),
    arp({ source: '00:00:5e:00:01:33', senderAddress: HAVIP, operation: 2, targetMac: mac }), // as no keepalived sends it
    vrrp({ source: mac, ipSource: address, priority: 255, addresses: [HAVIP] }),
  ];
  const wires = ['client', 'cvm-2'].map((name) => lab.guest(name).openWire());
  const sender = lab.guest('cvm-3').openWire();
  sender.sendAll(frames);
  let heard = 0;
  for (const wire of wires) {
    await wire.expect((frame) => {
      if (frames.some((one) => frame.equals(one))) heard++;
      return false;
    }, 300);
  }
  for (const wire of [...wires, sender]) wire.close();
  return heard;
}

const MODES: readonly (readonly [string, KeepalivedOptions])[] = [
  ['its own MAC', {}],
  ['a virtual MAC', { multicast: true, virtualMac: true }],
];

describe.runIf(root).concurrent('a silent agent', () => {
  test.for(MODES)('keeps nobody from taking over, with %s', async ([, options], { expect }) => {
    await using lab = await Lab.create();
    const agent = await lab.startAgent({ config: lab.config(settings) });
    const first = await lab.guest('cvm-1').keepalived({ ...options, priority: 100 });
    await first.enters('MASTER', LIMIT_MS);
    await holds(agent, 'cvm-1');
    const second = await lab.guest('cvm-2').keepalived({ ...options, priority: 80 });
    const ping = lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply(LIMIT_MS);
    await agent.stop('SIGKILL');
    const crashedMs = monotonicMs();
    await lab.guest('cvm-1').hang();
    await second.enters('MASTER', LIMIT_MS);
    expect(await spoofsHeard(lab)).toBe(0);
    const outage = await ping.outageUntilReply(crashedMs, LIMIT_MS);
    expect(outage?.durationMs).toBeLessThan(FAILSAFE_S * 1000 + GUESTS_MS);
    expect(await spoofsHeard(lab)).toBe(0);
    const againMs = monotonicMs();
    const heir = await lab.startAgent({ config: lab.config(settings) });
    await holds(heir, 'cvm-2');
    expect(await spoofsHeard(lab)).toBe(0);
    await ping.reply(LIMIT_MS);
    expect((await ping.stop()).filter(({ startMs }) => startMs > againMs)).toEqual([]);
  });

  test('killed and started again in time changes nothing, for the guests and in the kernel', async ({ expect }) => {
    await using lab = await Lab.create();
    const config = lab.config(settings);
    const agent = await lab.startAgent({ config });
    const first = await lab.guest('cvm-1').keepalived({ multicast: true, virtualMac: true });
    await first.enters('MASTER', LIMIT_MS);
    await holds(agent, 'cvm-1');
    await expect.poll(() => vridsOf(lab), { timeout: LIMIT_MS }).toContain('0x33');
    const ping = lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply(LIMIT_MS);
    const before = await rulesetOf(lab);
    await agent.stop('SIGKILL');
    expect(await rulesetOf(lab)).toBe(before);
    const heir = await lab.startAgent({ config });
    await holds(heir, 'cvm-1');
    expect(await rulesetOf(lab)).toBe(before);
    expect(await ping.stop()).toEqual([]);
  });
});

const vridsOf = (lab: Lab) => lab.host.exec(['nft', 'list', 'set', 'netdev', 'havip', 'vrid']);

/** With handles; not what ticks. */
async function rulesetOf(lab: Lab): Promise<string> {
  const text = await lab.host.exec(['nft', '-a', 'list', 'ruleset']);
  return text.replaceAll(/packets \d+ bytes \d+|expires \d+\w+/g, '-');
}

describe.runIf(root)('ucarp', () => {
  test('elects one master behind the guard, and its backup takes over', async () => {
    await using lab = await Lab.create();
    const agent = await lab.startAgent();
    const up = lab.writeFile('up.sh', `#!/bin/sh\nip addr add ${HAVIP}/32 dev "$1"\n`);
    const down = lab.writeFile('down.sh', `#!/bin/sh\nip addr del ${HAVIP}/32 dev "$1"\n`);
    for (const file of [up, down]) await lab.host.exec(['chmod', '755', file]);
    const start = (instance: string, skew: number) => {
      const { address } = lab.guest(instance).spec;
      const flags = ['--interface=eth0', '--vhid=42', '--pass=1111', `--addr=${HAVIP}`, `--advskew=${skew}`];
      return lab.guest(instance).spawn(['ucarp', ...flags, `--srcip=${address}`, `--upscript=${up}`, `--downscript=${down}`]);
    };
    const first = start('cvm-1', 0);
    await holds(agent, 'cvm-1');
    const second = start('cvm-2', 100);
    const ping = lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply(LIMIT_MS);
    await new Promise((done) => setTimeout(done, 8000));
    expect(await holderOf(agent)).toBe('cvm-1');
    expect(second.stderr.join('\n')).not.toContain('MASTER');
    expect(ping.outages()).toEqual([]);
    await first.stop('SIGKILL');
    await lab.guest('cvm-1').hang();
    await holds(agent, 'cvm-2');
    await ping.reply(LIMIT_MS);
    await ping.stop();
    expect(await agent.metric('havip_verdicts_total', { reason: 'carp-advert' })).toBeGreaterThan(8);
    expect(await agent.metric('havip_guard_dropped_total')).toBe(0);
  });
});
