/**
 * The demo as such: keepalived guests fail over a HAVIP while a neighbour tries to steal it.
 */
import { tellFailover, boundTo, observeFailover } from './failover.ts';
import type { ObservedFailover } from './failover.ts';
import { showSpoofing } from './spoof.ts';
import { Timeline } from './timeline.ts';
import type { AgentProcess } from '../lab/agent.ts';
import { LabError } from '../lab/command.ts';
import type { Keepalived } from '../lab/keepalived.ts';
import { Lab } from '../lab/lab.ts';
import { monotonicMs, type Ping } from '../lab/ping.ts';
import { HAVIP } from '../lab/topology.ts';
import { until } from '../lab/until.ts';

const PING_EVERY_MS = 2;

interface Observed {
  failovers: ObservedFailover[];
  drops: Record<string, number>;
}

let timeline = new Timeline({ silent: true });
const observed: Observed = { failovers: [], drops: {} };

export async function tellStory(told: Timeline, into: Record<string, unknown>): Promise<void> {
  timeline = told;
  try {
    await using lab = await Lab.create();
    await run(lab);
  } finally {
    Object.assign(into, observed);
  }
}

async function run(lab: Lab): Promise<void> {
  timeline.title(`One hypervisor, six guests, and the address ${HAVIP} that cvm-1 or cvm-2 may hold`);
  timeline.event('lab', 'a bridge, six guests behind taps: network namespaces of this machine');
  const agent = await lab.startAgent();
  timeline.event('agent', 'ready: captures on every tap, the kernel drops by nftables what may not pass');

  const first = await lab.guest('cvm-1').keepalived();
  const bound = boundTo(agent, 'cvm-1');
  timeline.event('guests', 'keepalived starts in cvm-1, then in cvm-2: unmodified, the reference configuration');
  await first.enters('MASTER');
  const second = await lab.guest('cvm-2').keepalived();
  timeline.event('bound', `${HAVIP} is held by cvm-1, on ${(await bound).holder?.interface}`, 'good');

  await showSpoofing(lab, agent, timeline);

  const ping = lab.client.ping(HAVIP, { intervalMs: PING_EVERY_MS, limitMs: 120_000 });
  await ping.reply();
  timeline.event('client', `pings ${HAVIP} every ${PING_EVERY_MS} ms`);
  const crashedMs = monotonicMs();
  await first.crash();
  await lab.guest('cvm-1').linkDown();
  timeline.event('crash', 'keepalived on cvm-1 is killed and its link goes down', 'bad');
  await take(observeFailover(agent, ping, 'cvm-2', crashedMs));

  await lab.guest('cvm-1').forget(HAVIP); // as after a restart of the machine
  await lab.guest('cvm-1').linkUp();
  const again = await lab.guest('cvm-1').keepalived();
  timeline.event('repair', 'cvm-1 is back and waits as backup');
  const stoppedMs = monotonicMs();
  const stopping = second.stop();
  timeline.event('stop', 'keepalived on cvm-2 is stopped cleanly: it says so with priority 0');
  await take(observeFailover(agent, ping, 'cvm-1', stoppedMs));
  await stopping;

  await assist(lab, agent);
  const backup = await lab.guest('cvm-2').keepalived();
  await readyToResign(agent, 2);
  await cut(lab, agent, ping, 'cvm-1', 'cvm-2', 'cvm-1 loses its link again; this time the agent resigns in its name');

  await useVersion3(lab, [again, backup]);
  await readyToResign(agent, 3);
  await ping.reply();
  await cut(lab, agent, ping, 'cvm-1', 'cvm-2', 'the same with VRRP version 3: the agent also shortens the backup’s timer');
  const assists = await agent.metric('havip_assisted_resigns_total');
  if (assists !== 2) throw new LabError(`the agent resigned ${assists} times, not twice`);
  await ping.stop();

  observed.drops = await dropsByReason(agent);
  if (observed.failovers[0]!.clientOutageMs === 0)
    throw new LabError('the client saw no outage although the holder’s link was down');
  await tellMetrics(agent);
  await agent.stop();
}

async function cut(lab: Lab, agent: AgentProcess, ping: Ping, from: string, to: string, text: string): Promise<void> {
  const cutMs = monotonicMs();
  await lab.guest(from).linkDown();
  timeline.event('crash', text, 'bad');
  await take(observeFailover(agent, ping, to, cutMs));
}

/** Its holder has advertised since it had the HAVIP, in this version. */
async function readyToResign(agent: AgentProcess, version: 2 | 3): Promise<void> {
  const isReady = ({ assist: ready, holder, evidence }: Ready) =>
    ready === 'ready' && evidence.some((one) => one.instance === holder?.instance && one.version === version);
  await agent.waitForApi<Ready>('/api/v1/havips/havip-1', `advert of version ${version} to resign with`, isReady);
}

interface Ready {
  readonly assist: string;
  readonly holder: { readonly instance: string } | null;
  readonly evidence: readonly { readonly instance: string; readonly version: number }[];
}

/** Both guests' configuration is changed; cvm-1 holds it as before, cvm-2 waits as backup. */
async function useVersion3(lab: Lab, running: readonly Keepalived[]): Promise<void> {
  const [one, two] = [lab.guest('cvm-1'), lab.guest('cvm-2')];
  await Promise.all(running.map((each) => each.stop()));
  await one.linkUp();
  const first = await one.keepalived({ version: 3 });
  await first.enters('MASTER');
  await two.keepalived({ version: 3 });
  timeline.event('guests', 'keepalived in both guests is started again, with `version 3`');
}

/** A reload, as on a real host: the file is changed and the agent gets SIGHUP. */
async function assist(lab: Lab, agent: AgentProcess): Promise<void> {
  const before = await agent.metric('havip_config_last_reload_success_timestamp_seconds');
  const text = lab.config((config) => Object.assign(config.vpcs[0]?.havips[0] ?? {}, { assist: 'resign' }));
  lab.writeFile('agent-0.yaml', text);
  agent.signal('SIGHUP');
  const reloaded = () => agent.metric('havip_config_last_reload_success_timestamp_seconds');
  await until('the reloaded configuration', async () => (await reloaded()) > before);
  timeline.event('reload', 'havip-1 gets `assist: resign`, by SIGHUP; nothing in its binding changes');
}

async function take(failover: Promise<ObservedFailover>): Promise<void> {
  const seen = await failover;
  observed.failovers.push(seen);
  tellFailover(timeline, seen);
}

async function dropsByReason(agent: AgentProcess): Promise<Record<string, number>> {
  const drops: Record<string, number> = {};
  for (const line of (await agent.metrics()).split('\n')) {
    const [, reason, count] = /^havip_verdicts_total\{(?=.*verdict="drop").*reason="([^"]+)".*\} (\d+)/.exec(line) ?? [];
    if (reason !== undefined && Number(count) > 0) drops[reason] = Number(count);
  }
  return drops;
}

async function tellMetrics(agent: AgentProcess): Promise<void> {
  timeline.event('metrics', 'on a host of yours: http://127.0.0.1:9712/metrics; among them');
  const lines = (await agent.metrics()).split('\n');
  const shown = lines.filter((line) =>
    /^havip_(failovers_total|bindings|guard_dropped_total|verdicts_total\{verdict="drop")/.test(line),
  );
  for (const line of shown.filter((each) => !each.endsWith(' 0'))) timeline.detail(line);
}
