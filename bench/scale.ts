/**
 * What the number of ports and HAVIPs costs: the real daemon on a host of each size. A claim takes from the kernel's timestamp to the
 * acknowledged transaction, as the agent's own histogram says; a reload from SIGHUP to the log line that follows the acknowledgement.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import { Wire } from '../native-fixtures/lab/wire.ts';
import { type Bench, type BenchOptions, median } from './bench.ts';
import { addressOf, macOf, ScaleHost, type Size, usageOf } from './scale-host.ts';
import { type Panel, plotPanels } from './svg-plot.ts';

interface Figures extends Size {
  readonly startMs: number;
  readonly reloadMs: number;
  readonly residentMb: number;
  readonly idlePercent: number;
  readonly claimUs: number;
}

const SIZES: readonly Size[] = [10, 100, 1000].flatMap((ports) => [1000, 10_000, 100_000].map((havips) => ({ ports, havips })));
const SMALL: readonly Size[] = [{ ports: 10, havips: 1000 }];
const CLAIMS = 100;
/** The agent's histogram says a sum; a look at it after each claim would disturb the next. */
const TEN = 10;
/** Claims that come closer together are gathered into one transaction. */
const ALONE_MS = 20;
/** After a start V8 still compiles and collects. */
const SETTLE_MS = 15_000;
const RELOADS = 5;
const LIMIT_MS = 60_000;

export const bench: Bench = {
  name: 'scale',
  question: 'what do 1,000 ports and 100,000 HAVIPs cost?',
  async run({ small, print }: BenchOptions) {
    print('   ports   HAVIPs   start ms  reload ms   RSS MB   idle CPU %   claim us');
    const figures: Figures[] = [];
    const answers = createHash('sha256');
    for (const size of small ? SMALL : SIZES) {
      const host = await ScaleHost.create(size);
      try {
        const one = await measure(host, small ? 1000 : 10_000, (answer) => answers.update(answer));
        figures.push(one);
        print(row(one));
      } finally {
        host.remove();
      }
    }
    print(`  hash of who holds what ${answers.digest('hex').slice(0, 8)}`);
    if (small) return;
    await compareClaims([SIZES[0]!, SIZES.at(-1)!], print);
    writePlot(figures, print);
  },
};

async function measure(host: ScaleHost, idleMs: number, answer: (text: string) => void): Promise<Figures> {
  host.writeConfig();
  const from = performance.now();
  const agent = host.startAgent();
  await agent.ready(LIMIT_MS);
  const startMs = performance.now() - from;
  await sleep(idleMs * 1.5); // what the start leaves behind is no idling (see SETTLE_MS)
  const before = usageOf(agent.process.pid);
  await sleep(idleMs);
  const after = usageOf(agent.process.pid);
  const claims = new Claims(host, agent);
  while (claims.tookUs.length * TEN < CLAIMS) await claims.ten();
  const reloadMs = await reload(host, agent);
  for (const { havip } of claimedOf(host.size)) answer(JSON.stringify(await holderOf(agent, havip)));
  await agent.stop();
  return {
    ...host.size,
    startMs,
    reloadMs,
    residentMb: after.residentMb,
    idlePercent: ((after.cpuMs - before.cpuMs) / idleMs) * 100,
    claimUs: median(claims.tookUs),
  };
}

/** HAVIPs of ports spread over all there are; a port that has claimed one claims its next. */
function claimedOf({ ports }: Size): { readonly port: number; readonly havip: number }[] {
  const claimants = Math.min(CLAIMS, ports);
  return Array.from({ length: CLAIMS }, (_, i) => {
    const port = Math.floor(((i % claimants) * ports) / claimants);
    return { port, havip: port + ports * Math.floor(i / claimants) };
  });
}

/** Each HAVIP is claimed by its VPC's guest, one after the other. The mean of each ten, microseconds. */
class Claims {
  readonly tookUs: number[] = [];
  readonly #host: ScaleHost;
  readonly #agent: AgentProcess;
  #seconds = 0;

  constructor(host: ScaleHost, agent: AgentProcess) {
    this.#host = host;
    this.#agent = agent;
  }

  async ten(): Promise<void> {
    const done = this.tookUs.length * TEN;
    for (const claim of claimedOf(this.#host.size).slice(done, done + TEN)) await this.#claim(claim);
    const programmed = await this.#agent.metric('havip_claim_to_programmed_seconds_count');
    if (programmed !== done + TEN) throw new Error(`scale: ${programmed} of ${done + TEN} claims were programmed`);
    const seconds = await this.#agent.metric('havip_claim_to_programmed_seconds_sum');
    this.tookUs.push(((seconds - this.#seconds) / TEN) * 1e6);
    this.#seconds = seconds;
    await sleep(ALONE_MS);
  }

  async #claim({ port, havip }: { readonly port: number; readonly havip: number }): Promise<void> {
    const senderAddress = addressOf(this.#host.size, havip);
    const wire = new Wire(this.#host.namespace.path, `g${port}`);
    wire.send(arp({ source: macOf(port), senderAddress, targetAddress: senderAddress }));
    await this.#agent.process.line(new RegExp(`"havip":"havip-${havip}"`), LIMIT_MS);
    await sleep(ALONE_MS);
    wire.close();
  }
}

/** The smallest and the largest host at once, their claims by turns: single rows differ by what else the machine did at the time. */
async function compareClaims(sizes: readonly [Size, Size], print: (line: string) => void): Promise<void> {
  const hosts: ScaleHost[] = [];
  try {
    const claims: Claims[] = [];
    const agents: AgentProcess[] = [];
    for (const size of sizes) {
      const host = await ScaleHost.create(size);
      hosts.push(host);
      host.writeConfig();
      const agent = host.startAgent();
      agents.push(agent);
      await agent.ready(LIMIT_MS);
      claims.push(new Claims(host, agent));
    }
    await sleep(SETTLE_MS);
    for (let round = 0; round < CLAIMS / TEN; round++) for (const one of claims) await one.ten();
    for (const agent of agents) await agent.stop();
    const [few, many] = claims.map(({ tookUs }) => median(tookUs)) as [number, number];
    print(
      `  claims by turns: ${few.toFixed(0)} us with ${sizeText(sizes[0])}, ${many.toFixed(0)} us with ${sizeText(sizes[1])}: ${(many / few).toFixed(2)} x`,
    );
  } finally {
    for (const host of hosts) host.remove();
  }
}

function sizeText({ ports, havips }: Size): string {
  return `${ports} ports and ${havips} HAVIPs`;
}

/** One HAVIP gets another address, several times. Returns the median. */
async function reload(host: ScaleHost, agent: AgentProcess): Promise<number> {
  const { ports, havips } = host.size;
  const havip = havips - 1;
  const took: number[] = [];
  const reloads = () => agent.process.stdout.filter((line) => line.includes('"configuration reloaded"')).length;
  for (let to = 1; to <= RELOADS; to++) {
    host.writeConfig({ havip, to });
    const from = performance.now();
    agent.signal('SIGHUP');
    await agent.process.when('reload', () => (reloads() === to ? true : undefined), LIMIT_MS);
    took.push(performance.now() - from);
  }
  if (!(await host.mayClaim(havip % ports, `172.16.250.${RELOADS}`))) throw new Error('scale: a reload is not in the kernel');
  return median(took);
}

async function holderOf(agent: AgentProcess, havip: number): Promise<unknown> {
  const { id, address, holder } = await agent.api(`/api/v1/havips/havip-${havip}`);
  return [id, address, holder];
}

function column(value: number, width: number, digits = 0): string {
  return value.toFixed(digits).padStart(width);
}

function row({ ports, havips, startMs, reloadMs, residentMb, idlePercent, claimUs }: Figures): string {
  const left = `${column(ports, 8)} ${column(havips, 8)} ${column(startMs, 10)} ${column(reloadMs, 10, 1)}`;
  return `${left} ${column(residentMb, 8)} ${column(idlePercent, 12, 2)} ${column(claimUs, 10)}`;
}

function writePlot(figures: readonly Figures[], print: (line: string) => void): void {
  const panel = (title: string, value: (one: Figures) => number, limit: number): Panel => ({
    title,
    xLabel: 'HAVIPs',
    limit,
    series: [10, 100, 1000].map((ports) => ({
      name: `${ports} ports`,
      points: figures.filter((one) => one.ports === ports).map((one) => [one.havips, value(one)] as const),
    })),
  });
  const smallest = figures[0]?.claimUs ?? 1;
  const svg = plotPanels([
    panel('start, ms', (one) => one.startMs, 3000),
    panel('reload of one HAVIP, ms', (one) => one.reloadMs, 50),
    panel('resident memory, MB', (one) => one.residentMb, 300),
    panel('claim to programmed, us', (one) => one.claimUs, smallest * 1.5),
  ]);
  const folder = join(projectRoot(), 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'scale.svg'), svg);
  print('  bench/results/scale.svg: dashed lines are the targets');
}
