/**
 * Files as bytes: the configuration itself, and the folders of drop-ins beside it. Main thread.
 *
 * A folder is read again at each change of one file in it; what the kernel says of the others (size, inode, times) tells that they are the
 * same, unless they changed so shortly before they were read that its clock may have stood still meanwhile.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, failureOf, messageOf, OperatingError } from '../base/failure.ts';
import { permissionDenied } from '../base/user.ts';
import type { DropIn } from './drop-ins.ts';

/** What a person is told when read() threw; null when the system is not to blame. */
export function whyUnreadable(path: string, error: unknown): string | null {
  if (failureOf(error) === 'wrong-use') return messageOf(error);
  const code = codeOf(error);
  if (code === null) return null;
  return `cannot read ${path}: ${code === 'EACCES' ? permissionDenied() : (REASONS[code] ?? messageOf(error))}`;
}

/** Longer than a tick of the clock that files' times are taken from. */
const TICK_MS = 20;

interface Seen {
  readonly dropIn: DropIn;
  readonly stamp: string;
}

/** `*.yaml`, `*.yml` and `*.json` of a folder, which need not exist, by name. Others are being written, or somebody's notes. */
export class DropInFolder {
  readonly #folder: string;
  readonly #kind: DropIn['kind'];
  #seen = new Map<string, Seen>();
  #spare: Buffer = Buffer.alloc(0);

  constructor(folder: string, kind: DropIn['kind']) {
    this.#folder = folder;
    this.#kind = kind;
  }

  read(): DropIn[] {
    const seen = new Map<string, Seen>();
    for (const name of namesIn(this.#folder)) {
      const path = join(this.#folder, name);
      const one = this.#readOne(path);
      if (one !== null) seen.set(path, one);
    }
    this.#seen = seen;
    return [...seen.values()].map(({ dropIn }) => dropIn);
  }

  /** null: removed since it was listed. */
  #readOne(path: string): Seen | null {
    try {
      const known = this.#seen.get(path);
      const stamp = stampOf(path);
      if (known !== undefined && known.stamp === stamp && stamp !== '') return known;
      const { bytes, memory } = readRegular(path, this.#spare);
      this.#spare = memory;
      return { dropIn: { path, kind: this.#kind, text: bytes.toString('utf8'), trouble: null }, stamp };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      const trouble = whyUnreadable(path, error);
      if (trouble === null) throw error;
      return { dropIn: { path, kind: this.#kind, text: null, trouble }, stamp: '' };
    }
  }
}

/** What changes with the file; empty: it may change once more without that. */
function stampOf(path: string): string {
  const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return Date.now() - Number(ctimeNs) / 1e6 < TICK_MS ? '' : `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(isDropIn).toSorted();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return [];
    throw error;
  }
}

export function isDropIn(name: string): boolean {
  return /^[^.].*\.(yaml|yml|json)$/.test(name);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is not a directory',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its symbolic links go in a circle',
  EISDIR: 'it is a directory',
};

const MIB = 1024 * 1024;
/** 100,000 HAVIPs are 10 MB. */
const MOST_BYTES = 64 * MIB;

/** Into this memory, or into new memory when it is too small. A regular file alone: a FIFO or a terminal may never end. */
export function readRegular(path: string, spare: Buffer): { readonly bytes: Buffer; readonly memory: Buffer } {
  // Without O_NONBLOCK, open() itself waits for the FIFO's other end, and no signal handler of ours runs meanwhile.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const file = fstatSync(fd);
    if (!file.isFile()) throw new OperatingError('wrong-use', `cannot read ${path}: it is ${kindOf(file)}`);
    if (file.size > MOST_BYTES) throw new OperatingError('wrong-use', tooLarge(path, file.size));
    const memory = spare.length > file.size ? spare : Buffer.alloc(file.size + ROOM_BYTES);
    let length = 0;
    for (let read = -1; read !== 0 && length < memory.length; length += read)
      read = readSync(fd, memory, length, memory.length - length, null);
    if (length === memory.length) throw new OperatingError('wrong-use', `cannot read ${path}: it grows while it is read`);
    return { bytes: memory.subarray(0, length), memory };
  } finally {
    closeSync(fd);
  }
}

function kindOf(file: Stats): string {
  if (file.isDirectory()) return 'a directory';
  return `${file.isFIFO() ? 'a FIFO' : file.isSocket() ? 'a socket' : 'a device'}, not a regular file`;
}

function tooLarge(path: string, bytes: number): string {
  return `cannot read ${path}: it has ${Math.ceil(bytes / MIB)} MiB, and a configuration at most ${MOST_BYTES / MIB}`;
}

/** More than the file has now, so that one that grows a little still fits. */
const ROOM_BYTES = 64 * 1024;
