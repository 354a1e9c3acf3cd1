/**
 * The eBPF program behind police.ts: GUEST_CLAIMS (bpf.ts) with a token bucket for each thing that a port can say. Pure.
 *
 *     bucket   0..255  ARP: by the low byte of the sender address
 *            256..319  VRRP, also behind AH: by the low bits of the VRID
 *            320       RARP
 *            321       everything else that is captured: tags, LLC, unknown EtherTypes
 *            322..577  ARP again, by the third byte of the sender address, when the first bucket is empty
 *            578..833  neighbour discovery: by the target's last byte
 *            834..1089 neighbour discovery again, by the other bytes of the target's lower half
 *
 * Two buckets for an address, which no other address of a /16 has both of: a flood of one HAVIP cannot use up the claim of another.
 * With one bucket for each low byte, 4 of 1,000 claims were lost in a subnet of 4,096 (npm run bench -- claim, its own refreshes).
 *
 * A bucket is a generic cell rate limiter (ITU-T I.371): one time in nanoseconds, up to which its credit is spent. Two CPUs that race
 * on one bucket can let a few frames more pass, never fewer. After the buckets come the counts of policed frames, one for
 * each of PROTOCOLS, exact: an atomic addition.
 *
 * The map is asked by helper, although a pointer into it would be quicker: the verifier allows arithmetic on such a pointer only with
 * CAP_PERFMON, and CAP_BPF is enough for this.
 */
import type { Instruction } from '../../abi/ebpf.ts';
import { assert } from '../../base/assert.ts';
import { SNAP_BYTES } from '../../base/snap.ts';
import { PROTOCOLS } from '../../base/verdict.ts';
import * as A from './assembler.ts';
import type { Line } from './assembler.ts';
import { BULK_NEXT_HEADERS, HIDING_BEHIND_AH, HIDING_NEXT_HEADERS } from '../bpf.ts';

const { R0, R1, R2, R6, R7, R8, R9, R10, JEQ, JGT, JGT_REGISTER, JNE, JLT, word, double, frameWord, frameHalf } = A;
const { assemble, frameByte, frameByteBehind, move, set, and, add, shiftRight, shiftLeft, call, exit, xor, go, goIf } = A;

const ARP_BUCKETS = 256;
const VRRP_BUCKETS = 64;
const RARP_BUCKET = ARP_BUCKETS + VRRP_BUCKETS;
const OTHER_BUCKET = RARP_BUCKET + 1;
const SECOND_ARP_AT = OTHER_BUCKET + 1;
const ND_BUCKETS = 256;
const ND_AT = SECOND_ARP_AT + ARP_BUCKETS;
const SECOND_ND_AT = ND_AT + ND_BUCKETS;
export const BUCKETS = SECOND_ND_AT + ND_BUCKETS;
/** Values of the map: buckets, then counts. */
export const POLICE_ENTRIES = BUCKETS + PROTOCOLS.length;

/** struct __sk_buff */
const SKB_LENGTH = 0;
const SKB_PACKET_TYPE = 4;
const SKB_VLAN_PRESENT = 20;
const PACKET_OUTGOING = 4;

const MAP_LOOKUP_ELEM = 1;
const KTIME_GET_NS = 5;

/** R8 has the bucket and R9 the count; the second bucket is kept on the stack, 0: there is none. */
const keepSecond = (from: number): Instruction => [0x63, R10, from, -8, 0];
const loadSecond = (to: number): Instruction => word(to, R10, -8);
const count = (protocol: (typeof PROTOCOLS)[number]) => BUCKETS + PROTOCOLS.indexOf(protocol);

export function policeProgram(mapFd: number, intervalNs: number, burst: number): Instruction[] {
  const toleranceNs = intervalNs * burst;
  assert(toleranceNs < 2 ** 31, 'a full bucket lasts less than 2 s');
  return assemble([...classify(), ...limit(mapFd, intervalNs, toleranceNs)]);
}

/** Leaves bucket and count in R8 and R9. Counts as what decode would call the frame (decode/frame.ts); AH that is cut short, as VRRP. */
function classify(): Line[] {
  return [
    move(R6, R1),
    word(R7, R6, SKB_PACKET_TYPE),
    goIf(R7, JEQ, PACKET_OUTGOING, 'ignore'),
    set(R0, 0),
    keepSecond(R0),
    set(R8, OTHER_BUCKET),
    set(R9, count('other')),
    word(R7, R6, SKB_VLAN_PRESENT),
    goIf(R7, JNE, 0, 'limit'),
    word(R7, R6, SKB_LENGTH),
    frameHalf(12),
    goIf(R0, JEQ, 0x86dd, 'ipv6'),
    goIf(R0, JEQ, 0x0800, 'ipv4'),
    goIf(R0, JEQ, 0x0806, 'arp'),
    goIf(R0, JNE, 0x8035, 'limit'),
    set(R8, RARP_BUCKET),
    set(R9, count('rarp')),
    go('limit'),

    { at: 'arp' },
    set(R8, 0),
    set(R9, count('arp')),
    goIf(R7, JLT, 32, 'limit'),
    frameWord(28),
    move(R8, R0),
    and(R8, ARP_BUCKETS - 1),
    shiftRight(R0, 8),
    and(R0, ARP_BUCKETS - 1),
    add(R0, SECOND_ARP_AT),
    keepSecond(R0),
    go('limit'),

    { at: 'ipv4' },
    frameByte(23),
    goIf(R0, JEQ, 112, 'vrrp'),
    goIf(R0, JNE, 51, 'ignore'),
    frameByte(14),
    move(R8, R0),
    and(R8, 15),
    shiftLeft(R8, 2),
    frameByteBehind(R8, 14),
    goIf(R0, JNE, 112, 'ignore'),

    // Where the VRID is without IP options and AH; with them another byte stands in, which is constant for a sender.
    { at: 'vrrp' },
    set(R8, ARP_BUCKETS),
    set(R9, count('vrrp')),
    goIf(R7, JLT, 36, 'limit'),
    frameByte(35),
    move(R8, R0),
    and(R8, VRRP_BUCKETS - 1),
    add(R8, ARP_BUCKETS),
    go('limit'),

    ...classifyIpv6(),
  ];
}

/** Bucket and count are those of `other` so far, and stay so for what is only suspicious: decode has to look where it leads. */
function classifyIpv6(): Line[] {
  const goIfAny = (values: readonly number[], to: string) => values.map((value) => goIf(R0, JEQ, value, to));
  return [
    { at: 'ipv6' },
    frameByte(20),
    ...goIfAny(BULK_NEXT_HEADERS, 'ignore'),
    goIf(R0, JEQ, 58, 'icmpv6'),
    goIf(R0, JEQ, 112, 'vrrp6'),
    goIf(R0, JEQ, 255, 'limit'),
    goIf(R0, JEQ, 44, 'fragment'),
    ...goIfAny([0, 43, 60], 'header'),
    goIf(R0, JNE, 51, 'ignore'),
    frameByte(54),
    ...goIfAny(HIDING_BEHIND_AH, 'limit'),
    go('ignore'),

    { at: 'fragment' },
    frameByte(54),
    ...goIfAny(HIDING_NEXT_HEADERS, 'limit'),
    goIf(R0, JNE, 58, 'ignore'),
    frameHalf(56),
    and(R0, 0xfff8),
    goIf(R0, JNE, 0, 'ignore'),
    frameByte(62),
    go('hidden'),

    { at: 'header' },
    frameByte(54),
    ...goIfAny(HIDING_NEXT_HEADERS, 'limit'),
    goIf(R0, JNE, 58, 'ignore'),
    frameByte(55),
    move(R8, R0),
    add(R8, 1),
    shiftLeft(R8, 3),
    frameByteBehind(R8, 54),
    set(R8, OTHER_BUCKET),

    { at: 'hidden' },
    ...ifNd('hidden nd', 'ignore'),
    { at: 'hidden nd' },
    set(R9, count('nd')),
    go('limit'),

    { at: 'vrrp6' },
    set(R8, ARP_BUCKETS),
    set(R9, count('vrrp')),
    goIf(R7, JLT, 56, 'limit'),
    frameByte(55),
    move(R8, R0),
    and(R8, VRRP_BUCKETS - 1),
    add(R8, ARP_BUCKETS),
    go('limit'),

    ...classifyNd(),
  ];
}

/** By the target: its last byte, and the seven before that folded to one. */
function classifyNd(): Line[] {
  return [
    { at: 'icmpv6' },
    frameByte(54),
    ...ifNd('nd', 'ignore'),
    { at: 'nd' },
    set(R8, ND_AT),
    set(R9, count('nd')),
    goIf(R7, JLT, 78, 'limit'),
    frameByte(77),
    add(R0, ND_AT),
    move(R8, R0),
    frameWord(70),
    move(R7, R0),
    frameHalf(74),
    xor(R7, R0),
    frameByte(76),
    xor(R7, R0),
    move(R0, R7),
    shiftRight(R0, 16),
    xor(R7, R0),
    move(R0, R7),
    shiftRight(R0, 8),
    xor(R7, R0),
    and(R7, ND_BUCKETS - 1),
    add(R7, SECOND_ND_AT),
    keepSecond(R7),
  ];
}

/** Is the ICMPv6 type in R0 one of neighbour discovery? */
function ifNd(yes: string, no: string): Line[] {
  return [goIf(R0, JEQ, 141, yes), goIf(R0, JEQ, 142, yes), goIf(R0, JLT, 133, no), goIf(R0, JGT, 138, no)];
}

/** Asks the first bucket, then the second if there is one. Twice the same lines: the verifier takes no loop here. */
function limit(mapFd: number, intervalNs: number, toleranceNs: number): Line[] {
  return [
    { at: 'limit' },
    ...askBucket(mapFd, intervalNs, toleranceNs, 'empty'),
    { at: 'empty' },
    loadSecond(R8),
    goIf(R8, JEQ, 0, 'excess'),
    ...askBucket(mapFd, intervalNs, toleranceNs, 'excess'),
    { at: 'excess' },
    ...value(mapFd, R9),
    set(R1, 1),
    [0xdb, R0, R1, 0, 0], // *R0 += R1, atomically
    { at: 'ignore' },
    set(R0, 0),
    exit,
  ];
}

/** Takes from the bucket in R8 and ends the program with the frame, or goes on where the bucket is empty. */
function askBucket(mapFd: number, intervalNs: number, toleranceNs: number, empty: string): Line[] {
  return [
    ...value(mapFd, R8),
    move(R7, R0),
    call(KTIME_GET_NS),
    // R0 now, R1 the time up to which credit is spent
    double(R1, R7, 0),
    [JGT_REGISTER, R1, R0, 1, 0],
    move(R1, R0),
    move(R2, R1),
    [0x1f, R2, R0, 0, 0], // R2 -= R0
    goIf(R2, JGT, toleranceNs - 1, empty),
    add(R1, intervalNs),
    [0x7b, R7, R1, 0, 0], // *R7 = R1
    set(R0, SNAP_BYTES),
    exit,
  ];
}

/** The address of a value in R0. */
function value(mapFd: number, index: number): Line[] {
  return [
    [0x63, R10, index, -4, 0],
    [0x18, R1, 1, 0, mapFd],
    [0, 0, 0, 0, 0],
    move(R2, R10),
    add(R2, -4),
    call(MAP_LOOKUP_ELEM),
    goIf(R0, JEQ, 0, 'ignore'),
  ];
}
