/**
 * The policy, compiled: one block of shared memory that every worker reads and none writes. The main thread compiles a new block
 * for each configuration and hands it to the workers, which change over between two batches.
 *
 *     header  16 words: see the constants
 *     ports   8 words each:  present | mac high | mac low | vpc | subnet | instance | may claim anything | -
 *     havips  16 words each: vpc | subnet | address | number of members, or -1 for all | up to 10 instances | - | -
 *     lookup  4 words each:  vpc, or -1 when empty | address | meaning | -      open addressing, at most half full
 *
 * Meaning of an address: h >= 0 is HAVIP h; below that, ~p is a fixed address of port p. Instances are numbered here alone.
 * Words are signed 32-bit integers in the machine's order; memory grows linearly, 100,000 HAVIPs take 11 MB.
 */
import { assert } from '../base/assert.ts';
import { macHigh, macLow } from '../base/mac.ts';
import type { Network } from '../base/network.ts';

const MAGIC = 0x4841_5649;
const HEADER_WORDS = 16;
export const PORT_WORDS = 8;
export const HAVIP_WORDS = 16;
export const LOOKUP_WORDS = 4;
const MAX_MEMBERS = 10;

/** A compiled policy and where its tables start, in words. */
export class Policy {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly epoch: number;
  readonly portCount: number;
  readonly portsAt: number;
  readonly havipCount: number;
  readonly havipsAt: number;
  readonly lookupAt: number;
  /** Slots of the lookup minus one; the number of slots is a power of two. */
  readonly lookupMask: number;

  constructor(memory: SharedArrayBuffer) {
    const words = new Int32Array(memory);
    assert(words[0] === MAGIC, 'a policy block starts with its magic number');
    this.words = words;
    this.epoch = words[1]!;
    this.portCount = words[2]!;
    this.portsAt = words[3]!;
    this.havipCount = words[4]!;
    this.havipsAt = words[5]!;
    this.lookupMask = words[6]!;
    this.lookupAt = words[7]!;
  }
}

/** Linear in ports, HAVIPs and addresses. */
export function compilePolicy(network: Network, epoch = 1): Policy {
  const portCount = network.ports.length;
  const havipCount = network.havips.length;
  const addresses = network.ports.reduce((sum, port) => sum + (port?.addresses.length ?? 0), havipCount);
  const slots = 2 ** Math.ceil(Math.log2(Math.max(8, addresses * 2)));
  const portsAt = HEADER_WORDS;
  const havipsAt = portsAt + portCount * PORT_WORDS;
  const lookupAt = havipsAt + havipCount * HAVIP_WORDS;
  const words = new Int32Array(new SharedArrayBuffer((lookupAt + slots * LOOKUP_WORDS) * 4));
  words.set([MAGIC, epoch, portCount, portsAt, havipCount, havipsAt, slots - 1, lookupAt]);
  for (let slot = 0; slot < slots; slot++) words[lookupAt + slot * LOOKUP_WORDS] = -1;
  const policy = new Policy(words.buffer);
  const instances = numberInstances(network);
  writePorts(policy, network, instances);
  writeHavips(policy, network, instances);
  return policy;
}

function numberInstances(network: Network): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const port of network.ports) if (port && !numbers.has(port.instance)) numbers.set(port.instance, numbers.size);
  return numbers;
}

function writePorts(policy: Policy, network: Network, instances: Map<string, number>): void {
  const claimers = subnetsWithHavips(network);
  for (const port of network.ports) {
    if (port === null) continue;
    const claimable = claimers.get(port.subnet);
    const mayClaimAny = claimable !== undefined && (claimable.open || claimable.members.has(port.instance));
    policy.words.set(
      [1, macHigh(port.mac), macLow(port.mac), port.vpc, port.subnet, instances.get(port.instance)!, mayClaimAny ? 1 : 0],
      policy.portsAt + port.index * PORT_WORDS,
    );
    for (const address of port.addresses) insert(policy, port.vpc, address | 0, ~port.index);
  }
}

function subnetsWithHavips(network: Network): Map<number, { open: boolean; members: Set<string> }> {
  const subnets = new Map<number, { open: boolean; members: Set<string> }>();
  for (const havip of network.havips) {
    if (havip === null) continue;
    let subnet = subnets.get(havip.subnet);
    if (subnet === undefined) subnets.set(havip.subnet, (subnet = { open: false, members: new Set() }));
    if (havip.members === null) subnet.open = true;
    else for (const member of havip.members) subnet.members.add(member);
  }
  return subnets;
}

function writeHavips(policy: Policy, network: Network, instances: Map<string, number>): void {
  const { words } = policy;
  for (const havip of network.havips) {
    if (havip === null) continue;
    const at = policy.havipsAt + havip.index * HAVIP_WORDS;
    assert((havip.members?.length ?? 0) <= MAX_MEMBERS, 'the configuration allows at most 10 members');
    words[at] = havip.vpc;
    words[at + 1] = havip.subnet;
    words[at + 2] = havip.address | 0;
    words[at + 3] = havip.members === null ? -1 : havip.members.length;
    // A member without a port on this host gets a number that no port has.
    for (const [i, member] of (havip.members ?? []).entries()) words[at + 4 + i] = instances.get(member) ?? -1;
    insert(policy, havip.vpc, havip.address | 0, havip.index);
  }
}

function insert(policy: Policy, vpc: number, address: number, meaning: number): void {
  const { words, lookupAt, lookupMask } = policy;
  for (let slot = hash(vpc, address) & lookupMask; ; slot = (slot + 1) & lookupMask) {
    const at = lookupAt + slot * LOOKUP_WORDS;
    if (words[at] !== -1) continue;
    words[at] = vpc;
    words[at + 1] = address;
    words[at + 2] = meaning;
    return;
  }
}

/** Nothing is known of the address. */
export const UNKNOWN = -0x8000_0000;

/** What an address means in a VPC: HAVIP index, ~port index, or UNKNOWN. */
export function lookUp(policy: Policy, vpc: number, address: number): number {
  const { words, lookupAt, lookupMask } = policy;
  for (let slot = hash(vpc, address) & lookupMask; ; slot = (slot + 1) & lookupMask) {
    const at = lookupAt + slot * LOOKUP_WORDS;
    const found = words[at]!;
    if (found === vpc && words[at + 1] === address) return words[at + 2]!;
    if (found === -1) return UNKNOWN;
  }
}

/** Neighbouring addresses go to neighbouring slots of a VPC: few cache misses for a subnet. bench/limit/judge.c has the same. */
function hash(vpc: number, address: number): number {
  const mixed = Math.imul(vpc + 1, 0x9e37_79b1) ^ address;
  return mixed ^ (mixed >>> 15);
}

/** May the port claim the HAVIP? The compiled form of base/network.ts mayClaim; one test holds the two together. */
export function portMayClaim(policy: Policy, port: number, havip: number): boolean {
  const { words } = policy;
  const portAt = policy.portsAt + port * PORT_WORDS;
  const havipAt = policy.havipsAt + havip * HAVIP_WORDS;
  return words[portAt + 4] === words[havipAt + 1] && isMember(words, havipAt, words[portAt + 5]!);
}

/** Is the instance one of the HAVIP's members? */
export function isMember(words: Int32Array, havipAt: number, instance: number): boolean {
  const members = words[havipAt + 3]!;
  if (members < 0) return true;
  for (let i = 0; i < members; i++) if (words[havipAt + 4 + i] === instance) return true;
  return false;
}
