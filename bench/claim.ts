/**
 * How long a claim takes from the kernel's timestamp to the acknowledged transaction, claim by claim: when nothing else happens, under
 * another port's flood of spoofs, and while the claimant's own port floods refreshes. The agent's own figures (verdict + programming
 * of each failover), and beside them those of a witness: from the sender's send(2) until another process has read the kernel's
 * announcement of the transaction, which adds the witness' own wake-up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import type { Bench } from './bench.ts';
import { buildFlood, type Flood, startFlood } from './flood.ts';
import { buildClaimLimit, measureLimit } from './claim-limit.ts';
import { type Scrape, Takeovers } from './takeovers.ts';

type Print = (line: string) => void;

interface Phase {
  readonly name: string;
  flood(rig: Takeovers, program: string): Flood | null;
}

const FLOOD_LIMIT_SECONDS = 60;
/** Between two claims, and between two scrapes of /metrics. */
const PAUSE_MS = 4;
const CLAIMS_PER_SCRAPE = 50;

const STARTS = 7;

/** HAVIP 0 is the one that its holder's flood refreshes. */
const FLOODED = 0;

const PHASES: readonly Phase[] = [
  { name: 'idle', flood: () => null },
  {
    name: "another port's flood",

    flood: (rig, program) => startFlood(program, rig.lab.guest('cvm-3'), spoofs(rig), 300_000, FLOOD_LIMIT_SECONDS),
  },
  {
    name: 'its own refreshes',
    flood: (rig, program) => startFlood(program, rig.lab.guest('cvm-2'), [rig.frame(FLOODED, 1)], 50_000, FLOOD_LIMIT_SECONDS),
  },
];

export const bench: Bench = {
  name: 'claim',
  question: 'how long does a claim take from the kernel’s timestamp to the acknowledged transaction?',
  async run({ small, print }) {
    const claims = small ? 20 : 1000;
    const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
    try {
      const program = buildFlood(folder);
      const measured = 1 + PHASES.length * claims;
      using rig = await Takeovers.create(measured + STARTS);
      await cold(rig, measured, small ? 1 : STARTS, print);
      rig.claim(FLOODED, 1);
      for (const [i, phase] of PHASES.entries()) await measure(rig, phase, 1 + i * claims, claims, program, print);
      await rig.agent.stop();
      const limit = await measureLimit(rig, buildClaimLimit(folder), claims, PAUSE_MS);
      print(`  the same in C, idle  ${' '.repeat(17)}us: ${row(limit)}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** The first claim and the first failover of an agent that has just started. */
async function cold(rig: Takeovers, firstHavip: number, starts: number, print: Print): Promise<void> {
  const bound: number[] = [];
  const moved: number[] = [];
  for (let havip = firstHavip; havip < firstHavip + starts; havip++) {
    await sleep(PAUSE_MS);
    bound.push(rig.claim(havip, 0) ?? Infinity);
    await sleep(PAUSE_MS);
    moved.push(rig.claim(havip, 1) ?? Infinity);
    await rig.restart(firstHavip + STARTS);
  }
  print(
    `  first claim after start, witness: p50 ${us(quantile(bound, 0.5))} us, max ${us(quantile(bound, 1))}; first failover: p50 ${us(quantile(moved, 0.5))}, max ${us(quantile(moved, 1))}`,
  );
}

async function measure(
  rig: Takeovers,
  phase: Phase,
  first: number,
  claims: number,
  program: string,
  print: Print,
): Promise<void> {
  const havips = Array.from({ length: claims }, (_, i) => first + i);
  for (const havip of havips) {
    rig.claim(havip, 0);
    if (havip % CLAIMS_PER_SCRAPE === 0) await sleep(1);
  }
  const known = (await rig.failovers(0)).size;
  await rig.scrape();
  const flood = phase.flood(rig, program);
  const witness: number[] = [];
  const scrapes: Scrape[] = [];
  for (const havip of havips) {
    await sleep(PAUSE_MS);
    const took = rig.claim(havip, 1);
    if (took !== null) witness.push(took);
    if (havip % CLAIMS_PER_SCRAPE === 0) scrapes.push(await rig.scrape());
  }
  scrapes.push(await rig.scrape());
  const sent = await flood?.stop();
  const failovers = await rig.failovers(known + witness.length);
  const agent = havips.flatMap((havip) => failovers.get(havip) ?? []);
  report(
    phase.name,
    witness.length,
    claims,
    agent.map((phases) => (phases.verdict + (phases.programming ?? Infinity)) * 1000),
    witness,
    print,
  );
  const verdict = quantile(
    agent.map((phases) => phases.verdict * 1000),
    0.5,
  );
  const programming = quantile(
    agent.map((phases) => (phases.programming ?? 0) * 1000),
    0.5,
  );
  print(`    verdict p50 ${us(verdict)}, programming p50 ${us(programming)}`);
  const rate = sent === undefined ? 'no flood' : `flood ${Math.round(sent.frames / sent.seconds / 1000)},000 frames/s`;
  const worst = (of: (scrape: Scrape) => number) => Math.max(...scrapes.map(of)).toFixed(1);
  print(
    `    ${rate}; event loop p99 ${worst((one) => one.loopP99Ms)} ms, max ${worst((one) => one.loopMaxMs)} ms; /metrics at most ${worst((one) => one.tookMs)} ms`,
  );
  if (witness.length !== claims) throw new Error(`claim: ${phase.name}: ${claims - witness.length} takeovers were not seen`);
}

function report(name: string, seen: number, claims: number, agent: number[], witness: number[], print: Print): void {
  print(`  ${name.padEnd(20)} ${seen} of ${claims} seen; agent, us: ${row(agent)}; witness, us: ${row(witness)}`);
}

/** ARP that cvm-3 may not send: the gateway's address, another guest's, nobody's, with its own MAC and with others'. */
function spoofs(rig: Takeovers): Uint8Array[] {
  const { mac } = rig.lab.guest('cvm-3').spec;
  const addresses = ['172.17.16.1', '172.17.16.7', '172.17.16.100', '172.17.16.99', '10.0.0.1'];
  return addresses.flatMap((senderAddress) => [
    arp({ source: mac, senderAddress }),
    arp({ source: mac, senderAddress, operation: 2 }),
    arp({ source: rig.macOf(0), senderAddress }),
  ]);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function us(value: number): string {
  return Math.round(value).toString();
}

function row(values: readonly number[]): string {
  return `p50 ${us(quantile(values, 0.5))}  p99 ${us(quantile(values, 0.99))}  max ${us(quantile(values, 1))}`;
}
