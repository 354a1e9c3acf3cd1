/**
 * One guest, member of many HAVIPs, sends 4,000 VRRP adverts a second, each of 113 addresses, under all 255 virtual router ids: what do
 * the claims of others cost meanwhile, and what does the agent's CPU? As `claim`, idle and under the flood, by turns.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { vrrp } from '../native-fixtures/frames.ts';
import { type Bench, median } from './bench.ts';
import { buildFlood, startFlood } from './flood.ts';
import { usageOf } from './scale-host.ts';
import { addressOf, Takeovers } from './takeovers.ts';

const PER_SECOND = 4000;
const ADDRESSES = 113;
/** Of HAVIPs that the flood lists: different ones from frame to frame. */
const LISTS = 4;
const FLOOD_LIMIT_SECONDS = 120;
const PAUSE_MS = 4;

interface Measured {
  readonly us: number[];
  readonly cpuPercent: number;
}

export const bench: Bench = {
  name: 'amplify',
  question: 'what do claims cost while a guest advertises 113 addresses 4,000 times a second?',
  async run({ small, print }) {
    const [rounds, claims] = small ? [1, 20] : [4, 250];
    const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
    try {
      const program = buildFlood(folder);
      const measured = 2 * rounds * claims;
      using rig = await Takeovers.create(measured + LISTS * ADDRESSES);
      const frames = adverts(rig, measured);
      const idle: Measured[] = [];
      const flooded: Measured[] = [];
      let known = 0;
      for (let round = 0; round < rounds; round++) {
        const first = 2 * round * claims;
        idle.push(await measure(rig, first, claims, known));
        known += claims;
        const flood = startFlood(program, rig.lab.guest('cvm-3'), frames, PER_SECOND, FLOOD_LIMIT_SECONDS);
        await sleep(small ? 100 : 1000);
        flooded.push(await measure(rig, first + claims, claims, known));
        known += claims;
        const sent = await flood.stop();
        print(`  flood ${Math.round(sent.frames / sent.seconds)} adverts/s of ${ADDRESSES} addresses`);
        await sleep(small ? 100 : 1000);
      }
      const ratio = quantile(flooded, 0.5) / quantile(idle, 0.5);
      for (const [name, of] of [
        ['idle', idle],
        ['flooded', flooded],
      ] as const) {
        const cpu = median(of.map(({ cpuPercent }) => cpuPercent)).toFixed(0);
        const row = [0.5, 0.9, 0.99, 1].map((q) => Math.round(quantile(of, q)));
        print(
          `  ${name.padEnd(8)} us: p50 ${row[0]}  p90 ${row[1]}  p99 ${row[2]}  max ${row[3]}; the agent takes ${cpu} % of a CPU`,
        );
      }
      print(`  p50 under the flood is ${ratio.toFixed(2)} times that of idle`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

function adverts(rig: Takeovers, first: number): Uint8Array[] {
  const { mac: source, address: ipSource } = rig.lab.guest('cvm-3').spec;
  return Array.from({ length: LISTS * 255 }, (_, i) => {
    const from = first + (i % LISTS) * ADDRESSES;
    const addresses = Array.from({ length: ADDRESSES }, (__, n) => addressOf(from + n));
    return vrrp({ version: 3, source, ipSource, vrid: 1 + (i % 255), interval: 1, addresses });
  });
}

/** Agent's figures, in us, of so many claims that move a HAVIP for the first time. */
async function measure(rig: Takeovers, first: number, claims: number, known: number): Promise<Measured> {
  const havips = Array.from({ length: claims }, (_, i) => first + i);
  for (const havip of havips) rig.claim(havip, 0);
  await sleep(100);
  const [fromMs, before] = [performance.now(), usageOf(rig.agent.process.pid)];
  for (const havip of havips) {
    await sleep(PAUSE_MS);
    if (rig.claim(havip, 1) === null) throw new Error(`amplify: the claim of HAVIP ${havip} was not seen`);
  }
  const cpuPercent = ((usageOf(rig.agent.process.pid).cpuMs - before.cpuMs) / (performance.now() - fromMs)) * 100;
  const failovers = await rig.failovers(known + claims);
  const us = havips.flatMap((havip) => {
    const phases = failovers.get(havip);
    return phases === undefined ? [] : [(phases.verdict + (phases.programming ?? Infinity)) * 1000];
  });
  return { us, cpuPercent };
}

function quantile(measured: readonly Measured[], q: number): number {
  const sorted = measured.flatMap(({ us }) => us).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
