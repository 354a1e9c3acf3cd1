/**
 * What the flight recorder knows beside frames, inside a pcapng file: links that changed and bindings that a restarted agent found.
 * Kept in custom blocks (draft-ietf-opsawg-pcapng, 4.7), which every other reader steps over; so a guest cannot forge one by
 * sending it. Their data is JSON.
 *
 *      0          4        8             12                       length - 4
 *      | 0xbad    | length | enterprise  | JSON, zeroes to 4      | length |
 */
import { readSync } from 'node:fs';
import type { Binding } from '../base/binding.ts';
import { isUnicastMac } from '../base/mac.ts';
import { LINK_STATES, type LinkState } from '../base/network.ts';

export interface LinkNote {
  readonly kind: 'link';
  /** Nanoseconds since 1970, in decimal: more than a double holds. */
  readonly atNs: string;
  readonly interface: string;
  readonly state: LinkState;
  readonly ifindex: number;
}

export interface AdoptedNote extends Pick<Binding, 'interface' | 'mac' | 'epoch' | 'sinceMs'> {
  readonly kind: 'adopted';
  readonly atNs: string;
  /** Id. */
  readonly havip: string;
}

export type Note = LinkNote | AdoptedNote;

const CUSTOM = 0x0bad;
/** For documentation and private use (RFC 5612). */
const ENTERPRISE = 32_473;
const SECTION_HEADER = 0x0a0d0d0a;
const LITTLE_ENDIAN_MAGIC = 0x1a2b3c4d;
/** A recorder's file is far smaller; other files have no notes and are not read here beyond their head. */
const MOST_BYTES = 4 * 1024 * 1024;
/** The section header names its writer within these. */
const HEAD_BYTES = 128;
const WRITER = 'havip-agent';
/** Up to the year 2286. */
const TIME = /^\d{1,19}$/;
/** An int in the kernel. */
const IFINDEX_MOST = 2 ** 31 - 1;
const MAC_MOST = 2 ** 48 - 1;
/** The latest that a Date can be (ECMA-262, 21.4.1.1). */
const DATE_MOST_MS = 8.64e15;

/** The notes as blocks of a little-endian section. */
export function writeNote(note: Note): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(note));
  const size = 16 + Math.ceil(json.length / 4) * 4;
  const block = new Uint8Array(size);
  const view = new DataView(block.buffer);
  view.setUint32(0, CUSTOM, true);
  view.setUint32(4, size, true);
  view.setUint32(8, ENTERPRISE, true);
  block.set(json, 12);
  view.setUint32(size - 4, size, true);
  return block;
}

/** All notes of a file that this agent wrote, in its order; none of any other file, of whatever format. */
export function readNotes({ fd }: { readonly fd: number }): Note[] {
  return isOurs(readStart(fd, HEAD_BYTES)) ? notesIn(readStart(fd, MOST_BYTES)) : [];
}

function readStart(fd: number, mostBytes: number): DataView {
  const bytes = new Uint8Array(mostBytes);
  return new DataView(bytes.buffer, 0, readSync(fd, bytes, 0, mostBytes, 0));
}

function isOurs(head: DataView): boolean {
  const isSection =
    head.byteLength >= 28 && head.getUint32(0, true) === SECTION_HEADER && head.getUint32(8, true) === LITTLE_ENDIAN_MAGIC;
  return isSection && Buffer.from(head.buffer, 0, head.byteLength).includes(WRITER);
}

function notesIn(view: DataView): Note[] {
  const notes: Note[] = [];
  for (let at = 0, size = 0; at + 12 <= view.byteLength; at += size) {
    size = view.getUint32(at + 4, true);
    if (size < 12 || size % 4 !== 0 || at + size > view.byteLength) break; // the replay itself says what is wrong with the file
    if (view.getUint32(at, true) !== CUSTOM || view.getUint32(at + 8, true) !== ENTERPRISE) continue;
    const note = parse(new Uint8Array(view.buffer, at + 12, size - 16));
    if (note !== null) notes.push(note);
  }
  return notes;
}

/** null when it is no note as this agent writes them: any file may say that it is ours. */
function parse(bytes: Uint8Array): Note | null {
  try {
    return noteOf(JSON.parse(new TextDecoder().decode(bytes).replace(/\0+$/, '')));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function noteOf(said: unknown): Note | null {
  if (!isRecord(said)) return null;
  const { kind, atNs, interface: name, state, ifindex, havip, mac, epoch, sinceMs } = said;
  if (typeof atNs !== 'string' || !TIME.test(atNs) || !isName(name)) return null;
  if (kind === 'link') {
    const known = LINK_STATES.find((one) => one === state);
    return known !== undefined && isWhole(ifindex, IFINDEX_MOST) ? { kind, atNs, interface: name, state: known, ifindex } : null;
  }
  if (kind !== 'adopted' || !isName(havip) || !isWhole(mac, MAC_MOST) || !isUnicastMac(mac)) return null;
  if (!isWhole(epoch, Number.MAX_SAFE_INTEGER - 1) || typeof sinceMs !== 'number') return null;
  return sinceMs >= 0 && sinceMs <= DATE_MOST_MS ? { kind, atNs, interface: name, havip, mac, epoch, sinceMs } : null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isWhole(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
