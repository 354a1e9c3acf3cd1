/**
 * How many findings of each kind there are, counted a few records at a time: 100,000 of them at once would keep the main thread for a
 * tenth of a second at each scrape. Main thread.
 */
import { FINDING_KINDS, type Finding, type FindingKind } from './findings.ts';
import type { HavipRecord } from './record.ts';

export type FindingCounts = Record<FindingKind, number>;

/** Records looked at in one call: half a millisecond's work. */
const RECORDS_PER_CALL = 512;
/** Places for records that nobody has spoken of yet cost next to nothing. */
const PLACES_PER_CALL = 16_384;

export class Census {
  #counts = none();
  #counting = none();
  #place = 0;

  /** Counts on from where the last call stopped; returns the counts of the last full round, of this one when it ends here. */
  advance(records: readonly (HavipRecord | null)[], findings: (record: HavipRecord) => readonly Finding[]): FindingCounts {
    const untilPlace = this.#place + PLACES_PER_CALL;
    for (let left = RECORDS_PER_CALL; this.#place < records.length && this.#place < untilPlace && left > 0; this.#place++) {
      const record = records[this.#place];
      if (record === null || record === undefined) continue;
      left--;
      for (const { kind } of findings(record)) this.#counting[kind]++;
    }
    if (this.#place >= records.length) {
      this.#counts = this.#counting;
      this.#counting = none();
      this.#place = 0;
    }
    return this.#counts;
  }
}

function none(): FindingCounts {
  return Object.fromEntries(FINDING_KINDS.map((kind) => [kind, 0])) as FindingCounts;
}
