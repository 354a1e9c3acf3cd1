/** What the seed's scenarios have in common: a client that works through the HAVIP all the time, and what a failover cost it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentProcess, ApiObject } from '../lab/agent.ts';
import { LabError } from '../lab/command.ts';
import type { Guest } from '../lab/guest.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabProcess } from '../lab/process.ts';
import { projectRoot } from '../lab/project.ts';
import { HAVIP } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import { PHASES } from './failover.ts';
import type { Timeline } from './timeline.ts';

/** One request of client.ts. */
export interface Work {
  readonly number: number;
  /** On the monotonic clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: string | null;
}

/** keepalived asks once a second, and twice in vain. */
export const FALL = 2;
const INTERVAL_MS = 1000;
/** (256 - priority) / 256 of an advert's interval: the backup's priority is 80. */
const SKEW_MS = 690;
const MORE_MS = 500;
/** The longest that a client of the reference configuration may see nothing, by its timers alone. */
export const LIMIT_MS = FALL * INTERVAL_MS + SKEW_MS + MORE_MS;

export function require(...programs: readonly string[]): void {
  const missing = programs.find((path) => !existsSync(path));
  if (missing !== undefined) throw new LabError(`${missing} is missing: bash native-fixtures/setup.sh --labs installs it`);
}

/** `http ADDRESS` or `sql ADDRESS`, every so many milliseconds (client.ts). */
export class Client {
  readonly #process: LabProcess;
  readonly #what: string;

  constructor(guest: Guest, kind: 'http' | 'sql', everyMs: number) {
    this.#what = kind;
    const program = join(projectRoot(), 'dist/native-fixtures/demo/client.js');
    this.#process = guest.spawn([process.execPath, program, kind, HAVIP, String(everyMs)]);
  }

  get work(): readonly Work[] {
    return this.#process.stdout.map((line) => {
      const [number = 0, startMs = 0, endMs = 0] = line.split(' ').map(Number);
      const failed = line.split(' ').slice(3).join(' ');
      return { number, startMs, endMs, failed: failed === '' ? null : failed };
    });
  }

  /** Resolves when so many more were answered. */
  async answered(more: number, limitMs = 30_000): Promise<void> {
    const wanted = this.#ok().length + more;
    await this.#process.when(`${more} answers (${this.#what})`, () => (this.#ok().length >= wanted ? true : undefined), limitMs);
  }

  /** From the last answer before the longest gap that ended after `sinceMs`, to the first after it. */
  gapMs(sinceMs: number): number {
    const ends = this.#ok().map(({ endMs }) => endMs);
    const gaps = ends.slice(1).map((endMs, i) => (endMs > sinceMs ? endMs - ends[i]! : 0));
    return Math.round(Math.max(0, ...gaps));
  }

  async stop(): Promise<{ readonly ok: number; readonly failed: number }> {
    await this.#process.stop();
    const ok = this.#ok().length;
    return { ok, failed: this.work.length - ok };
  }

  #ok(): Work[] {
    return this.work.filter(({ failed }) => failed === null);
  }
}

export interface Cost {
  readonly cause: string;
  readonly failovers: number;
  readonly gapMs: number;
  readonly limitMs: number;
  readonly phasesMs: Readonly<Record<string, number>>;
  /** From the service's last answer to the resignation, as the agent saw it: it belongs to the guest's own check. */
  readonly applicationMs: number;
}

/** The agent connects to the HAVIP's service itself. */
export function asking(lab: Lab, port: number): string {
  return lab.config(({ vpcs: [vpc] }) => Object.assign(vpc?.havips[0] ?? {}, { probe: { tcp: port } }));
}

/** Waits until `to` has the HAVIP and the client works again. */
export async function costOf(agent: AgentProcess, client: Client, to: string, faultMs: number): Promise<Cost> {
  const path = '/api/v1/havips/havip-1';
  const isDone = (view: ApiObject) => {
    const failover = view['lastFailover'] as { to: string; phasesMs: Record<string, number> } | null;
    return failover?.to === to && failover.phasesMs['programming'] !== undefined;
  };
  const view = await agent.waitForApi(path, `failover to ${to}`, isDone, 30_000);
  await client.answered(20);
  const { cause, phasesMs } = view['lastFailover'] as { cause: string; phasesMs: Record<string, number> };
  const gapMs = client.gapMs(faultMs);
  const { application: applicationMs } = phasesMs;
  if (applicationMs === undefined) throw new LabError('the agent did not see the service fall silent before the resignation');
  return { cause, failovers: Number(view['failovers']), gapMs, limitMs: LIMIT_MS, phasesMs, applicationMs };
}

export function tellCost(timeline: Timeline, cost: Cost): void {
  const { total = 0 } = cost.phasesMs;
  timeline.event('failover', `cause: ${cost.cause}`, 'good');
  timeline.phase('application', cost.applicationMs, cost.gapMs);
  for (const name of PHASES) if (cost.phasesMs[name] !== undefined) timeline.phase(name, cost.phasesMs[name], cost.gapMs);
  timeline.phase('total', total, cost.gapMs);
  timeline.phase('client saw', cost.gapMs, cost.gapMs);
  timeline.detail(
    "application: the guest's own check, twice in vain, as the agent's probe of the service saw it; before the total",
  );
}

/** What it says must be so. */
export function demand(what: string, isSo: boolean): void {
  if (!isSo) throw new LabError(`not seen: ${what}`);
}

export async function bound(agent: AgentProcess, instance: string): Promise<void> {
  const isHolder = (view: ApiObject) => (view['holder'] as { instance: string } | null)?.instance === instance;
  await agent.waitForApi('/api/v1/havips/havip-1', `binding to ${instance}`, isHolder, 30_000);
}

/** Asks until it is so; a command that fails says no. */
export async function eventually(what: string, ask: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
  await until(what, () => ask().catch(() => false), limitMs);
}
