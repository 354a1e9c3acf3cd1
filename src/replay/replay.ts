/**
 * Replay: a capture file through the same decode, filter and ledger as live frames. Main thread.
 *
 *     file ──> ranges ──> workers: walk -> decode -> judge ──> back in the file's order ──> totals
 *                         (replay/range.ts)                    (replay/order.ts)      └──> claims ──> ledger (replay/history.ts)
 *
 * Totals always add up to the frames read, also of a file that is cut short. The clock is the file's own.
 */
import { Piscina } from 'piscina';
import type { Network } from '../base/network.ts';
import { PROTOCOLS, type Reason, VERDICTS } from '../base/verdict.ts';
import { type CaptureFile, closeCapture, openCapture } from '../pcap/file.ts';
import { readNotes } from '../pcap/notes.ts';
import { newHeld } from '../filter/held.ts';
import { compilePolicy } from '../filter/policy.ts';
import { ReplayLedger, type ReplayedHistory } from './history.ts';
import { judgeAhead } from './ahead.ts';
import { cutFile, judgeInOrder, NOBODY_AHEAD, type RangesAhead } from './order.ts';
import { buildPortTables, NO_PORT } from './ports.ts';
import { type JudgedRange, type Range, rangeJudge } from './range.ts';
import type { ReplayWorkerData } from './worker.ts';

export interface ReplayOptions {
  readonly network: Network;
  readonly host: string;
  /** Every frame came from this port; without it, the file's interface name or the source MAC says. */
  readonly port?: number;
  /** Worker threads for files of more than one range; 0: everything on the caller's thread. */
  readonly workers: number;
  readonly rangeBytes?: number;
}

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly frames: number;
}

export interface ReplayReport extends ReplayedHistory {
  readonly frames: number;
  readonly protocols: Readonly<Record<string, number>>;
  /** Only verdicts that were given. They add up to `frames`. */
  readonly verdicts: Readonly<Partial<Record<Reason, number>>>;
  /** Where reading had to stop and why, with the frame's number; null when the whole file was read. */
  readonly problem: string | null;
}

/** Most bytes of a range: 7 ms of a worker's time. */
const RANGE_BYTES = 16 * 1024 * 1024;

const WORKER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/src/replay/worker.js' : './worker.js', import.meta.url);

/** Replays any number of files, one at a time, against one network; threads are started once, by the first file that needs them. */
export class Replayer {
  readonly #options: ReplayOptions;
  readonly #data: ReplayWorkerData;
  readonly #judge: (range: Range) => JudgedRange;
  readonly #rangeBytes: number;
  #pool: Piscina | null = null;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#rangeBytes = options.rangeBytes ?? RANGE_BYTES;
    const policy = compilePolicy(options.network).seeing(newHeld(options.network));
    this.#data = {
      policy: policy.words.buffer,
      held: policy.held.memory,
      ports: buildPortTables(options.network, options.port ?? NO_PORT),
    };
    this.#judge = rangeJudge(policy, this.#data.ports);
  }

  /** Throws CaptureFileError when the file is no capture; what is wrong further on is told in the report. */
  async replay(path: string, onProgress: (progress: Progress) => void = () => {}): Promise<ReplayReport> {
    const file = openCapture(path);
    try {
      const protocols = PROTOCOLS.map(() => 0);
      const verdicts = VERDICTS.map(() => 0);
      const ledger = new ReplayLedger(this.#options.network, this.#options.host, file, readNotes(path));
      let frames = 0;
      let problem: string | null = null;
      const limits = cutFile(file, this.#rangeBytes, this.#options.workers);
      const ranges = judgeInOrder(file, limits, this.#judgeAhead(file, limits), this.#judge);
      for await (const range of ranges) {
        frames += range.frames;
        for (const [i, count] of range.protocols.entries()) protocols[i]! += count;
        for (const [i, count] of range.verdicts.entries()) verdicts[i]! += count;
        ledger.take(range);
        if (range.problem !== null) problem = `frame ${frames + 1}, at byte ${range.end}: ${range.problem}`;
        onProgress({ doneBytes: range.end, totalBytes: file.sizeBytes, frames });
      }
      const named = Object.fromEntries(VERDICTS.flatMap(({ name }, i) => (verdicts[i] === 0 ? [] : [[name, verdicts[i]]])));
      const byProtocol = Object.fromEntries(PROTOCOLS.map((name, i) => [name, protocols[i]!]));
      return { frames, protocols: byProtocol, verdicts: named, ...ledger.finish(), problem };
    } finally {
      closeCapture(file);
    }
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
  }

  #judgeAhead(file: CaptureFile, limits: Float64Array): RangesAhead {
    const { workers } = this.#options;
    if (workers === 0 || file.sizeBytes <= this.#rangeBytes) return NOBODY_AHEAD;
    this.#pool ??= new Piscina({
      filename: WORKER.href,
      workerData: this.#data,
      minThreads: workers,
      maxThreads: workers,
      idleTimeout: Number.POSITIVE_INFINITY,
    });
    return judgeAhead(this.#pool, workers, file, limits);
  }
}

/** One file, from nothing. */
export async function replay(
  path: string,
  options: ReplayOptions,
  onProgress?: (progress: Progress) => void,
): Promise<ReplayReport> {
  const replayer = new Replayer(options);
  try {
    return await replayer.replay(path, onProgress);
  } finally {
    await replayer.close();
  }
}
