/**
 * Frames per second of replaying a generated pcap from the page cache: 1 and 2 workers, against `tcpdump -r FILE -w /dev/null` with a
 * filter for the frames that this agent judges, and tshark on a slice. Alternately; ratios are those of the medians.
 *
 * `warm` is the rate of a replayer whose threads have started and whose code is compiled, as for the second of many files; `first`
 * is a new one, with all of that inside.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Replayer, type ReplayReport } from '../src/replay/replay.ts';
import { type Bench, median, rate, seconds } from './bench.ts';
import { FLOODED_TAP, makeMix, mixNetwork } from './mix.ts';
import { writeMixFile } from './mix-file.ts';

const FILTER = 'arp or rarp or vlan or ip proto 112';
const WORKERS = [1, 2] as const;
/** Of 0.1 to 0.3 s each, between two runs of tcpdump. */
const WARM_TURNS = 3;
/** V8 compiles for so long; what a new process does is `first`. */
const WARM_UP_TURNS = 20;

export const bench: Bench = {
  name: 'replay',
  question: 'how many frames a second does replay judge from a file in the page cache, and how many does tcpdump filter?',
  async run({ small, print }) {
    const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
    try {
      const [frames, slice, rounds] = small ? [200_000, 1000, 1] : [5_000_000, 50_000, 5];
      const path = join(folder, 'mix.pcap');
      const mix = makeMix(mixNetwork(), FLOODED_TAP, 65_536, 1);
      const bytes = writeMixFile(path, mix, frames);
      writeMixFile(join(folder, 'slice.pcap'), mix, slice);
      print(`  ${frames / 1e6} M frames, ${(bytes / 2 ** 20).toFixed(0)} MiB`);

      const tcpdump: number[] = [];
      const pairs: number[] = [];
      const results = WORKERS.map((workers) => new Replaying(workers));
      if (!small) for (const result of results) await result.warmUp(path, frames);
      for (let round = 0; round < rounds; round++) {
        for (const result of results) await result.begin(path, frames);
        for (let turn = 0; turn < WARM_TURNS; turn++) for (const result of results) await result.turn(path, frames);
        const took = timed('tcpdump', ['-r', path, '-w', '/dev/null', FILTER]);
        if (took === null) continue;
        tcpdump.push(took);
        pairs.push(await timedPair('tcpdump', ['-r', path, '-w', '/dev/null', FILTER]));
      }
      for (const result of results) {
        await result.close();
        print(
          `  ${result.workers} worker${result.workers === 1 ? ' ' : 's'}  warm best ${rate(frames, Math.min(...result.warm))}, median ${rate(frames, median(result.warm))}  first ${rate(frames, median(result.first))}  hash ${result.hash}`,
        );
      }
      // Best rounds of the two may fall into different minutes of a busy machine; medians of alternating rounds saw the same ones.
      const [one, two] = results.map((result) => median(result.warm));
      print(`  2 workers / 1 worker, medians: ${(one! / two!).toFixed(2)}`);
      if (tcpdump.length === 0) print('  tcpdump: not installed');
      else {
        print(
          `  tcpdump best ${rate(frames, Math.min(...tcpdump))}, median ${rate(frames, median(tcpdump))} ('${FILTER}'); 2 workers / tcpdump, medians: ${(median(tcpdump) / two!).toFixed(2)}`,
        );
        const both = (2 * median(tcpdump)) / median(pairs);
        print(
          `  two tcpdumps at once judge ${both.toFixed(2)} x as much as one: what this machine's second core is worth to such work`,
        );
      }
      const tshark = timed('tshark', ['-r', join(folder, 'slice.pcap'), '-Y', 'arp or vrrp', '-w', '/dev/null']);
      print(tshark === null ? '  tshark: not installed' : `  tshark ${(slice / tshark / 1e6).toFixed(3)} M/s on ${slice} frames`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

class Replaying {
  readonly workers: number;
  readonly warm: number[] = [];
  readonly first: number[] = [];
  hash = '';
  readonly #warm: Replayer;

  constructor(workers: number) {
    this.workers = workers;
    this.#warm = this.#replayer();
  }

  #replayer(): Replayer {
    return new Replayer({ network: mixNetwork(), host: 'host-a', workers: this.workers });
  }

  async begin(path: string, frames: number): Promise<void> {
    const cold = this.#replayer();
    this.first.push(await this.#time(cold, path, frames));
    await cold.close();
  }

  async warmUp(path: string, frames: number): Promise<void> {
    for (let turn = 0; turn < WARM_UP_TURNS; turn++) await this.#time(this.#warm, path, frames);
  }

  async turn(path: string, frames: number): Promise<void> {
    this.warm.push(await this.#time(this.#warm, path, frames));
  }

  async #time(replayer: Replayer, path: string, frames: number): Promise<number> {
    const fromNs = process.hrtime.bigint();
    const report = await replayer.replay(path);
    const took = Number(process.hrtime.bigint() - fromNs) / 1e9;
    if (report.frames !== frames) throw new Error(`replay: ${report.frames} of ${frames} frames were judged`);
    const hash = hashOf(report);
    if (this.hash !== '' && hash !== this.hash) throw new Error(`replay: hash ${hash} after ${this.hash}`);
    this.hash = hash;
    return took;
  }

  close(): Promise<void> {
    return this.#warm.close();
  }
}

/** FNV-1a of the whole report. */
function hashOf(report: ReplayReport): string {
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(JSON.stringify(report))) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Seconds until both of two runs at once are over. */
async function timedPair(program: string, args: readonly string[]): Promise<number> {
  const fromNs = process.hrtime.bigint();
  const runs = [0, 1].map(() => spawn(program, args, { stdio: 'ignore' }));
  const codes = await Promise.all(runs.map(async (run) => (await once(run, 'exit')) as [number | null]));
  if (codes.some(([code]) => code !== 0)) throw new Error(`${program}: ended with ${codes.map(([code]) => code).join(' and ')}`);
  return Number(process.hrtime.bigint() - fromNs) / 1e9;
}

/** null when the program is not installed. */
function timed(program: string, args: readonly string[]): number | null {
  let missing = false;
  const took = seconds(() => {
    const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    missing = error !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!missing && status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
  });
  return missing ? null : took;
}
