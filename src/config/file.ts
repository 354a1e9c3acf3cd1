/**
 * A configuration file that is read again and again. Main thread.
 *
 * A reload mostly changes a HAVIP or two of one VPC, and a whole file of 100,000 HAVIPs takes half a second to check. So the bytes are
 * compared with those read last (10 MB in 2 ms). Where the difference lies within one element of `vpcs` of a JSON file, and that
 * element differs in its HAVIPs alone, the element is checked by itself, together with the ports of its subnets: what a HAVIP may
 * collide with is in its VPC, but for ids, which are looked for in the others. The rest stays the same objects, by which config/plan.ts
 * knows it. In any other case, and for every mistake, the whole file is parsed: the answer is always parseConfig()'s, which
 * test/config/file.test.ts tries with random edits.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { formatIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { codeOf } from '../base/failure.ts';
import { formatMac } from '../base/mac.ts';
import { parseSource } from './config.ts';
import type { Config, Parsed, PortConfig, VpcConfig } from './config.ts';
import type { DriverCheck } from './cross.ts';
import type { Spans } from './json.ts';
import { readJson, readText } from './text.ts';

interface Known {
  readonly bytes: Buffer;
  readonly config: Config;
  /** Where the elements of `vpcs` begin and end in `bytes`; null when parts cannot be told apart. */
  readonly vpcs: Spans | null;
}

export class ConfigFile {
  readonly path: string;
  #known: Known | null = null;
  /** What `#known` lies in, and what the one before lay in, for the next: V8 frees 10 MB late, and reloads come in rows. */
  #memory: Buffer = Buffer.alloc(0);
  #spare: Buffer = Buffer.alloc(0);

  readonly #check: DriverCheck | null;

  /** @param check what the driver of the virtual switch has to say */
  constructor(path: string, check: DriverCheck | null = null) {
    this.path = path;
    this.#check = check;
  }

  /** Throws what openSync and readSync throw. A file with mistakes changes nothing in what the next one is compared with. */
  read(): Parsed {
    const { bytes, memory } = readWhole(this.path, this.#spare);
    const parsed = this.take(bytes);
    if (this.#known?.bytes === bytes) [this.#spare, this.#memory] = [this.#memory, memory];
    else this.#spare = memory;
    return parsed;
  }

  take(bytes: Buffer): Parsed {
    const known = this.#known === null ? null : readDifference(this.#known, bytes);
    if (known !== null) {
      this.#known = known;
      return { ok: true, config: known.config };
    }
    const text = bytes.toString('utf8');
    const source = readText(text);
    const parsed = parseSource(source, this.path, this.#check);
    // Only in ASCII are offsets in the text those in the file.
    if (parsed.ok) this.#known = { bytes, config: parsed.config, vpcs: text.length === bytes.length ? source.vpcs : null };
    return parsed;
  }
}

/** What a person is told when read() threw; null when the system is not to blame. */
export function whyUnreadable(path: string, error: unknown): string | null {
  const code = codeOf(error);
  return code === null ? null : `cannot read ${path}: ${REASONS[code] ?? code}`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

/** Reads a file into this memory, or into new memory when it is too small; also one that says no size, like a pipe. */
function readWhole(path: string, spare: Buffer): { readonly bytes: Buffer; readonly memory: Buffer } {
  const fd = openSync(path, 'r');
  try {
    const size = fstatSync(fd).size;
    let memory: Buffer = spare.length > size ? spare : Buffer.alloc(size + ROOM_BYTES);
    let length = 0;
    for (let read = -1; read !== 0; length += read) {
      if (length === memory.length) memory = Buffer.concat([memory, Buffer.alloc(memory.length)]);
      read = readSync(fd, memory, length, memory.length - length, null);
    }
    return { bytes: memory.subarray(0, length), memory };
  } finally {
    closeSync(fd);
  }
}

/** null: the whole must be parsed. */
function readDifference({ bytes: before, config, vpcs }: Known, bytes: Buffer): Known | null {
  if (vpcs === null) return null;
  const from = equalFromStart(before, bytes);
  if (from === before.length && from === bytes.length) return { bytes, config, vpcs };
  const to = before.length - equalFromEnd(before, bytes, from);
  const grown = bytes.length - before.length;
  let index = 0;
  while (index * 2 < vpcs.length && (vpcs[index * 2 + 1] ?? to) < to) index++;
  const start = vpcs[index * 2];
  const end = vpcs[index * 2 + 1];
  if (start === undefined || end === undefined || from < start) return null;
  const vpc = readVpc(bytes.toString('utf8', start, end + grown), config, index);
  if (vpc === null) return null;
  return {
    bytes,
    config: Object.freeze({ ...config, vpcs: Object.freeze(config.vpcs.with(index, vpc)) }),
    vpcs: vpcs.map((offset) => (offset < end ? offset : offset + grown)),
  };
}

/** The VPC that stands where `config` has the one of this index; null when the rest of the file may have a say in it. */
function readVpc(text: string, config: Config, index: number): VpcConfig | null {
  const source = readJson(text);
  const before = must(config.vpcs[index], 'every element of the list is a VPC');
  if (source === null || source.errors.length > 0) return null;
  const subnets = new Set(before.subnets.map(({ id }) => id));
  const ports = config.ports.filter(({ subnet }) => subnets.has(subnet)).map(asWritten);
  const parsed = parseSource({ ...source, value: { host: config.host, vpcs: [source.value], ports } }, '', null);
  const after = parsed.ok ? must(parsed.config.vpcs[0], 'one VPC went in') : null;
  if (after === null || !isDeepStrictEqual({ ...before, havips: [] }, { ...after, havips: [] })) return null;
  const ids = new Set(after.havips.map(({ id }) => id));
  for (const { id } of before.havips) ids.delete(id);
  const taken = ids.size > 0 && config.vpcs.some((vpc) => vpc !== before && vpc.havips.some(({ id }) => ids.has(id)));
  return taken ? null : after;
}

function asWritten(port: PortConfig): object {
  return { ...port, mac: formatMac(port.mac), addresses: port.addresses.map(formatIpv4) };
}

const CHUNK_BYTES = 64 * 1024;
/** More than the file has now, so that one that grows a little still fits. */
const ROOM_BYTES = 64 * 1024;

function equalFromStart(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.compare(b, at, Math.min(at + CHUNK_BYTES, length), at, Math.min(at + CHUNK_BYTES, length)) === 0)
    at = Math.min(at + CHUNK_BYTES, length);
  while (at < length && a[at] === b[at]) at++;
  return at;
}

/** @param start what is before it is not looked at */
function equalFromEnd(a: Buffer, b: Buffer, start: number): number {
  const length = Math.min(a.length, b.length) - start;
  const chunkEqual = (end: number) => {
    const bytes = Math.min(CHUNK_BYTES, length - end);
    return a.compare(b, b.length - end - bytes, b.length - end, a.length - end - bytes, a.length - end) === 0;
  };
  let equal = 0;
  while (equal < length && chunkEqual(equal)) equal = Math.min(equal + CHUNK_BYTES, length);
  while (equal < length && a[a.length - 1 - equal] === b[b.length - 1 - equal]) equal++;
  return equal;
}
