/**
 * Frames per second of decode and judge on one thread, against the same judgement in C (limit/judge.c) over the same bytes and the
 * same policy table. The C program is built here, for this machine.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import { Sighting } from '../src/decode/sighting.ts';
import { judge } from '../src/filter/judge.ts';
import { compilePolicy } from '../src/filter/compile.ts';
import type { Policy } from '../src/filter/policy.ts';
import { inlineTheJudge } from '../src/abi/inliner.ts';
import { type Bench, type BenchOptions, median, rate, seconds } from './bench.ts';
import { ALL_PATHS, FLOODED_TAP, makeMix, type Mix, mixNetwork, type Weights } from './mix.ts';

const MIXES: readonly (readonly [string, Weights])[] = [
  ['every path', ALL_PATHS],
  ['flooded tap', FLOODED_TAP],
];
const FRAMES = 65_536;

export const bench: Bench = {
  name: 'judge',
  question: 'how many frames a second does one worker decode and judge, and how many would C?',
  async run(options) {
    inlineTheJudge();
    const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
    try {
      const limit = join(folder, 'judge');
      const source = join(projectRoot(), 'bench/limit/judge.c');
      execFileSync('cc', ['-O3', '-march=native', '-Wall', '-Wextra', '-Wno-maybe-uninitialized', '-o', limit, source]);
      for (const [name, weights] of MIXES) compare(name, weights, limit, join(folder, 'frames'), options);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

function compare(name: string, weights: Weights, limit: string, file: string, { small, print }: BenchOptions): void {
  const network = mixNetwork();
  const policy = compilePolicy(network);
  const mix = makeMix(network, weights, small ? 4096 : FRAMES, 1);
  writeFileSync(file, dump(mix, policy));
  const [rounds, passes] = small ? [2, 5] : [7, 60];
  const ours: number[] = [];
  const inC: number[] = [];
  // Alternately: a machine that slows down slows both.
  for (let round = 0; round < rounds; round++) {
    let hash = 0;
    let fastest = Infinity;
    for (let pass = 0; pass < passes; pass++)
      fastest = Math.min(
        fastest,
        seconds(() => (hash = judgeAll(mix, policy))),
      );
    ours.push(fastest);
    const [ns = '', hashInC = ''] = execFileSync(limit, [file, String(passes)], { encoding: 'utf8' })
      .trim()
      .split(' ');
    inC.push(Number(ns) / 1e9);
    if (hashInC !== String(hash)) throw new Error(`judge: the hash in C is ${hashInC}, here ${hash}`);
    if (round === rounds - 1) report(name, mix.offsets.length, ours, inC, hash, print);
  }
  const heapKib = heapGrowth(mix, policy, small ? 0.5e6 : 10e6) / 1024;
  print(`  ${''.padEnd(12)} heap ${heapKib < 0 ? '' : '+'}${heapKib.toFixed(0)} KiB over ${small ? 0.5 : 10} M frames`);
  if (heapKib > 1024) throw new Error(`judge: the heap grew by ${heapKib.toFixed(0)} KiB`);
}

function report(
  name: string,
  frames: number,
  ours: readonly number[],
  inC: readonly number[],
  hash: number,
  print: (line: string) => void,
): void {
  const best = (rounds: readonly number[]) => rate(frames, Math.min(...rounds));
  const middle = (rounds: readonly number[]) => rate(frames, median(rounds));
  const ratio = `${((Math.min(...inC) / Math.min(...ours)) * 100).toFixed(0)} % of C`;
  print(
    `  ${name.padEnd(12)} best ${best(ours)}, median ${middle(ours)}  C best ${best(inC)}, median ${middle(inC)}  ${ratio}  hash ${hash.toString(16).padStart(8, '0')}`,
  );
}

/** Bytes that are still in use after so many frames, collected before and after. */
function heapGrowth(mix: Mix, policy: Policy, frames: number): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let judged = 0; judged < frames; judged += mix.offsets.length) judgeAll(mix, policy);
  collect();
  return process.memoryUsage().heapUsed - before;
}

const sighting = new Sighting();

function judgeAll({ bytes, offsets, lengths, ports }: Mix, policy: Policy): number {
  let hash = 0;
  for (let i = 0; i < offsets.length; i++) {
    const verdict = judge(policy, bytes, offsets[i]!, lengths[i]!, 0, ports[i]!, sighting);
    hash = (Math.imul(hash, 31) + verdict + 64 * (sighting.havip + 1)) | 0;
  }
  return hash >>> 0;
}

/** As limit/judge.c reads it. */
function dump({ bytes, offsets, lengths, ports }: Mix, policy: Policy): Uint8Array {
  const words = policy.words;
  const head = Int32Array.of(offsets.length, bytes.length, words.length);
  const parts = [head, offsets, lengths, ports, words, bytes].map((part) =>
    Buffer.from(part.buffer, part.byteOffset, part.byteLength),
  );
  return Buffer.concat(parts);
}
