/**
 * A capture from wherever people have it: a file, a gzip file, a pipe, standard input. What cannot be read at any place is unpacked into
 * a file without a name first, which is gone with its descriptor: replay reads from all sides, and perhaps twice.
 */
import { createReadStream, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { messageOf } from '../base/failure.ts';
import { type CaptureFile, CaptureFileError, captureIn, closeCapture, orExplain } from './file.ts';

const STANDARD_INPUT = '-';

/** Throws CaptureFileError; close with `closeCapture`. */
export async function openAnyCapture(path: string): Promise<CaptureFile> {
  if (path === STANDARD_INPUT) return unpack(process.stdin, 'standard input');
  const fd = orExplain(path, () => openSync(path, 'r'));
  const stat = fstatSync(fd);
  if (stat.isFile() && !isGzip(headOf(fd))) return captureIn(fd, path);
  if (stat.isDirectory()) {
    closeCapture({ fd });
    throw new CaptureFileError(`${path}: a directory`);
  }
  return unpack(createReadStream(path, { fd, ...(stat.isFile() ? { start: 0 } : {}) }), path);
}

function headOf(fd: number): Uint8Array {
  const head = new Uint8Array(2);
  return head.subarray(0, readSync(fd, head, 0, head.length, 0));
}

function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

async function unpack(input: Readable, path: string): Promise<CaptureFile> {
  const fd = namelessFile();
  let problem: string | null = null;
  try {
    for await (const piece of await unzipped(input)) write(fd, piece);
  } catch (error) {
    // Of a broken archive what could be read is judged, as of a capture that breaks off.
    if (error instanceof Error && 'syscall' in error && error.syscall === 'write') throw error;
    problem = messageOf(error);
  }
  return captureIn(fd, path, problem);
}

function namelessFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'havip-capture-'));
  try {
    return openSync(join(folder, 'capture'), 'w+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Whatever the file is called: its first bytes say whether it is compressed. */
async function unzipped(input: Readable): Promise<AsyncIterable<Uint8Array>> {
  const pieces: AsyncIterator<Uint8Array> = input[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  for (let size = 0; size < 2;) {
    const { value, done } = await pieces.next();
    if (done === true) break;
    head.push(value);
    size += value.length;
  }
  const first = Buffer.concat(head);
  const whole = Readable.from(follow(first, pieces), { objectMode: false });
  if (!isGzip(first)) return whole;
  // What a cut archive holds comes out; the capture in it then ends too early, and replay says so.
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  whole.on('error', (error) => gunzip.destroy(error));
  return whole.pipe(gunzip);
}

async function* follow(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

function write(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}
