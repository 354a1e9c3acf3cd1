/**
 * The policy, compiled: one block of shared memory that every worker reads and none writes. The main thread compiles a new block
 * for each configuration (compile.ts) and hands it to the workers, which change over between two batches. layout.ts draws it. Here is
 * what is asked of it for each frame.
 *
 * Meaning of an address: h >= 0 is HAVIP h; below that, ~p is a fixed address of port p; what else there is, layout.ts. Instances are
 * numbered here alone. IPv6 has tables of its own, so IPv4 pays nothing for it: with one of 128 bits for both, a look-up of an IPv4
 * address took 5 ns instead of 3.5, of 50,000 at random 34 instead of 7.
 * Words are signed 32-bit integers in the machine's order; memory grows linearly, 100,000 HAVIPs take 11 MB.
 */
import { assert } from '../base/assert.ts';
import { isFellow } from './fellows.ts';
import { Held } from './held.ts';
import * as L from './layout.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { POLICY_MAGIC, HEADER, PORT_WORDS, PORT_SUBNET, PORT_INSTANCE, PORT_FLAGS, ALL_FELLOWS } = L;
const { HAVIP_WORDS, HAVIP_SUBNET, HAVIP_MEMBERS, HAVIP_INSTANCES, LOOKUP_WORDS, UNKNOWN } = L;
/** Without anybody who holds anything. */
const NOTHING_HELD = new Held({ havips: 0, vpcs: 0 });

/**
 * A compiled policy and where its tables start, in words.
 *
 * `declare`: a field that is only declared is first made undefined and then set, so V8 takes it for one that changes. Set once, the
 * fields of a policy that is constant where it is used (replay/batch.ts) become part of the machine code: 43 against 41 M frames/s.
 */
export class Policy {
  declare readonly words: Int32Array<SharedArrayBuffer>;
  declare readonly generation: number;
  declare readonly portCount: number;
  declare readonly portsAt: number;
  /** HAVIPs that there is room for. */
  declare readonly havipCount: number;
  declare readonly havipsAt: number;
  declare readonly lookupAt: number;
  /** Slots of the lookup minus one; the number of slots is a power of two. */
  declare readonly lookupMask: number;
  declare readonly ports6At: number;
  declare readonly lookup6At: number;
  declare readonly lookup6Mask: number;
  declare readonly fellowsAt: number;
  declare readonly fellowsMask: number;
  /** Who holds what; nobody anything, where that is not known. */
  declare readonly held: Held;

  constructor(memory: SharedArrayBuffer, held: Held = NOTHING_HELD) {
    const words = new Int32Array(memory);
    assert(words[HEADER.magic] === POLICY_MAGIC, 'a policy block starts with its magic number');
    this.words = words;
    this.generation = words[HEADER.generation]!;
    this.portCount = words[HEADER.portCount]!;
    this.portsAt = words[HEADER.portsAt]!;
    this.havipCount = words[HEADER.havipCount]!;
    this.havipsAt = words[HEADER.havipsAt]!;
    this.lookupMask = words[HEADER.lookupMask]!;
    this.lookupAt = words[HEADER.lookupAt]!;
    this.ports6At = words[HEADER.ports6At]!;
    this.lookup6At = words[HEADER.lookup6At]!;
    this.lookup6Mask = words[HEADER.lookup6Mask]!;
    this.fellowsAt = words[HEADER.fellowsAt]!;
    this.fellowsMask = words[HEADER.fellowsMask]!;
    this.held = held;
  }

  /** The same, with what is held. */
  seeing(held: Held): Policy {
    return new Policy(this.words.buffer, held);
  }
}

/** What an address means in a VPC: HAVIP index, ~port index, or one of layout.ts. */
export function lookUp(policy: Policy, vpc: number, address: number): number {
  const { words, lookupAt, lookupMask } = policy;
  for (let slot = hash(vpc, address) & lookupMask; ; slot = (slot + 1) & lookupMask) {
    const at = lookupAt + slot * LOOKUP_WORDS;
    const found = words[at]!;
    if (found === vpc && words[at + 1] === address) return words[at + 2]!;
    if (found === -1) return UNKNOWN;
  }
}

/**
 * The port has an address that means another port: ports of a bond share it, and each has an entry of it. Asked of what the look-up
 * answered, when that is not the port itself.
 */
export function sharesAddress(policy: Policy, vpc: number, address: number, meaning: number, port: number): boolean {
  if (meaning >= 0 || ~meaning >= policy.portCount) return false;
  const { words, lookupAt, lookupMask } = policy;
  for (let slot = hash(vpc, address) & lookupMask; ; slot = (slot + 1) & lookupMask) {
    const at = lookupAt + slot * LOOKUP_WORDS;
    if (words[at] === -1) return false;
    if (words[at] === vpc && words[at + 1] === address && words[at + 2] === ~port) return true;
  }
}

/** Neighbouring addresses go to neighbouring slots of a VPC: few cache misses for a subnet. bench/limit/judge.c has the same. */
export function hash(vpc: number, address: number): number {
  const mixed = Math.imul(vpc + 1, 0x9e37_79b1) ^ address;
  return mixed ^ (mixed >>> 15);
}

/** May the port claim the HAVIP? The compiled form of base/rights.ts mayClaim; one test holds the two together. */
export function portMayClaim(policy: Policy, port: number, havip: number): boolean {
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const havipAt = policy.havipsAt + havip * HAVIP_WORDS;
  return (
    words[portAt + PORT_SUBNET] === words[havipAt + HAVIP_SUBNET] && isMember(words, havipAt, words[portAt + PORT_INSTANCE]!)
  );
}

/** Is the instance one of the HAVIP's members? */
export function isMember(words: Int32Array, havipAt: number, instance: number): boolean {
  const members = words[havipAt + HAVIP_MEMBERS]!;
  if (members < 0) return true;
  for (let i = 0; i < members; i++) if (words[havipAt + HAVIP_INSTANCES + i] === instance) return true;
  return false;
}

/** May the two ports send VRRP to each other? The compiled form of base/rights.ts fellowsIn. */
export function areFellows(policy: Policy, port: number, other: number): boolean {
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const otherAt = policy.portsAt + other * PORT_WORDS;
  if (words[portAt + PORT_SUBNET] !== words[otherAt + PORT_SUBNET]) return false;
  return (words[portAt + PORT_FLAGS]! & ALL_FELLOWS) !== 0 || isFellow(policy, port, words[otherAt + PORT_INSTANCE]!);
}
