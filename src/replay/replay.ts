/**
 * Replay: a capture file through the same decode, filter and ledger as live frames. Main thread.
 *
 *     file ──> ranges ──> workers: walk -> decode -> judge ──> back in the file's order ──> totals
 *                         (replay/range.ts)                    (replay/order.ts)      └──> claims ──> ledger (replay/history.ts)
 *
 * Totals always add up to the frames read, also of a file that is cut short. The clock is the file's own. A file that turns out to be out
 * of order is read once more, and its claims sorted (replay/merge.ts); one from a pipe or compressed is unpacked first (pcap/open.ts).
 */
import { Piscina } from 'piscina';
import type { Network } from '../base/network.ts';
import type { Reason } from '../base/verdict.ts';
import { closeCapture, Window } from '../pcap/file.ts';
import { readNotes } from '../pcap/notes.ts';
import { newHeld } from '../filter/held.ts';
import { openAnyCapture } from '../pcap/open.ts';
import { compilePolicy } from '../filter/compile.ts';
import { ReplayLedger, type ReplayedHistory } from './history.ts';
import { judgeAhead } from './ahead.ts';
import { learnInterfaces } from './any.ts';
import { MOST_SORTED, mergeByTime } from './merge.ts';
import { hungNotes, notesOn } from './notes.ts';
import { cutFile, judgeInOrder, NOBODY_AHEAD, type RangesAhead } from './order.ts';
import { buildPortTables, type MappedFile, NO_PORT, PortFinder } from './ports.ts';
import { Totals } from './totals.ts';
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
  /** What else a reader of the report must know, a sentence each; missing when there is nothing. */
  readonly notes?: readonly string[];
}

/** Most bytes of a range: 7 ms of a worker's time. */
const RANGE_BYTES = 16 * 1024 * 1024;

const WORKER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/src/replay/worker.js' : './worker.js', import.meta.url);

/** Replays any number of files, one at a time, against one network; threads are started once, by the first file that needs them. */
export class Replayer {
  readonly #options: ReplayOptions;
  readonly #data: ReplayWorkerData;
  readonly #finder: PortFinder;
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
    this.#finder = new PortFinder(this.#data.ports);
    this.#judge = rangeJudge(policy, this.#data.ports);
  }

  /** Throws CaptureFileError when the file is no capture; what is wrong further on is told in the report. */
  async replay(path: string, onProgress: (progress: Progress) => void = () => {}): Promise<ReplayReport> {
    const file = await this.#open(path);
    try {
      const totals = new Totals();
      let ledger = this.#ledger(file);
      const limits = cutFile(file, this.#rangeBytes, this.#options.workers);
      for await (const range of judgeInOrder(file, limits, this.#judgeAhead(file, limits), this.#judge)) {
        totals.add(range);
        ledger.take(range);
        onProgress({ doneBytes: range.end, totalBytes: file.sizeBytes, frames: totals.frames });
      }
      const { stepsBack } = ledger;
      const sorted = stepsBack === 0 ? null : this.#sorted(file, totals);
      if (sorted !== null) ledger = sorted.ledger;
      const history = ledger.finish();
      const notes = [
        ...notesOn({ file, totals, stepsBack, merged: sorted?.merged ?? null }),
        ...hungNotes(this.#options.network, history),
      ];
      return {
        ...totals.report(),
        ...history,
        problem: totals.problem ?? file.problem,
        ...(notes.length > 0 ? { notes } : {}),
      };
    } finally {
      closeCapture(file);
    }
  }

  async #open(path: string): Promise<MappedFile> {
    const file = await openAnyCapture(path);
    try {
      const any = learnInterfaces(file, this.#finder, new Window());
      return any === undefined ? file : { ...file, any };
    } catch (error) {
      closeCapture(file);
      throw error;
    }
  }

  #ledger(file: MappedFile): ReplayLedger {
    return new ReplayLedger(this.#options.network, this.#options.host, file, readNotes(file));
  }

  /** The file once more, with its claims in order of time; null when they are too many. */
  #sorted(file: MappedFile, totals: Totals) {
    if (totals.claims > MOST_SORTED) return null;
    const { section, start, sizeBytes: limit } = file;
    const range = this.#judge({ file, section, start, limit, exact: true, unordered: true });
    const merged = mergeByTime(range);
    const ledger = this.#ledger({ ...file, firstNs: Math.min(file.firstNs, merged.firstNs) });
    ledger.takeMerged(range, merged);
    return { ledger, merged };
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
  }

  #judgeAhead(file: MappedFile, limits: Float64Array): RangesAhead {
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
