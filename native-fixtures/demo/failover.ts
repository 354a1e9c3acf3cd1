/** One failover as its two witnesses saw it: the agent, phase by phase, and a client that pings the HAVIP. */
import type { AgentProcess } from '../lab/agent.ts';
import type { Ping } from '../lab/ping.ts';
import type { Timeline } from './timeline.ts';

export interface ObservedFailover {
  readonly from: string;
  readonly to: string;
  readonly cause: string;
  readonly phasesMs: Readonly<Record<string, number>>;
  readonly advice: string | null;
  readonly clientOutageMs: number;
}

interface HavipDocument {
  readonly state: string;
  readonly epoch: number;
  readonly holder: { readonly instance: string; readonly interface: string } | null;
  readonly lastFailover: Omit<ObservedFailover, 'clientOutageMs'> | null;
}

/** In the order of time. */
export const PHASES = ['detection', 'announce', 'verdict', 'programming', 'reachable'];
const PATH = '/api/v1/havips/havip-1';

/** Resolves when the agent says that this instance holds the HAVIP. */
export function boundTo(agent: AgentProcess, instance: string): Promise<HavipDocument> {
  return agent.waitForApi<HavipDocument>(PATH, `binding to ${instance}`, ({ holder }) => holder?.instance === instance);
}

/** Waits until the HAVIP is with `to`, the switch has acknowledged it and the client is answered again. */
export async function observeFailover(agent: AgentProcess, ping: Ping, to: string, sinceMs: number): Promise<ObservedFailover> {
  const done = ({ holder, lastFailover }: HavipDocument) =>
    holder?.instance === to && lastFailover?.to === to && lastFailover.phasesMs['programming'] !== undefined;
  const { lastFailover } = await agent.waitForApi<HavipDocument>(PATH, `failover to ${to}`, done);
  const outage = await ping.outageUntilReply(sinceMs);
  const { from = '', cause = '', phasesMs = {}, advice = null } = lastFailover ?? {};
  return { from, to, cause, phasesMs, advice, clientOutageMs: Math.round((outage?.durationMs ?? 0) * 1000) / 1000 };
}

export function tellFailover(timeline: Timeline, failover: ObservedFailover): void {
  const { from, to, cause, phasesMs, clientOutageMs } = failover;
  timeline.event('failover', `${from} → ${to}, cause: ${cause}`, 'good');
  const { total = 0 } = phasesMs;
  const longestMs = Math.max(total, clientOutageMs);
  for (const name of PHASES) if (phasesMs[name] !== undefined) timeline.phase(name, phasesMs[name], longestMs);
  timeline.phase('total', total, longestMs);
  timeline.phase('client saw', clientOutageMs, longestMs);
  if (failover.advice !== null) timeline.detail(failover.advice);
}
