/**
 * Walks the records of a capture file between two offsets: the one loop under every reader. Synchronous, on any thread.
 *
 * A walk belongs to the records that START in [start, limit). So a file may be cut anywhere: the walk over one piece ends exactly
 * where the walk over the next must start.
 */
import { type CaptureFile, recordsOf, type Window } from './pcap-file.ts';
import { BAD, MAX_FRAME_BYTES, type Records, type Section } from './pcap-section.ts';

export interface Walk {
  /** Start of the first record that was not stepped over. */
  readonly end: number;
  readonly frames: number;
  /** Time of the last frame (Records.timeNs); NaN when there was none that says one. */
  readonly lastNs: number;
  /** The section in force at `end`. */
  readonly section: Section;
  /** What stands at `end` instead of a record; null when the walk reached its limit. */
  readonly problem: string | null;
}

/** @param onFrame called for each frame with its description; the bytes are in the window and change after the call */
export function walk(
  file: CaptureFile,
  section: Section,
  start: number,
  limit: number,
  window: Window,
  onFrame: (records: Records) => void,
): Walk {
  const records = recordsOf(section, window.view, file.baseSeconds);
  let position = start;
  let frames = 0;
  let lastNs = Number.NaN;
  const ended = (problem: string | null): Walk => ({ end: position, frames, lastNs, section: records.section, problem });
  for (;;) {
    const filled = window.fill(file.fd, position);
    const stop = limit - position;
    let at = 0;
    let next = 0;
    let seen = 0;
    while (at < stop && next >= 0) {
      next = records.step(at, filled);
      if (next < 0) break;
      if (records.captured >= 0) {
        seen++;
        onFrame(records);
      }
      at = next;
    }
    position += at;
    frames += seen;
    if (seen > 0 && !Number.isNaN(records.timeNs())) lastNs = records.timeNs();
    if (next === BAD) return ended(records.problem);
    if (at >= stop && position <= file.sizeBytes) return ended(null);
    if (filled < window.bytes.length) return ended(cutShort(file.sizeBytes - position));
  }
}

function cutShort(leftBytes: number): string {
  if (leftBytes < 0) return `the file ends ${-leftBytes} bytes before the block in front of this place does`;
  return `the file ends inside this record: ${leftBytes} bytes are left of it`;
}

/** Records that must follow each other plausibly before a place is taken for the start of one. */
const CHAIN_RECORDS = 8;

/**
 * Finds where a record starts at or after `start`, in a file of which the bytes before have not been read. A guess, though a good
 * one: whoever asks must check later that the walk over the bytes before ends there.
 * @returns null when no record seems to start before `limit`
 */
export function findRecord(file: CaptureFile, section: Section, start: number, limit: number, window: Window): number | null {
  const filled = window.fill(file.fd, start);
  const atEnd = filled < window.bytes.length;
  // Blocks of pcapng are multiples of 4 from the file's first byte on.
  const stride = section.format === 'pcapng' ? 4 : 1;
  const first = (stride - (start % stride)) % stride;
  const last = Math.min(limit - start, filled, MAX_FRAME_BYTES + 64);
  const records = recordsOf(section, window.view, file.baseSeconds);
  for (let at = first; at < last; at += stride) if (isChain(records, at, filled, atEnd)) return start + at;
  return null;
}

function isChain(records: Records, start: number, filled: number, atEnd: boolean): boolean {
  let at = start;
  for (let i = 0; i < CHAIN_RECORDS; i++) {
    if (i > 0 && atEnd && at === filled) return true;
    if (!records.plausible(at, filled)) return false;
    const next = records.step(at, filled);
    // A window that runs out is no proof against the place.
    if (next < 0) return next !== BAD && i > 0;
    at = next;
  }
  return true;
}
