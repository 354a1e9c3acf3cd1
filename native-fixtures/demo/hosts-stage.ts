/** Three hosts of the demo, and what is done with them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../lab/agent.ts';
import { LabError } from '../lab/command.ts';
import type { Guest } from '../lab/guest.ts';
import type { Hosts } from '../lab/hosts.ts';
import type { Keepalived, KeepalivedOptions } from '../lab/keepalived.ts';
import { monotonicMs, type Ping } from '../lab/ping.ts';
import { SwitchWatches } from '../lab/switch-watch.ts';
import { HAVIP } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import type { Timeline } from './timeline.ts';

export interface ObservedMove {
  readonly cause: string;
  /** From the decision to the store's acknowledgement; null: the store was away, or has no part in it. */
  readonly spreadMs: number | null;
  /** From the first kernel that had it to each other host's. */
  readonly remoteMs: readonly number[];
  readonly clientOutageMs: number;
}

interface HavipDocument {
  readonly holder: { readonly instance: string; readonly interface: string; readonly mac: string } | null;
  readonly letGo: boolean;
  readonly provisional?: boolean;
  readonly lastFailover: { readonly cause: string; readonly to: string } | null;
}

const PATH = '/api/v1/havips/havip-1';
const NAMES = ['host-a', 'host-b', 'host-c'] as const;
const TAPS = ['tap7', 'tap13'] as const;
export const LIMIT_MS = 30_000;
export const PING_MS = 2;
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

export class HostsStage {
  readonly moves: ObservedMove[] = [];
  readonly hosts: Hosts;
  readonly timeline: Timeline;
  readonly agents: AgentProcess[];
  readonly #watches: SwitchWatches;
  readonly keepalived: (Keepalived | null)[] = [null, null];

  constructor(hosts: Hosts, agents: AgentProcess[], timeline: Timeline) {
    this.hosts = hosts;
    this.agents = agents;
    this.timeline = timeline;
    this.#watches = new SwitchWatches(hosts.hosts.map(({ space }) => space.path));
  }

  /** Until every kernel sends there, the client is answered, and the agents say so. */
  async move(kind: string, text: string, ping: Ping, to: 0 | 1, act: () => Promise<void>): Promise<void> {
    this.#watches.take(0);
    const agent = this.agents[to]!;
    const spreadBefore = await agent.metric('havip_spread_seconds_sum');
    const sinceMs = monotonicMs();
    this.timeline.event(kind, text, 'bad');
    const seenMs = new Map<number, number>();
    const done = act();
    const wanted = NAMES.map((_, host) => (host === to ? TAPS[to] : 'vx10'));
    for (const endMs = sinceMs + LIMIT_MS; !this.#seen(wanted, seenMs, sinceMs); await sleep(0))
      if (monotonicMs() > endMs) throw new LabError(`no move to ${NAMES[to]} in all kernels within ${LIMIT_MS} ms`);
    await done;
    const outage = await ping.outageUntilReply(sinceMs, LIMIT_MS);
    const { lastFailover } = await this.holds(to);
    const spread = (await agent.metric('havip_spread_seconds_sum')) - spreadBefore;
    const firstMs = Math.min(...seenMs.values());
    const remoteMs = NAMES.flatMap((_, host) => (host === to ? [] : [rounded((seenMs.get(host) ?? firstMs) - firstMs)]));
    const cause = lastFailover?.cause ?? 'takeover';
    const spreadMs = spread > 0 ? rounded(spread * 1000) : null;
    const move = { cause, spreadMs, remoteMs, clientOutageMs: rounded(outage?.durationMs ?? 0) };
    this.moves.push(move);
    this.timeline.event('moved', `to cvm-${to + 1} on ${NAMES[to]}, cause: ${cause}`, 'good');
    for (const [host, ms] of [...seenMs].toSorted((a, b) => a[1] - b[1]))
      this.timeline.detail(`${NAMES[host]}: its kernel sends there ${(ms - sinceMs).toFixed(1)} ms after that`);
    if (spreadMs !== null) this.timeline.detail(`the store has it ${spreadMs.toFixed(1)} ms after the decision`);
    this.timeline.detail(`the client heard nothing for ${move.clientOutageMs.toFixed(1)} ms`);
  }

  /** True: all have it. */
  #seen(wanted: readonly string[], seenMs: Map<number, number>, sinceMs: number): boolean {
    this.#watches.take(5, (host, { holders, seenNs }) => {
      const ms = seenNs / 1e6;
      if (ms > sinceMs && holders.get(HAVIP) === wanted[host] && !seenMs.has(host)) seenMs.set(host, ms);
    });
    return wanted.every((name, host) => this.#watches.holders[host]?.get(HAVIP) === name && seenMs.size >= 2);
  }

  async holds(to: 0 | 1, mac?: 'virtual' | 'own'): Promise<HavipDocument> {
    const documents = await Promise.all(
      this.agents.map((agent, host) =>
        agent.waitForApi<HavipDocument>(
          PATH,
          `holder on ${NAMES[to]}`,
          ({ holder, letGo, provisional }) =>
            holder?.interface === (host === to ? TAPS[to] : 'vx10') &&
            holder.instance === `cvm-${to + 1}` &&
            !letGo &&
            (mac === undefined || holder.mac.startsWith('00:00:5e') === (mac === 'virtual')) &&
            (provisional !== true || this.hosts.store.isDown),
          LIMIT_MS,
        ),
      ),
    );
    return documents[to]!;
  }

  async start(at: 0 | 1, options: KeepalivedOptions = {}): Promise<void> {
    this.keepalived[at] = await this.guest(at).keepalived(options);
  }

  async stop(at: number): Promise<void> {
    await this.keepalived[at]?.stop();
  }

  guest(at: number): Guest {
    return this.hosts.guest(`cvm-${at + 1}`);
  }

  macOf(at: number): string {
    return this.guest(at).spec.mac;
  }

  async client(mac: string): Promise<Ping> {
    const client = this.hosts.guest('client');
    await client.pinNeighbour(HAVIP, mac);
    const ping = client.ping(HAVIP, { intervalMs: PING_MS, limitMs: 180_000 });
    await ping.reply(LIMIT_MS);
    return ping;
  }

  async readyToResign(at: 0 | 1): Promise<void> {
    await this.agents[at]!.waitForApi<{ assist: string }>(
      PATH,
      'advert to resign with',
      ({ assist }) => assist === 'ready',
      LIMIT_MS,
    );
  }

  async synced(): Promise<void> {
    for (const agent of this.agents) await this.connected(agent, 1);
  }

  async connected(agent: AgentProcess, value: 0 | 1): Promise<void> {
    await until(`store_connected ${value}`, async () => (await agent.metric('havip_store_connected')) === value, LIMIT_MS);
  }

  close(): void {
    this.#watches.close();
  }
}
