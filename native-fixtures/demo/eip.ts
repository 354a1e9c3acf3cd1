/** `npm run demo -- eip`: an address outside follows the holder of its HAVIP, as a client outside sees it. */
import { Lab } from '../lab/lab.ts';
import { LabError } from '../lab/command.ts';
import { EIP, Outside, withEip } from '../lab/outside.ts';
import { Ping } from '../lab/ping.ts';
import { until } from '../lab/until.ts';
import { boundTo, observeFailover } from './failover.ts';
import { monotonicMs } from '../lab/ping.ts';
import { HAVIP } from '../lab/topology.ts';
import type { Timeline } from './timeline.ts';

const PING_EVERY_MS = 2;

export async function showEip(timeline: Timeline, observed: Record<string, unknown>): Promise<void> {
  await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'client'] });
  await using outside = await Outside.build(lab.name, [lab.host]);
  timeline.title(`${EIP} outside leads to whoever holds ${HAVIP}`);
  const agent = await lab.startAgent({ config: lab.config(withEip) });
  const first = await lab.guest('cvm-1').keepalived();
  await boundTo(agent, 'cvm-1');
  await lab.guest('cvm-2').keepalived();
  const answers = async () =>
    (await outside.client.exec(['bash', '-c', `ping -c 1 -W 1 ${EIP} || true`])).includes(' 1 received');
  await until('an answer through the EIP', answers, 20_000);
  timeline.event('client', `outside, pings ${EIP} every ${PING_EVERY_MS} ms, through a router: cvm-1 answers`, 'good');
  const ping = new Ping(outside.client, EIP, { intervalMs: PING_EVERY_MS, limitMs: 60_000 });
  await ping.reply();
  const stoppedMs = monotonicMs();
  timeline.event('stop', 'keepalived on cvm-1 is stopped cleanly');
  const stopping = first.stop();
  const { clientOutageMs, phasesMs } = await observeFailover(agent, ping, 'cvm-2', stoppedMs);
  await stopping;
  await ping.stop();
  timeline.event(
    'failover',
    `cvm-2 answers for ${EIP}; the client saw ${clientOutageMs.toFixed(1)} ms without an answer`,
    'good',
  );
  if (clientOutageMs <= 0) throw new LabError('the client saw no outage although the holder stopped');
  observed['eip'] = { outageMs: clientOutageMs, failover: phasesMs };
  await agent.stop();
}
