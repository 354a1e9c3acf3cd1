/**
 * The judge of uplinks: what another host's guests say of HAVIPs. Nothing is dropped there, and a port's policy says nothing of it: it is
 * asked who is believed (base/elsewhere.ts states the rule; a test holds the two together). Workers, once per frame of an uplink.
 *
 * Beside the policy, a table that all workers read:
 *
 *     header   8 words: magic | uplinks | where MACs begin | their slots minus one | instances with a port here
 *     uplinks  1 word each:  vpc, or -1 where nobody is believed
 *     MACs     4 words each: vpc, or -1 when empty | high | low | meaning     open addressing, at most half full
 *
 * Meaning of a MAC: n >= 0 is instance n of the policy, on another host; -1 a port of this host.
 */
import { assert } from '../base/assert.ts';
import { isVirtualMac, macHigh, macLow } from '../base/mac.ts';
import { MAX_PORTS, type Network } from '../base/network.ts';
import { V } from '../base/verdict.ts';
import { isArp, isRarp } from '../decode/arp.ts';
import { viewOf } from '../decode/bytes.ts';
import { decodeView } from '../decode/frame.ts';
import * as S from '../decode/sighting.ts';
import type { Sighting } from '../decode/sighting.ts';
import { mayBeVrrp } from '../decode/vrrp.ts';
import * as L from './layout.ts';
import { numberInstances } from './compile.ts';
import { isMember, lookUp, type Policy } from './policy.ts';

const { ARP, NONE, OTHER, RARP, VRRP } = S;
const { HAVIP_INSTANCES, HAVIP_MEMBERS, HAVIP_WORDS } = L;
const ELSEWHERE = V.elsewhere;
const STRANGER = V.stranger;
const HAVIP_CLAIM = V['havip-claim'];
const VRRP_ADVERT = V['vrrp-advert'];
const VRRP_RESIGN = V['vrrp-resign'];
const RARP_ANNOUNCE = V['rarp-announce'];

const MAGIC = 0x4841_5655;
const HEADER_WORDS = 8;
const MAC_WORDS = 4;
const HERE = -1;
const UNKNOWN = -2;

/** A compiled table. */
export class Elsewhere {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly uplinks: number;
  readonly macsAt: number;
  readonly mask: number;
  /** Instances of the policy with a lower number have a port on this host. */
  readonly here: number;

  constructor(memory: SharedArrayBuffer) {
    const words = new Int32Array(memory);
    assert(words[0] === MAGIC, 'a table of elsewhere starts with its magic number');
    this.words = words;
    this.uplinks = words[1]!;
    this.macsAt = words[2]!;
    this.mask = words[3]!;
    this.here = words[4]!;
  }
}

/** null: there is no uplink at which anybody is believed. */
export function compileElsewhere(network: Network): Elsewhere | null {
  const { uplinks, ports, peers } = network;
  if (!uplinks.some((uplink) => uplink?.trust === 'members')) return null;
  const slots = 2 ** Math.ceil(Math.log2(Math.max(8, (ports.length + peers.length) * 2)));
  const macsAt = HEADER_WORDS + uplinks.length;
  const words = new Int32Array(new SharedArrayBuffer((macsAt + slots * MAC_WORDS) * 4));
  const instances = numberInstances(network);
  const here = numberInstances({ ...network, peers: [] }).size;
  words.set([MAGIC, uplinks.length, macsAt, slots - 1, here]);
  for (const [i, uplink] of uplinks.entries()) words[HEADER_WORDS + i] = uplink?.trust === 'members' ? uplink.vpc : -1;
  for (let slot = 0; slot < slots; slot++) words[macsAt + slot * MAC_WORDS] = -1;
  const table = new Elsewhere(words.buffer);
  for (const port of ports) if (port !== null) insert(table, port.vpc, macHigh(port.mac), macLow(port.mac), HERE);
  for (const { vpc, mac, instance } of peers) insert(table, vpc, macHigh(mac), macLow(mac), instances.get(instance)!);
  return table;
}

function insert({ words, macsAt, mask }: Elsewhere, vpc: number, high: number, low: number, meaning: number): void {
  for (let slot = hash(vpc, high, low) & mask; ; slot = (slot + 1) & mask) {
    const at = macsAt + slot * MAC_WORDS;
    if (words[at] !== -1 && !(words[at] === vpc && words[at + 1] === high && words[at + 2] === low)) continue;
    // A machine that may be on either host has a port here and is a peer: it counts as here until its port is gone.
    if (words[at] !== -1) return;
    words.set([vpc, high, low, meaning], at);
    return;
  }
}

function whose({ words, macsAt, mask }: Elsewhere, vpc: number, high: number, low: number): number {
  for (let slot = hash(vpc, high, low) & mask; ; slot = (slot + 1) & mask) {
    const at = macsAt + slot * MAC_WORDS;
    if (words[at] === -1) return UNKNOWN;
    if (words[at] === vpc && words[at + 1] === high && words[at + 2] === low) return words[at + 3]!;
  }
}

function hash(vpc: number, high: number, low: number): number {
  const mixed = Math.imul(low ^ (high << 16), 0x9e37_79b1) ^ vpc;
  return mixed ^ (mixed >>> 15);
}

/**
 * As judge(), for a frame of an uplink.
 * @param place of the uplink
 */
export function judgeElsewhere(
  table: Elsewhere,
  policy: Policy,
  bytes: Uint8Array,
  at: number,
  captured: number,
  tag: number,
  place: number,
  out: Sighting,
): number {
  out.havip = NONE;
  out.protocol = OTHER;
  const uplink = place - MAX_PORTS;
  const vpc = uplink < table.uplinks ? table.words[HEADER_WORDS + uplink]! : -1;
  if (vpc < 0 || captured < 14 || tag !== 0) return ELSEWHERE;
  const view = viewOf(bytes);
  switch (view.getUint16(at + 12)) {
    case 0x0806:
      out.protocol = ARP;
      return isArp(view, at, captured) ? judgeArp(table, policy, view, at, vpc, out) : ELSEWHERE;
    case 0x8035:
      out.protocol = RARP;
      return isRarp(view, at, captured) ? judgeRarp(table, view, at, vpc) : ELSEWHERE;
    case 0x0800:
      if (!mayBeVrrp(view, at, captured)) return ELSEWHERE;
      decodeView(view, at, captured, 0, out);
      return out.protocol === VRRP && out.fault === NONE ? judgeVrrp(table, policy, view, at, vpc, out) : ELSEWHERE;
    default:
      return ELSEWHERE;
  }
}

function judgeArp(table: Elsewhere, policy: Policy, view: DataView, at: number, vpc: number, out: Sighting): number {
  const havip = lookUp(policy, vpc, view.getInt32(at + 28));
  if (havip < 0) return ELSEWHERE;
  out.havip = havip;
  const high = view.getUint16(at + 22);
  const low = view.getInt32(at + 24);
  if (!isBelieved(table, policy, vpc, havip, high, low)) return STRANGER;
  if (view.getUint16(at + 6) === high && view.getInt32(at + 8) === low) return HAVIP_CLAIM;
  // keepalived's form with a physical source: then that must be a member's too.
  if (!isVirtualMac(high, low)) return STRANGER;
  return isBelieved(table, policy, vpc, havip, view.getUint16(at + 6), view.getInt32(at + 8)) ? HAVIP_CLAIM : STRANGER;
}

/** Of a machine that has, or had, its port here: it runs elsewhere now. Of all others a host has nothing to move. */
function judgeRarp(table: Elsewhere, view: DataView, at: number, vpc: number): number {
  const high = view.getUint16(at + 6);
  const low = view.getInt32(at + 8);
  if (view.getUint16(at + 22) !== high || view.getInt32(at + 24) !== low) return ELSEWHERE;
  if (view.getUint16(at + 32) !== high || view.getInt32(at + 34) !== low) return ELSEWHERE;
  return whose(table, vpc, high, low) === HERE ? RARP_ANNOUNCE : ELSEWHERE;
}

function judgeVrrp(table: Elsewhere, policy: Policy, view: DataView, at: number, vpc: number, s: Sighting): number {
  if (s.vrrpFault !== NONE) return s.vrrpFault;
  let verdict = ELSEWHERE;
  for (let i = 0; i < s.addressCount; i++) {
    const havip = lookUp(policy, vpc, view.getInt32(at + s.addressesAt + 4 * i));
    if (havip < 0) continue;
    s.havip = havip;
    if (isBelieved(table, policy, vpc, havip, s.sourceHigh, s.sourceLow)) return s.priority === 0 ? VRRP_RESIGN : VRRP_ADVERT;
    verdict = STRANGER;
  }
  return verdict;
}

/** Calls back with each HAVIP of an accepted advert whose sender is believed; the judge names only the first. */
export function eachBelievedHavip(
  table: Elsewhere,
  policy: Policy,
  bytes: Uint8Array,
  at: number,
  place: number,
  s: Sighting,
  take: (havip: number) => void,
): void {
  const vpc = table.words[HEADER_WORDS + place - MAX_PORTS]!;
  const view = viewOf(bytes);
  for (let i = 0; i < s.addressCount; i++) {
    const havip = lookUp(policy, vpc, view.getInt32(at + s.addressesAt + 4 * i));
    if (havip >= 0 && isBelieved(table, policy, vpc, havip, s.sourceHigh, s.sourceLow)) take(havip);
  }
}

/**
 * May one with this MAC, on another host, claim the HAVIP? A port's MAC passes here: whether its guest has left only the ledger knows.
 * An instance that is nowhere has number -1 among the members.
 */
function isBelieved(table: Elsewhere, policy: Policy, vpc: number, havip: number, high: number, low: number): boolean {
  const { words } = policy;
  const havipAt = policy.havipsAt + havip * HAVIP_WORDS;
  const members = words[havipAt + HAVIP_MEMBERS]!;
  const meaning = whose(table, vpc, high, low);
  if (meaning === HERE) return true;
  if (meaning >= 0) return members < 0 ? true : meaning >= table.here && isMember(words, havipAt, meaning);
  if (members < 0) return true;
  const virtual = isVirtualMac(high, low);
  for (let i = 0; i < members; i++) {
    const member = words[havipAt + HAVIP_INSTANCES + i]!;
    if (member === -1 || (virtual && member >= table.here)) return true;
  }
  return false;
}
