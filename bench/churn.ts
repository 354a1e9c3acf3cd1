/**
 * Ports that come and go under load: one guest's tap is deleted and made anew, set down and up, renamed away and back, again and again,
 * while another guest sends. What the other port loses, how long until the first port is heard again (by asking the agent's API, so
 * a request is inside), and whether descriptors and memory grow.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import type { Guest } from '../native-fixtures/lab/guest.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { until } from '../native-fixtures/lab/until.ts';
import type { Wire } from '../native-fixtures/lab/wire.ts';
import { type Bench, median } from './bench.ts';
import { buildFlood, startFlood } from './flood.ts';

const RATE = 20_000;
const LIMIT_SECONDS = 600;
/** Cycles until the agent has its steady number of rings, and V8 its steady heap. */
const WARM_UP = 6;
const AWAY = 'hv-away';

export interface Churned {
  /** Of the port that stayed: frames received by the interface, and verdicts on them. */
  readonly received: number;
  readonly judged: number;
  readonly dropped: number;
  /** From the end of the change until the agent has counted a frame of the port. */
  readonly backMs: readonly number[];
  readonly descriptors: readonly [before: number, after: number];
  readonly rssMib: readonly [before: number, after: number];
}

export const bench: Bench = {
  name: 'churn',
  question: 'what do ports that come and go cost the others?',
  async run({ small, print }) {
    const cycles = small ? 9 : 1000;
    const { received, judged, dropped, backMs, descriptors, rssMib } = await churn(cycles);
    const sorted = [...backMs].sort((a, b) => a - b);
    print(`  ${cycles} cycles; the other port: ${received} frames received, ${judged} judged, ${dropped} dropped`);
    print(
      `  heard again after ${median(sorted).toFixed(1)} ms (median), ${sorted[Math.floor(sorted.length * 0.99)]!.toFixed(1)} (p99), ${sorted.at(-1)!.toFixed(1)} (max)`,
    );
    print(`  descriptors ${descriptors.join(' -> ')}, resident ${rssMib.map((mib) => mib.toFixed(0)).join(' -> ')} MiB`);
    if (judged !== received || dropped !== 0) throw new Error('churn: the other port lost frames');
  },
};

export async function churn(cycles: number): Promise<Churned> {
  const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
  try {
    const program = buildFlood(folder);
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-3'] });
    // Room for what arrives while a busy machine keeps the worker waiting: that would be a loss, but not one of churn.
    const agent = await lab.startAgent({ config: lab.config((config) => (config.capture = { ringKiB: 8192 })) });
    const guest = lab.guest('cvm-1');
    const other = lab.guest('cvm-3');
    const before = await receivedBy(lab, other);
    const frames = Array.from({ length: 256 }, (_, low) => arp({ source: other.spec.mac, senderAddress: `172.17.16.${low}` }));
    const flood = startFlood(program, other, frames, RATE, LIMIT_SECONDS);
    const backMs: number[] = [];
    for (let i = 0; i < WARM_UP; i++) await cycle(lab, agent, guest, i);
    const [descriptors, rssMib] = sizes(agent);
    for (let i = 0; i < cycles; i++) backMs.push(await cycle(lab, agent, guest, i));
    const [descriptorsAfter, rssAfter] = sizes(agent);
    await flood.stop();

    const received = (await receivedBy(lab, other)) - before;
    const judged = () => verdictsOf(agent, other);
    // Frames on their way to the worker have no event of their own; a lost one never comes, and is found missing by the caller.
    await until('count of all frames', async () => (await judged()) >= received, 2000).catch(() => undefined);
    return {
      received,
      judged: await judged(),
      dropped: await agent.metric('havip_capture_drops_total'),
      backMs,
      descriptors: [descriptors, descriptorsAfter],
      rssMib: [rssMib, rssAfter],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const CHANGES = [
  async (_lab: Lab, guest: Guest) => {
    await guest.unplug();
    await guest.plug();
  },
  async (_lab: Lab, guest: Guest) => {
    await guest.tapDown();
    await guest.tapUp();
  },
  async (lab: Lab, { spec: { tap } }: Guest) => {
    await lab.host.ip(`link set ${tap} down`, `link set ${tap} name ${AWAY}`);
    await lab.host.ip(`link set ${AWAY} name ${tap}`, `link set ${tap} up`);
  },
] as const;

async function cycle(lab: Lab, agent: AgentProcess, guest: Guest, number: number): Promise<number> {
  await CHANGES[number % CHANGES.length]!(lab, guest);
  const fromMs = performance.now();
  const heardBefore = await verdictsOf(agent, guest);
  const wire = guest.openWire();
  try {
    await until('frame of the port that came back', () => isHeard(agent, guest, wire, heardBefore));
  } finally {
    wire.close();
  }
  return performance.now() - fromMs;
}

async function isHeard(agent: AgentProcess, guest: Guest, wire: Wire, before: number): Promise<boolean> {
  wire.send(arp({ source: guest.spec.mac, senderAddress: guest.spec.address }));
  return (await verdictsOf(agent, guest)) > before;
}

async function verdictsOf(agent: AgentProcess, { spec }: Guest): Promise<number> {
  const ports = await agent.api<{ interface: string; verdicts: Record<string, number> }[]>('/api/v1/ports');
  const verdicts = ports.find((port) => port.interface === spec.tap)?.verdicts ?? {};
  return Object.values(verdicts).reduce((sum, count) => sum + count, 0);
}

async function receivedBy(lab: Lab, { spec }: Guest): Promise<number> {
  const text = await lab.host.exec(['ip', '-json', '-statistics', 'link', 'show', 'dev', spec.tap]);
  return (JSON.parse(text) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx.packets;
}

function sizes(agent: AgentProcess): [descriptors: number, rssMib: number] {
  const { pid } = agent.process;
  const [, kib = '0'] = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return [readdirSync(`/proc/${pid}/fd`).length, Number(kib) / 1024];
}
