/**
 * Ranges judged ahead: one long task per piscina worker and file, whose worker takes the next range by itself, by a counter in shared
 * memory, and posts it when it is judged. Main thread; the other end is replay/worker.ts.
 *
 * A task per range was tried and lost: piscina's workers answer only when no task waits, so that two ranges came back at once and
 * their worker rested until the main thread had sent the next; and each cost the main thread some 80 us.
 */
import type { Piscina } from 'piscina';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { throwTold, type ToldFailure } from '../base/failure.ts';
import type { Section } from '../pcap/section.ts';
import type { GuessedRange, RangesAhead } from './order.ts';
import type { MappedFile } from './ports.ts';

/** Words of memory that the main thread and the workers share for one file. */
export const NEXT = 0;
/** Ranges before this one have been dealt with. */
export const DONE = 1;
export const STOP = 2;
const WORDS = 3;

/** One worker's part in one file. */
export interface AheadTask {
  readonly file: MappedFile;
  readonly limits: Float64Array;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Ranges that may be judged beyond those that have been dealt with. */
  readonly most: number;
  /** To it: AssumedSection. From it: AheadRange. */
  readonly channel: MessagePort;
}

export interface AssumedSection {
  readonly section: Section;
  readonly sections: number;
}

export interface AheadRange extends GuessedRange {
  readonly index: number;
}

/** Under way at once for each worker: one that is judged, and what the main thread may be behind. */
const RANGES_PER_WORKER = 3;

export function judgeAhead(pool: Piscina, workers: number, file: MappedFile, limits: Float64Array): RangesAhead {
  const control = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  const arrived = new Map<number, GuessedRange>();
  let awaited: { index: number; arrive: (range: GuessedRange) => void; fail: (error: unknown) => void } | null = null;
  let failure: { readonly error: unknown } | null = null;

  const onRange = (range: AheadRange) => {
    if (awaited?.index === range.index) awaited.arrive(range);
    else arrived.set(range.index, range);
  };

  const channels: MessagePort[] = [];
  const run = async (): Promise<void> => {
    const { port1, port2 } = new MessageChannel();
    channels.push(port1);
    port1.on('message', onRange);
    const task: AheadTask = { file, limits, control, most: workers * RANGES_PER_WORKER, channel: port2 };
    try {
      throwTold((await pool.run(task, { transferList: [port2] })) as ToldFailure | undefined);
    } catch (error) {
      failure ??= { error };
      awaited?.fail(error);
    }
  };
  const tasks = Array.from({ length: workers }, run);

  const take = async (index: number): Promise<GuessedRange> => {
    Atomics.store(control, DONE, index);
    Atomics.notify(control, DONE);
    if (failure !== null) throw failure.error;
    const range = arrived.get(index);
    arrived.delete(index);
    if (range !== undefined) return range;
    assert(awaited === null || awaited.index < index, 'ranges are asked for in order');
    return new Promise((arrive, fail) => (awaited = { index, arrive, fail }));
  };

  const close = async () => {
    Atomics.store(control, STOP, 1);
    Atomics.store(control, DONE, limits.length);
    Atomics.notify(control, DONE);
    await Promise.all(tasks);
    for (const channel of channels) channel.close();
  };

  const assume = (section: Section, sections: number) => {
    for (const channel of channels) channel.postMessage({ section, sections } satisfies AssumedSection);
  };

  return { take, assume, close };
}
