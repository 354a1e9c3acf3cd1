/** Reads a whole capture file into values, for tests; through the same walk as everything else. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeCapture, openCapture, Window } from '../../src/pcap/file.ts';
import { walk } from '../../src/pcap/walk.ts';

export interface ReadFrame {
  readonly bytes: number[];
  readonly length: number;
  readonly interface: string;
  /** Nanoseconds since 1970; null when the file does not say. */
  readonly atNs: bigint | null;
}

export interface ReadCapture {
  readonly frames: ReadFrame[];
  readonly end: number;
  readonly problem: string | null;
  readonly skipped: ReadonlyMap<string, number>;
}

export function readCapture(path: string, windowBytes?: number): ReadCapture {
  const file = openCapture(path);
  const window = new Window(windowBytes);
  const frames: ReadFrame[] = [];
  try {
    const walked = walk(file, file.section, file.start, file.sizeBytes, window, (batch, records) => {
      for (let i = 0; i < batch.count; i++) {
        const ns = records.timeNs(batch, i);
        const at = batch.offsets[i]!;
        frames.push({
          bytes: [...window.bytes.subarray(at, at + batch.captured[i]!)],
          length: records.lengthOf(batch, i),
          interface: records.section.interfaces[batch.interfaces[i]!]?.name ?? '',
          atNs: Number.isNaN(ns) ? null : BigInt(file.baseSeconds) * 1_000_000_000n + BigInt(Math.round(ns)),
        });
      }
    });
    if (walked.frames !== frames.length) throw new Error(`walk counted ${walked.frames} frames and handed over ${frames.length}`);
    return { frames, end: walked.end, problem: walked.problem, skipped: walked.skipped };
  } finally {
    closeCapture(file);
  }
}

/** Runs with the bytes as a file, which is gone afterwards. */
export function withFile<T>(bytes: Uint8Array, run: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'havip-capture-'));
  try {
    const path = join(folder, 'capture');
    writeFileSync(path, bytes);
    return run(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
