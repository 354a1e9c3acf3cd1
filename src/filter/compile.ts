/** Network -> policy (policy.ts), on the main thread: whole for a start, and of a reload what differs. */
import { assert } from '../base/assert.ts';
import { macHigh, macLow } from '../base/mac.ts';
import type { Havip, Network, Port, Subnet } from '../base/network.ts';
import { fellowsIn, reservedIn } from '../base/rights.ts';
import { changedHavips } from '../base/sorted.ts';
import { fellowPairs, writeFellows } from './fellows.ts';
import * as L from './layout.ts';
import { hash, Policy } from './policy.ts';
import { insert6, ipv6Meanings, port6Words } from './policy6.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { POLICY_MAGIC, HEADER, HEADER_WORDS, PORT_WORDS, PORT_PRESENT, PORT_MAC_HIGH, PORT_MAC_LOW, PORT_VPC } = L;
const { PORT_SUBNET, PORT_INSTANCE, PORT_FLAGS, PORT_ADDRESS, MAY_CLAIM, ALL_FELLOWS, ANY_SOURCE, ROUTES, HAVIP_WORDS } = L;
const { HAVIP_VPC, HAVIP_SUBNET, HAVIP_ADDRESS, HAVIP_MEMBERS, HAVIP_INSTANCES, MAX_MEMBERS, HAVIP_FENCE } = L;
const { LOOKUP_WORDS, FELLOW_WORDS, PORT6_WORDS, LOOKUP6_WORDS, EVERYBODY, ROUTER } = L;

/** Room is made for so many HAVIPs at a time, so that one more needs no new layout. */
const HAVIP_ROOM = 256;

/** Linear in ports, HAVIPs and addresses. */
export function compilePolicy(network: Network, generation = 1): Policy {
  const portCount = network.ports.length;
  const havipCount = Math.ceil((network.havips.length + 1) / HAVIP_ROOM) * HAVIP_ROOM;
  const reserved = network.subnets.flatMap((subnet) => (subnet === null ? [] : reservedMeanings(subnet)));
  const addresses = network.ports.reduce((sum, port) => sum + (port?.addresses.length ?? 0), havipCount + reserved.length);
  const slots = slotsFor(addresses);
  const known6 = ipv6Meanings(network);
  const slots6 = slotsFor(known6.length);
  const instances = numberInstances(network);
  const fellows = fellowPairs(network, instances);
  const fellowSlots = slotsFor(fellows.length / 2);
  const portsAt = HEADER_WORDS;
  const havipsAt = portsAt + portCount * PORT_WORDS;
  const lookupAt = havipsAt + havipCount * HAVIP_WORDS;
  const ports6At = lookupAt + slots * LOOKUP_WORDS;
  const lookup6At = ports6At + portCount * PORT6_WORDS;
  const fellowsAt = lookup6At + slots6 * LOOKUP6_WORDS;
  const words = new Int32Array(new SharedArrayBuffer((fellowsAt + fellowSlots * FELLOW_WORDS) * 4));
  const [lookupMask, lookup6Mask, fellowsMask] = [slots - 1, slots6 - 1, fellowSlots - 1];
  const tables = { portCount, portsAt, havipCount, havipsAt, lookupMask, lookupAt, ports6At, lookup6At, lookup6Mask };
  writeHeader(words, { magic: POLICY_MAGIC, generation, ...tables, fellowsAt, fellowsMask });
  for (let slot = 0; slot < slots; slot++) words[lookupAt + slot * LOOKUP_WORDS] = -1;
  for (let slot = 0; slot < slots6; slot++) words[lookup6At + slot * LOOKUP6_WORDS] = -1;
  const policy = new Policy(words.buffer);
  for (const { vpc, address, meaning } of known6) insert6(policy, vpc, address, meaning);
  writeFellows(policy, fellows);
  for (const { vpc, address, meaning } of reserved) insert(policy, vpc, address, meaning);
  writePorts(policy, network, instances);
  for (const havip of network.havips) if (havip !== null) writeHavip(policy, havip, instances);
  return policy;
}

function writeHeader(words: Int32Array, header: Readonly<Record<keyof typeof HEADER, number>>): void {
  for (const name of Object.keys(HEADER) as (keyof typeof HEADER)[]) words[HEADER[name]] = header[name];
}

/** Slots of a table for so many: a power of two, at most half full. */
function slotsFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(8, count * 2)));
}

function reservedMeanings(subnet: Subnet): { vpc: number; address: number; meaning: number }[] {
  const { vpc, gateway } = subnet;
  return reservedIn(subnet).map((address) => ({ vpc, address: address | 0, meaning: address === gateway ? ROUTER : EVERYBODY }));
}

/** Those of ports here first, then those that are known elsewhere. */
export function numberInstances({ ports, peers }: Network): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const port of ports) if (port && !numbers.has(port.instance)) numbers.set(port.instance, numbers.size);
  for (const { instance } of peers) if (!numbers.has(instance)) numbers.set(instance, numbers.size);
  return numbers;
}

function writePorts(policy: Policy, network: Network, instances: Map<string, number>): void {
  const { words } = policy;
  for (const port of network.ports) {
    if (port === null) continue;
    const at = policy.portsAt + port.index * PORT_WORDS;
    words[at + PORT_PRESENT] = 1;
    words[at + PORT_MAC_HIGH] = macHigh(port.mac);
    words[at + PORT_MAC_LOW] = macLow(port.mac);
    words[at + PORT_VPC] = port.vpc;
    words[at + PORT_SUBNET] = port.subnet;
    words[at + PORT_INSTANCE] = instances.get(port.instance)!;
    words[at + PORT_FLAGS] = flagsOf(network, port);
    words[at + PORT_ADDRESS] = (port.addresses[0] ?? 0) | 0;
    for (const address of port.addresses) insert(policy, port.vpc, address | 0, ~port.index);
    const subnet = network.subnets[port.subnet];
    if (subnet) words.set(port6Words(port, subnet), policy.ports6At + port.index * PORT6_WORDS);
  }
}

function flagsOf(network: Network, port: Port): number {
  const { all, of } = fellowsIn(network, port.subnet);
  const checked = network.subnets[port.subnet]?.sources !== 'any';
  return (
    (all || of.has(port.instance) ? MAY_CLAIM : 0) |
    (all ? ALL_FELLOWS : 0) |
    (port.router || !checked ? ANY_SOURCE : 0) |
    (port.router ? ROUTES : 0)
  );
}

function writeHavip(policy: Policy, havip: Havip, instances: Map<string, number>): void {
  const { words } = policy;
  const at = policy.havipsAt + havip.index * HAVIP_WORDS;
  const { members } = havip;
  assert((members?.length ?? 0) <= MAX_MEMBERS, 'the configuration allows at most 10 members');
  words[at + HAVIP_VPC] = havip.vpc;
  words[at + HAVIP_SUBNET] = havip.subnet;
  words[at + HAVIP_ADDRESS] = havip.address | 0;
  words[at + HAVIP_MEMBERS] = members === null ? -1 : members.length;
  words[at + HAVIP_FENCE] = havip.fence ? 1 : 0;
  // A member that is known nowhere gets a number that nobody has.
  if (members !== null)
    for (let i = 0; i < members.length; i++) words[at + HAVIP_INSTANCES + i] = instances.get(members[i]!) ?? -1;
  insert(policy, havip.vpc, havip.address | 0, havip.index);
}

/**
 * The same answers as compilePolicy(after, generation), from a copy of the block of `before`, written anew where the two networks are not
 * the same objects: with one of 100,000 HAVIPs changed 8 ms, not 40. `policy` stays as it is, workers still judge by it.
 * @param spare a block that nobody reads any more, to be written over: V8 frees shared memory late, 36 reloads kept 400 MB of it
 */
export function recompilePolicy(
  policy: Policy,
  before: Network,
  after: Network,
  generation: number,
  spare: Policy | null = null,
): Policy {
  const sameTables = areSame(before.ports, after.ports) && areSame(before.subnets, after.subnets) && before.peers === after.peers;
  if (!sameTables || after.havips.length > policy.havipCount) return compilePolicy(after, generation);
  const instances = numberInstances(after);
  const fellows = fellowPairs(after, instances);
  if (fellows.length / 2 > policy.fellowsMask) return compilePolicy(after, generation);
  const { byteLength } = policy.words;
  const words = spare?.words.byteLength === byteLength ? spare.words : new Int32Array(new SharedArrayBuffer(byteLength));
  words.set(policy.words);
  words[HEADER.generation] = generation;
  const patched = new Policy(words.buffer);
  const subnets = new Set<number>();
  const come: Havip[] = [];
  for (const index of changedHavips(before, after)) {
    const was = before.havips[index] ?? null;
    const is = after.havips[index] ?? null;
    if (was !== null) {
      words.fill(0, patched.havipsAt + index * HAVIP_WORDS, patched.havipsAt + (index + 1) * HAVIP_WORDS);
      remove(patched, was.vpc, was.address | 0);
      subnets.add(was.subnet);
    }
    if (is === null) continue;
    come.push(is);
    subnets.add(is.subnet);
  }
  for (const havip of come) writeHavip(patched, havip, instances);
  writeFellows(patched, fellows);
  for (const port of after.ports) {
    if (port === null || !subnets.has(port.subnet)) continue;
    words[patched.portsAt + port.index * PORT_WORDS + PORT_FLAGS] = flagsOf(after, port);
  }
  return patched;
}

/** The same objects, place by place. */
function areSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
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

/** Takes a key out of the lookup: what was put behind it because its slot was taken moves up (Knuth, 6.4, algorithm R). */
function remove(policy: Policy, vpc: number, address: number): void {
  const { words, lookupAt, lookupMask } = policy;
  const at = (slot: number) => lookupAt + slot * LOOKUP_WORDS;
  let hole = hash(vpc, address) & lookupMask;
  while (words[at(hole)] !== vpc || words[at(hole) + 1] !== address) hole = (hole + 1) & lookupMask;
  for (let slot = (hole + 1) & lookupMask; words[at(slot)] !== -1; slot = (slot + 1) & lookupMask) {
    const home = hash(words[at(slot)]!, words[at(slot) + 1]!) & lookupMask;
    if (((slot - home) & lookupMask) < ((slot - hole) & lookupMask)) continue;
    words.copyWithin(at(hole), at(slot), at(slot) + LOOKUP_WORDS);
    hole = slot;
  }
  words[at(hole)] = -1;
}
