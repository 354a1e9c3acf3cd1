/**
 * A quarter of an hour of a busy host: 20 ports, 200 HAVIPs that all of them may claim, 15 claims and 500 spoofs a second, a scrape each
 * 15 s. Does anything grow: memory, descriptors, the log?
 */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { Wire } from '../native-fixtures/lab/wire.ts';
import { formatIpv4 } from '../src/base/address.ts';
import type { Bench } from './bench.ts';
import { macOf, ScaleHost, usageOf } from './scale-host.ts';

const SIZE = { ports: 20, havips: 200 };
const CLAIMS_PER_SECOND = 15;
const SPOOFS_PER_SECOND = 500;
const TICK_MS = 20;
const SAMPLE_MS = 15_000;
const MINUTES = 15;
/** After that nothing may grow. */
const SETTLED_MINUTES = 5;
const GUESTS = 0xac10_0100; // 172.16.1.0
const HAVIPS = 0xac10_0200; // 172.16.2.0

interface Sample {
  readonly minutes: number;
  readonly residentMb: number;
  readonly descriptors: number;
  readonly lines: number;
  readonly bytes: number;
}

export const bench: Bench = {
  name: 'soak',
  question: 'does anything grow in a quarter of an hour of claims and spoofs?',
  async run({ small, print }) {
    const host = await ScaleHost.create(SIZE);
    try {
      host.write(configOf(host));
      const agent = host.startAgent();
      await agent.ready(60_000);
      const samples = await soak(host, agent, small ? 4000 : MINUTES * 60_000, small ? 1000 : SAMPLE_MS);
      report(samples, small ? 0 : SETTLED_MINUTES, print);
      const [claims, failovers, dropped] = await Promise.all([
        agent.metric('havip_claims_total'),
        agent.metric('havip_failovers_total'),
        agent.metric('havip_guard_dropped_total'),
      ]);
      print(`  ${claims} claims, ${failovers} failovers, ${dropped} frames dropped by the guard`);
      await agent.stop();
    } finally {
      host.remove();
    }
  },
};

function configOf(host: ScaleHost): object {
  const subnet = 'subnet-0';
  const havips = Array.from({ length: SIZE.havips }, (_, i) => ({ id: `h${i}`, subnet, address: formatIpv4(HAVIPS + 1 + i) }));
  return {
    host: { id: 'soak' },
    vpcs: [{ id: 'vpc-0', cidr: '172.16.0.0/16', subnets: [{ id: subnet, cidr: '172.16.0.0/16' }], havips }],
    ports: Array.from({ length: SIZE.ports }, (_, p) => ({
      interface: `s${p}`,
      instance: `vm-${p}`,
      subnet,
      mac: macOf(p),
      addresses: [formatIpv4(GUESTS + 1 + p)],
    })),
    http: { listen: host.listen },
  };
}

async function soak(host: ScaleHost, agent: AgentProcess, forMs: number, sampleMs: number): Promise<Sample[]> {
  const wires = Array.from({ length: SIZE.ports }, (_, p) => new Wire(host.namespace.path, `g${p}`));
  const samples: Sample[] = [];
  const startMs = performance.now();
  let [claims, spoofs, sampledMs] = [0, 0, startMs];
  try {
    for (let nowMs = startMs; nowMs - startMs < forMs; nowMs = performance.now()) {
      const seconds = (nowMs - startMs) / 1000;
      // Each claim by another port than the last one of its HAVIP, as a fixed pattern.
      for (; claims < seconds * CLAIMS_PER_SECOND; claims++) {
        const port = (claims * 7 + Math.floor(claims / SIZE.havips)) % SIZE.ports;
        wires[port]?.send(arp({ source: macOf(port), senderAddress: formatIpv4(HAVIPS + 1 + (claims % SIZE.havips)) }));
      }
      for (; spoofs < seconds * SPOOFS_PER_SECOND; spoofs++) {
        const port = spoofs % SIZE.ports;
        wires[port]?.send(arp({ source: macOf(port), senderAddress: formatIpv4(GUESTS + 1 + ((port + 1) % SIZE.ports)) }));
      }
      if (nowMs - sampledMs >= sampleMs) {
        sampledMs = nowMs;
        await agent.metrics();
        samples.push(sampleOf(agent, (nowMs - startMs) / 60_000));
      }
      await sleep(TICK_MS);
    }
  } finally {
    for (const wire of wires) wire.close();
  }
  return samples;
}

function sampleOf({ process: { pid, stdout } }: AgentProcess, minutes: number): Sample {
  return {
    minutes,
    residentMb: usageOf(pid).residentMb,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    lines: stdout.length,
    bytes: stdout.reduce((sum, line) => sum + line.length + 1, 0),
  };
}

function report(samples: readonly Sample[], settledMinutes: number, print: (line: string) => void): void {
  const settled = samples.filter(({ minutes }) => minutes >= settledMinutes);
  const [first, last] = [settled[0], settled.at(-1)];
  if (first === undefined || last === undefined) throw new Error('soak: nothing was sampled');
  for (const [i, { minutes, residentMb, descriptors, lines }] of samples.entries()) {
    if (i % Math.max(1, Math.floor(samples.length / 15)) === 0)
      print(`  ${minutes.toFixed(1).padStart(5)} min: ${residentMb.toFixed(1)} MB, ${descriptors} descriptors, ${lines} lines`);
  }
  const rates = settled.slice(1).map(({ bytes, lines, minutes }, i) => {
    const before = settled[i] ?? first;
    const seconds = (minutes - before.minutes) * 60;
    return { lines: (lines - before.lines) / seconds, bytes: (bytes - before.bytes) / seconds };
  });
  const most = (of: (rate: (typeof rates)[number]) => number) => Math.max(0, ...rates.map(of)).toFixed(1);
  const hours = Math.max(1e-9, (last.minutes - first.minutes) / 60);
  print(
    `  after ${first.minutes.toFixed(1)} min: ${first.residentMb.toFixed(1)} MB; at the end ${last.residentMb.toFixed(1)} MB, a trend of ${slopeOf(settled).toFixed(1)} MB an hour over ${(hours * 60).toFixed(1)} min`,
  );
  print(`  log: at most ${most(({ lines }) => lines)} lines and ${most(({ bytes }) => bytes)} bytes a second`);
  const descriptors = settled.map((sample) => sample.descriptors);
  print(`  descriptors: ${Math.min(...descriptors)} to ${Math.max(...descriptors)}`);
  if (last.descriptors > first.descriptors + 2) throw new Error('soak: descriptors grow');
}

/** Least squares, in MB an hour. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ minutes }) => minutes), mean(({ residentMb }) => residentMb)];
  const over = samples.reduce((sum, { minutes, residentMb }) => sum + (minutes - x) * (residentMb - y), 0);
  const under = samples.reduce((sum, { minutes }) => sum + (minutes - x) ** 2, 0);
  return under === 0 ? 0 : (over / under) * 60;
}
