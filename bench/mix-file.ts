/** Writes a mix of frames as one great pcap file: the same records over and over, with times that go on. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Mix } from './mix.ts';

const RECORD_BYTES = 16;
/** One frame per microsecond. */
const FRAME_NS = 1000;

/** @returns bytes written */
export function writeMixFile(path: string, mix: Mix, frames: number): number {
  const count = mix.offsets.length;
  const turn = new Uint8Array(mix.bytes.length + count * RECORD_BYTES);
  const view = new DataView(turn.buffer);
  const starts = new Int32Array(count + 1);
  for (let i = 0, at = 0; i < count; i++) {
    const length = mix.lengths[i]!;
    view.setUint32(at + 8, length, true);
    view.setUint32(at + 12, length, true);
    turn.set(mix.bytes.subarray(mix.offsets[i], mix.offsets[i]! + length), at + RECORD_BYTES);
    at += RECORD_BYTES + length;
    starts[i + 1] = at;
  }
  const fd = openSync(path, 'w');
  let written = writeSync(fd, fileHeader());
  for (let done = 0; done < frames; done += count) {
    const now = Math.min(count, frames - done);
    for (let i = 0; i < now; i++) {
      const ns = (done + i) * FRAME_NS;
      view.setUint32(starts[i]!, 1_700_000_000 + Math.floor(ns / 1e9), true);
      view.setUint32(starts[i]! + 4, ns % 1e9, true);
    }
    for (let at = 0; at < starts[now]!;) at += writeSync(fd, turn, at, starts[now]! - at);
    written += starts[now]!;
  }
  closeSync(fd);
  return written;
}

/** pcap, little-endian, nanoseconds, Ethernet. */
function fileHeader(): Uint8Array {
  return new Uint8Array(Uint32Array.of(0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1).buffer);
}
