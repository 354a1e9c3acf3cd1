/**
 * A capture file, opened: which format, where its records start, and a window through which any thread reads them.
 *
 * No file is loaded whole. The window is refilled with pread at the record where it ran out, so a record is always in one piece
 * and is judged in place.
 *
 * pcap/ is frames in files, both ways. pcap.ts and pcapng.ts know the formats, section.ts what both come to, walk.ts goes from record to
 * record, open.ts unpacks what comes compressed or through a pipe; writer.ts and notes.ts write what the flight recorder kept.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { codeOf, failureOf, messageOf } from '../base/failure.ts';
import { permissionDenied } from '../base/user.ts';
import { PCAP_HEADER_BYTES, PcapRecords, readPcapHeader } from './pcap.ts';
import { PcapngRecords, readPcapngMagic } from './pcapng.ts';
import { Batch, GOOD, type Records, type Section } from './section.ts';

/** What any thread needs to read from the file: descriptors belong to the whole process. */
export interface CaptureFile {
  readonly fd: number;
  readonly sizeBytes: number;
  /** Where the first record starts, and the section in force there. */
  readonly start: number;
  readonly section: Section;
  /** Whole seconds since 1970 of the first frame: times in the file are counted from here, exactly. */
  readonly baseSeconds: number;
  /** Time of the first frame, counted from there. */
  readonly firstNs: number;
  /** Why there is no more of it, when what it was unpacked from broke off; null: it is whole, as far as that goes. */
  readonly problem: string | null;
}

/** Why a file cannot be read as a capture, in one line. */
export class CaptureFileError extends Error {
  override name = 'CaptureFileError';
  readonly failure = 'capture-file';
}

/** Greater than any record. */
const WINDOW_BYTES = 512 * 1024;
/** As much as is read at once when records are of ordinary size, and stays in a core's cache until it is judged: see walk.ts. */
export const READ_BYTES = 128 * 1024;

export class Window {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(sizeBytes = WINDOW_BYTES) {
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** @returns bytes read: fewer than asked for only at the end of the file */
  fill(fd: number, position: number, count = this.bytes.length): number {
    let filled = 0;
    while (filled < count) {
      const read = readSync(fd, this.bytes, filled, count - filled, position + filled);
      if (read === 0) break;
      filled += read;
    }
    return filled;
  }
}

export function recordsOf(section: Section, view: DataView, baseSeconds: number): Records {
  return section.format === 'pcap' ? new PcapRecords(view, section, baseSeconds) : new PcapngRecords(view, section, baseSeconds);
}

/** Opens a regular file. Throws CaptureFileError; close with `closeCapture`. */
export function openCapture(path: string): CaptureFile {
  return captureIn(
    orExplain(path, () => openSync(path, 'r')),
    path,
  );
}

/**
 * Reads the head. Throws CaptureFileError, and closes the descriptor then.
 * @param path what messages call it
 */
export function captureIn(fd: number, path: string, problem: string | null = null): CaptureFile {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new CaptureFileError(`${path}: not a regular file`);
    const window = new Window();
    const filled = orExplain(path, () => window.fill(fd, 0));
    const section = readHead(path, window.bytes.subarray(0, filled));
    const start = section.format === 'pcap' ? PCAP_HEADER_BYTES : 0;
    const first = firstTimeNs(section, window, start, filled);
    const baseSeconds = Math.floor(first / 1e9);
    return { fd, sizeBytes: stat.size, start, section, baseSeconds, firstNs: first - baseSeconds * 1e9, problem };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

export function closeCapture(file: Pick<CaptureFile, 'fd'>): void {
  closeSync(file.fd);
}

function readHead(path: string, head: Uint8Array): Section {
  const section = readPcapHeader(head) ?? readPcapngMagic(head);
  if (typeof section === 'string') throw new CaptureFileError(`${path}: ${section}`);
  if (section !== null) return section;
  throw new CaptureFileError(`${path}: neither pcap nor pcapng${head.length === 0 ? ': it is empty' : hintAt(head)}`);
}

/** Formats that a capture is packed in and that nothing here unpacks, by their first bytes. */
const PACKERS: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
  ['gzip, twice', [0x1f, 0x8b]],
];

function hintAt(head: Uint8Array): string {
  const packer = PACKERS.find(([, magic]) => magic.every((byte, i) => head[i] === byte));
  return packer === undefined ? '' : `: it is compressed with ${packer[0]}, decompress it first`;
}

/** Nanoseconds since 1970, to a quarter of a microsecond; 0 when no frame with a time stands in the first window. */
function firstTimeNs(section: Section, window: Window, start: number, filled: number): number {
  const records = recordsOf(section, window.view, 0);
  const batch = new Batch();
  for (let at = start; ; at = batch.next) {
    const reached = records.gather(at, filled, filled, batch);
    for (let i = 0; i < batch.count; i++) {
      const ns = records.timeNs(batch, i);
      if (!Number.isNaN(ns)) return ns;
    }
    if (reached !== GOOD || batch.next >= filled) return 0;
  }
}

const WHY: Readonly<Record<string, () => string>> = { ENOENT: () => 'no such file', EACCES: permissionDenied };

/** A system call that fails on this file ends in a CaptureFileError. */
export function orExplain<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (failureOf(error) === null) throw error;
    throw new CaptureFileError(`${path}: ${WHY[codeOf(error) ?? '']?.() ?? messageOf(error)}`);
  }
}
