/**
 * The policy's tables of IPv6 (see policy.ts): who has which address, and which addresses that are nobody's a port may speak for.
 */
import { type Ipv6Words, ipv6Words } from '../base/ipv6.ts';
import type { Network, Port, Subnet } from '../base/network.ts';
import { ownIpv6, routerIpv6, spareIpv6 } from '../base/rights.ts';
import * as L from './layout.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { ANY_SPARE, IS_ROUTER, LOOKUP6_WORDS, PREFIX_SPARE, ROUTER, UNKNOWN } = L;

/** Of a Policy. */
interface Tables6 {
  readonly words: Int32Array;
  readonly lookup6At: number;
  /** Slots minus one; the number of slots is a power of two. */
  readonly lookup6Mask: number;
}

/** Every IPv6 address that is somebody's. A router that is a guest has its address twice, first as its own. */
export function ipv6Meanings(network: Network): { vpc: number; address: Ipv6Words; meaning: number }[] {
  const known: { vpc: number; address: Ipv6Words; meaning: number }[] = [];
  for (const port of network.ports) {
    const subnet = port === null ? null : network.subnets[port.subnet];
    if (port === null || !subnet) continue;
    for (const address of ownIpv6(port, subnet)) known.push({ vpc: port.vpc, address: ipv6Words(address), meaning: ~port.index });
  }
  for (const subnet of network.subnets) {
    if (subnet === null) continue;
    for (const address of routerIpv6(subnet)) known.push({ vpc: subnet.vpc, address: ipv6Words(address), meaning: ROUTER });
  }
  return known;
}

export function port6Words(port: Port, subnet: Subnet): number[] {
  const { any, prefixes } = spareIpv6(subnet);
  const flags = (any ? ANY_SPARE : 0) | (prefixes.length > 0 ? PREFIX_SPARE : 0) | (port.router ? IS_ROUTER : 0);
  const [high, low] = subnet.ipv6 === null ? [0, 0] : ipv6Words(subnet.ipv6.cidr.base);
  return [flags, high, low, 0];
}

export function insert6(policy: Tables6, vpc: number, address: Ipv6Words, meaning: number): void {
  const { words, lookup6At, lookup6Mask } = policy;
  const [a, b, c, d] = address;
  for (let slot = hash6(vpc, a, b, c, d) & lookup6Mask; ; slot = (slot + 1) & lookup6Mask) {
    const at = lookup6At + slot * LOOKUP6_WORDS;
    // What is a port's is nobody's beside it but another port's of the same bond.
    if (isAt(words, at, vpc, a, b, c, d) && meaning === ROUTER) return;
    if (words[at] === -1) return words.set([vpc, a, b, c, d, meaning], at);
  }
}

/** What an IPv6 address means in a VPC: ~port index, ROUTER, or UNKNOWN. */
export function lookUp6(policy: Tables6, vpc: number, a: number, b: number, c: number, d: number): number {
  const { words, lookup6At, lookup6Mask } = policy;
  for (let slot = hash6(vpc, a, b, c, d) & lookup6Mask; ; slot = (slot + 1) & lookup6Mask) {
    const at = lookup6At + slot * LOOKUP6_WORDS;
    if (isAt(words, at, vpc, a, b, c, d)) return words[at + 5]!;
    if (words[at] === -1) return UNKNOWN;
  }
}

/** As sharesAddress() of policy.ts. */
export function sharesAddress6(policy: Tables6, vpc: number, a: number, b: number, c: number, d: number, port: number): boolean {
  const { words, lookup6At, lookup6Mask } = policy;
  for (let slot = hash6(vpc, a, b, c, d) & lookup6Mask; ; slot = (slot + 1) & lookup6Mask) {
    const at = lookup6At + slot * LOOKUP6_WORDS;
    if (words[at] === -1) return false;
    if (isAt(words, at, vpc, a, b, c, d) && words[at + 5] === ~port) return true;
  }
}

function isAt(words: Int32Array, at: number, vpc: number, a: number, b: number, c: number, d: number): boolean {
  return words[at] === vpc && words[at + 1] === a && words[at + 2] === b && words[at + 3] === c && words[at + 4] === d;
}

function hash6(vpc: number, a: number, b: number, c: number, d: number): number {
  const mixed =
    Math.imul(vpc + 1, 0x9e37_79b1) ^ Math.imul(a ^ Math.imul(b, 0x85eb_ca6b), 0xc2b2_ae35) ^ Math.imul(c, 0x27d4_eb2f) ^ d;
  return mixed ^ (mixed >>> 15);
}
