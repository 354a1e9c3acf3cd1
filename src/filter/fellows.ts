/**
 * The policy's table of fellow members: whom a port may send VRRP by unicast (see policy.ts). Ports on this host alone; of an address
 * elsewhere nobody here knows whose it is.
 */
import type { Network } from '../base/network.ts';
import { fellowsIn } from '../base/rights.ts';
import { portsOf } from '../base/sorted.ts';
import * as L from './layout.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { FELLOW_WORDS } = L;

/** Where the table is. Its slots are a power of two and more than there are pairs. */
interface FellowTable {
  readonly words: Int32Array;
  readonly fellowsAt: number;
  readonly fellowsMask: number;
}

/** All of them: each port with the instances that are its fellows, one after the other. */
export function fellowPairs(network: Network, instances: ReadonlyMap<string, number>): number[] {
  const pairs: number[] = [];
  for (const subnet of network.subnets) {
    if (subnet === null) continue;
    const { all, of } = fellowsIn(network, subnet.index);
    if (all || of.size === 0) continue;
    const ports = portsOf(network, subnet.index);
    const here = new Set(ports.map(({ instance }) => instance));
    for (const port of ports) {
      for (const fellow of of.get(port.instance) ?? []) if (here.has(fellow)) pairs.push(port.index, instances.get(fellow)!);
    }
  }
  return pairs;
}

/** Fills the table anew. */
export function writeFellows({ words, fellowsAt, fellowsMask }: FellowTable, pairs: readonly number[]): void {
  words.fill(-1, fellowsAt, fellowsAt + (fellowsMask + 1) * FELLOW_WORDS);
  for (let i = 0; i < pairs.length; i += 2) {
    let slot = hash(pairs[i]!, pairs[i + 1]!) & fellowsMask;
    while (words[fellowsAt + slot * FELLOW_WORDS] !== -1) slot = (slot + 1) & fellowsMask;
    words[fellowsAt + slot * FELLOW_WORDS] = pairs[i]!;
    words[fellowsAt + slot * FELLOW_WORDS + 1] = pairs[i + 1]!;
  }
}

export function isFellow(policy: FellowTable, port: number, instance: number): boolean {
  const { words, fellowsAt, fellowsMask } = policy;
  for (let slot = hash(port, instance) & fellowsMask; ; slot = (slot + 1) & fellowsMask) {
    const at = fellowsAt + slot * FELLOW_WORDS;
    if (words[at] === port && words[at + 1] === instance) return true;
    if (words[at] === -1) return false;
  }
}

function hash(port: number, instance: number): number {
  const mixed = Math.imul(port + 1, 0x9e37_79b1) ^ Math.imul(instance, 0x85eb_ca6b);
  return mixed ^ (mixed >>> 15);
}
