/**
 * A capture file judged in ranges, all at once, and put back in the file's order. Exact: every range is counted from where its
 * predecessor ended, under the section in force there. A worker that assumed another place or section has its range judged again.
 *
 *     |----- range 0 -----|----- range 1 -----|----- range 2 -----|
 *      records that start here ...| belong to it, to the end of the last one
 *                          start 1 must equal end 0; start 2 must equal end 1
 */
import type { CaptureFile } from './capture/pcap-file.ts';
import type { JudgedRange, Range } from './replay-range.ts';

export interface OrderOptions {
  readonly rangeBytes: number;
  /** Ranges under way at once: enough to keep all workers busy, few enough to bound the claims that wait. */
  readonly ahead: number;
}

/** Yields ranges in the file's order until its end or the first problem. */
export async function* judgeInOrder(
  file: CaptureFile,
  options: OrderOptions,
  judge: (range: Range) => Promise<JudgedRange>,
): AsyncGenerator<JudgedRange> {
  const underWay: { range: Range; judged: Promise<JudgedRange> }[] = [];
  let { section } = file;
  let end = file.start;
  let sent = file.start;
  try {
    while (end < file.sizeBytes) {
      while (underWay.length < options.ahead && sent < file.sizeBytes) {
        const limit = Math.min(sent + options.rangeBytes, file.sizeBytes);
        const range = { file, section, start: sent, limit, exact: sent === file.start };
        underWay.push({ range, judged: judge(range) });
        sent = limit;
      }
      const first = underWay.shift();
      if (first === undefined) return;
      const { range } = first;
      let judged = await first.judged;
      // One great record can reach over a whole range.
      if (end >= range.limit) continue;
      if (judged.start !== end || range.section !== section) judged = await judge({ ...range, section, start: end, exact: true });
      yield judged;
      if (judged.problem !== null) return;
      end = judged.end;
      section = judged.section ?? section;
    }
  } finally {
    // Nobody may close the file under a worker that still reads it.
    await Promise.allSettled(underWay.map(({ judged }) => judged));
  }
}
