/**
 * `npm run demo`: real keepalived guests fail over a HAVIP through this machine's own kernel, while a neighbour tries to steal it.
 * Exit 0 only if all that it tells was observed. `--json` prints one document instead of the timeline.
 */
import { parseArgs } from 'node:util';
import { tellFailover, boundTo, observeFailover } from './demo/failover.ts';
import type { ObservedFailover } from './demo/failover.ts';
import { showSpoofing } from './demo/spoof.ts';
import { Timeline } from './demo/timeline.ts';
import type { AgentProcess } from './lab/agent.ts';
import { LabError } from './lab/command.ts';
import { Lab } from './lab/lab.ts';
import { monotonicMs } from './lab/ping.ts';
import { HAVIP } from './lab/topology.ts';
import { until } from './lab/until.ts';

interface Observed {
  readonly failovers: ObservedFailover[];
  drops: Record<string, number>;
}

const PING_EVERY_MS = 2;
const { json } = parseArgs({ options: { json: { type: 'boolean', default: false } } }).values;
const timeline = new Timeline({ silent: json });
const observed: Observed = { failovers: [], drops: {} };

try {
  await using lab = await Lab.create();
  await run(lab);
  if (json) process.stdout.write(`${JSON.stringify({ ok: true, ...observed })}\n`);
} catch (error) {
  const { message } = error as Error;
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: message, ...observed })}\n`);
  process.stderr.write(`demo: ${message}\n`);
  process.exitCode = process.getuid?.() === 0 ? 1 : 3;
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
  await lab.guest('cvm-1').keepalived();
  timeline.event('repair', 'cvm-1 is back and waits as backup');
  const stoppedMs = monotonicMs();
  const stopping = second.stop();
  timeline.event('stop', 'keepalived on cvm-2 is stopped cleanly: it says so with priority 0');
  await take(observeFailover(agent, ping, 'cvm-1', stoppedMs));
  await stopping;

  await assist(lab, agent);
  await lab.guest('cvm-2').keepalived();
  await agent.waitForApi<{ assist: string }>(
    '/api/v1/havips/havip-1',
    'advert to resign with',
    (havip) => havip.assist === 'ready',
  );
  const cutMs = monotonicMs();
  await lab.guest('cvm-1').linkDown();
  timeline.event('crash', 'cvm-1 loses its link again; this time the agent resigns in its name');
  await take(observeFailover(agent, ping, 'cvm-2', cutMs));
  const assists = await agent.metric('havip_assisted_resigns_total');
  if (assists !== 1) throw new LabError(`the agent resigned ${assists} times, not once`);
  await ping.stop();

  observed.drops = await dropsByReason(agent);
  if (observed.failovers[0]!.clientOutageMs === 0)
    throw new LabError('the client saw no outage although the holder’s link was down');
  await tellMetrics(agent);
  await agent.stop();
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
