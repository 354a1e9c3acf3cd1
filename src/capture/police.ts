/**
 * Policing in the kernel, before a frame costs user space anything: the socket filter of one port, as eBPF, with a token bucket for
 * each kind of thing the port can say. It lets the same frames through as GUEST_CLAIMS (bpf.ts) does, up to a rate, and counts what
 * exceeds it; so received = judged + ring drops + policed.
 *
 *     bucket   0..63   ARP, RARP: by the low bits of the sender address, so the claim of one HAVIP never waits behind another's
 *             64..79   VRRP: by the low bits of the VRID
 *             80       everything else that is captured: tags, LLC, unknown EtherTypes, frames cut short
 *
 * A bucket is a generic cell rate limiter (ITU-T I.371): one time, up to which its credit is spent. Value in the map: that time in
 * nanoseconds, and the frames policed. Two CPUs that race on one bucket can let a few frames more pass, never fewer.
 *
 * Tried instead: `limit` in the nftables guard. It protects the neighbours, not the agent: AF_PACKET hears a frame before
 * the guard does.
 */
import { ArrayMap, type Instruction, loadSocketFilter } from '../abi/ebpf.ts';
import { close } from '../abi/libc.ts';
import { SNAP_BYTES } from './bpf.ts';

export const BUCKETS = 81;
const VRRP_BUCKETS = 64;
const OTHER_BUCKET = 80;
const VALUE_BYTES = 16;

/** Per bucket: a guest in order sends a handful; VRRP version 3 may send 100 adverts a second. */
export const POLICE_PER_SECOND = 500;
export const POLICE_BURST = 128;

/** Frames of a port that the kernel policed, by what they were. */
export interface Policed {
  readonly arp: number;
  readonly vrrp: number;
  readonly other: number;
}

export class Police {
  /** For SO_ATTACH_BPF. */
  readonly programFd: number;
  readonly #map = new ArrayMap(VALUE_BYTES, BUCKETS);

  constructor(perSecond = POLICE_PER_SECOND, burst = POLICE_BURST) {
    try {
      this.programFd = loadSocketFilter(policeProgram(this.#map.fd, 1e9 / perSecond, burst));
    } catch (error) {
      this.#map.close();
      throw error;
    }
  }

  policed(): Policed {
    const { words } = this.#map;
    const sum = (from: number, to: number) => {
      let frames = 0;
      for (let bucket = from; bucket < to; bucket++) frames += Number(words[bucket * 2 + 1]);
      return frames;
    };
    return { arp: sum(0, VRRP_BUCKETS), vrrp: sum(VRRP_BUCKETS, OTHER_BUCKET), other: sum(OTHER_BUCKET, BUCKETS) };
  }

  close(): void {
    close(this.programFd);
    this.#map.close();
  }
}

const R0 = 0;
const R1 = 1;
const R2 = 2;
const R6 = 6;
const R7 = 7;
const R8 = 8;
const R10 = 10;

/** struct __sk_buff */
const SKB_LENGTH = 0;
const SKB_PACKET_TYPE = 4;
const SKB_VLAN_PRESENT = 20;
const PACKET_OUTGOING = 4;

const MAP_LOOKUP_ELEM = 1;
const KTIME_GET_NS = 5;

/** A jump to a name, resolved when all instructions are known; or an instruction; or the place of a name. */
type Line =
  | Instruction
  | { readonly jump: number; readonly register: number; readonly value: number; readonly to: string }
  | { readonly at: string };

const JA = 0x05;
const JEQ = 0x15;
const JLT = 0xa5;
const JGT_REGISTER = 0x2d;

const load = (size: number, to: number, from: number, offset: number): Instruction => [size, to, from, offset, 0];
const word = (to: number, from: number, offset: number) => load(0x61, to, from, offset);
const double = (to: number, from: number, offset: number) => load(0x79, to, from, offset);
/** LD_ABS: frame bytes in host order into R0; the frame is known to be long enough. */
const frameWord = (at: number): Instruction => [0x20, 0, 0, 0, at];
const frameHalf = (at: number): Instruction => [0x28, 0, 0, 0, at];
const frameByte = (at: number): Instruction => [0x30, 0, 0, 0, at];
const move = (to: number, from: number): Instruction => [0xbf, to, from, 0, 0];
const set = (to: number, value: number): Instruction => [0xb7, to, 0, 0, value];
const and = (to: number, value: number): Instruction => [0x57, to, 0, 0, value];
const add = (to: number, value: number): Instruction => [0x07, to, 0, 0, value];
const call = (helper: number): Instruction => [0x85, 0, 0, 0, helper];
const exit: Instruction = [0x95, 0, 0, 0, 0];

function policeProgram(mapFd: number, intervalNs: number, burst: number): Instruction[] {
  const toleranceNs = intervalNs * burst;
  return assemble([
    move(R6, R1),
    word(R7, R6, SKB_PACKET_TYPE),
    { jump: JEQ, register: R7, value: PACKET_OUTGOING, to: 'ignore' },
    set(R8, OTHER_BUCKET),
    word(R7, R6, SKB_VLAN_PRESENT),
    { jump: 0x55, register: R7, value: 0, to: 'limit' },
    word(R7, R6, SKB_LENGTH),
    { jump: JLT, register: R7, value: 14, to: 'limit' },
    frameHalf(12),
    { jump: JEQ, register: R0, value: 0x86dd, to: 'ignore' },
    { jump: JEQ, register: R0, value: 0x0800, to: 'ipv4' },
    { jump: JEQ, register: R0, value: 0x0806, to: 'arp' },
    { jump: JEQ, register: R0, value: 0x8035, to: 'arp' },
    { jump: JA, register: 0, value: 0, to: 'limit' },

    { at: 'arp' },
    { jump: JLT, register: R7, value: 42, to: 'limit' },
    frameWord(28),
    move(R8, R0),
    and(R8, VRRP_BUCKETS - 1),
    { jump: JA, register: 0, value: 0, to: 'limit' },

    { at: 'ipv4' },
    { jump: JLT, register: R7, value: 24, to: 'ignore' },
    frameByte(23),
    { jump: JEQ, register: R0, value: 112, to: 'vrrp' },
    { jump: 0x55, register: R0, value: 51, to: 'ignore' },
    { jump: JA, register: 0, value: 0, to: 'limit' },

    { at: 'vrrp' },
    // The VRID is where it is without IP options; with them some other byte of the message stands in, constant per sender.
    { jump: JLT, register: R7, value: 36, to: 'limit' },
    frameByte(35),
    move(R8, R0),
    and(R8, OTHER_BUCKET - VRRP_BUCKETS - 1),
    add(R8, VRRP_BUCKETS),

    { at: 'limit' },
    [0x63, R10, R8, -4, 0],
    [0x18, R1, 1, 0, mapFd],
    [0, 0, 0, 0, 0],
    move(R2, R10),
    add(R2, -4),
    call(MAP_LOOKUP_ELEM),
    { jump: JEQ, register: R0, value: 0, to: 'ignore' },
    move(R7, R0),
    call(KTIME_GET_NS),
    // R0 now, R1 the time up to which credit is spent
    double(R1, R7, 0),
    [JGT_REGISTER, R1, R0, 1, 0],
    move(R1, R0),
    move(R2, R1),
    [0x1f, R2, R0, 0, 0],
    { jump: 0x25, register: R2, value: toleranceNs - 1, to: 'excess' },
    add(R1, intervalNs),
    [0x7b, R7, R1, 0, 0],
    set(R0, SNAP_BYTES),
    exit,

    { at: 'excess' },
    set(R1, 1),
    [0xdb, R7, R1, 8, 0],
    { at: 'ignore' },
    set(R0, 0),
    exit,
  ]);
}

function assemble(lines: readonly Line[]): Instruction[] {
  const places = new Map<string, number>();
  let length = 0;
  for (const line of lines) {
    if ('at' in line && typeof line.at === 'string') places.set(line.at, length);
    else length++;
  }
  const program: Instruction[] = [];
  for (const line of lines) {
    if (isInstruction(line)) program.push(line);
    else if ('jump' in line)
      program.push([line.jump, line.register, 0, (places.get(line.to) ?? Number.NaN) - program.length - 1, line.value]);
  }
  return program;
}

function isInstruction(line: Line): line is Instruction {
  return Array.isArray(line);
}
