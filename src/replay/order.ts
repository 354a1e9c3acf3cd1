/**
 * A capture file judged in ranges, all at once, and put back in the file's order. Exact: every range is counted from where its
 * predecessor ended, under the section in force there. One that was judged from another place or under another section is judged again.
 *
 *     |----- range 0 -----|----- range 1 -----|----- range 2 -----|
 *      records that start here ...| belong to it, to the end of the last one
 *                          start 1 must equal end 0; start 2 must equal end 1
 */
import type { Section } from '../pcap/section.ts';
import type { MappedFile } from './ports.ts';
import type { JudgedRange, Range } from './range.ts';

/** What others judge ahead of the one who asks. */
export interface RangesAhead {
  /** The range of this index, asked for in order; null: nobody judges ahead. Rejects when its judge failed. */
  readonly take: (index: number) => Promise<GuessedRange> | null;
  /** Ranges begun from now on take this section to be in force, the latest of so many found behind the file's first. */
  readonly assume: (section: Section, sections: number) => void;
  /** Resolves when nobody reads the file any more. */
  readonly close: () => Promise<void>;
}

export interface GuessedRange {
  readonly judged: JudgedRange;
  /** How many sections behind the file's first were known when it was begun. */
  readonly sections: number;
}

export const NOBODY_AHEAD: RangesAhead = { take: () => null, assume: () => {}, close: () => Promise.resolve() };

/** Near the file's end ranges become smaller, down to a 16th of their size, so that all workers finish at about the same time. */
const SMALLEST = 1 / 16;

/** @returns where each range ends; it starts where the one before ends, the first at the file's start */
export function cutFile({ start, sizeBytes }: MappedFile, rangeBytes: number, workers: number): Float64Array {
  const limits: number[] = [];
  for (let at = start; at < sizeBytes;) {
    const share = (sizeBytes - at) / (2 * Math.max(1, workers));
    at = Math.min(sizeBytes, at + Math.ceil(Math.min(rangeBytes, Math.max(share, rangeBytes * SMALLEST))));
    limits.push(at);
  }
  return Float64Array.from(limits);
}

/** Yields ranges in the file's order until its end or the first problem. */
export async function* judgeInOrder(
  file: MappedFile,
  limits: Float64Array,
  ahead: RangesAhead,
  judge: (range: Range) => JudgedRange,
): AsyncGenerator<JudgedRange> {
  let { section, start: end } = file;
  let sections = 0;
  try {
    for (const [index, limit] of limits.entries()) {
      const guess = await ahead.take(index);
      // One great record can reach over a whole range.
      if (end >= limit) continue;
      const guessedRight = guess?.judged.start === end && guess.sections === sections;
      const judged = guessedRight ? guess.judged : judge({ file, section, start: end, limit, exact: true });
      yield judged;
      if (judged.problem !== null) return;
      end = judged.end;
      if (judged.section === null) continue;
      section = judged.section;
      ahead.assume(section, ++sections);
    }
  } finally {
    // Nobody may close the file under a worker that still reads it.
    await ahead.close();
  }
}
