/**
 * A table that is built whole, at a start or after somebody flushed it: first the guard and one chain that leads every port there, then
 * what it asks, then a chain for each port, and the first one goes. Pure.
 *
 * nft and the kernel need 35 of the 40 ms that 20 ports take for the ports' chains, and for all of it no port would be guarded. With
 * the chain that leads there no guest is, after 6 ms; for a millisecond more the sets are empty, and all is denied. What depends on the
 * VPC waits for the ports' own chains: the fence, another's VRID, a probe for another's address, the virtual MAC that another member holds.
 */
import type { Change, EntryKind } from '../vswitch.ts';
import { GUARD_FIRST_RULES, isStructural } from './ruleset.ts';

/** Led to by nothing and with no comment of ours: should the process end meanwhile, the next one finds a stray and removes it. */
const CHAIN = 'interim';
/** Of one chain: linux/netfilter/nf_tables.h NFT_NETDEVICE_MAX, less one. */
const DEVICES_MOST = 255;
/** What a port's chain leads to, and elements too. */
const FIRST: ReadonlySet<EntryKind> = new Set<EntryKind>(['guard', 'external']);

export interface WholeTable {
  readonly first: readonly Change[];
  readonly elements: readonly Change[];
  readonly rest: readonly Change[];
  /** The interfaces of ports. */
  readonly ports: readonly string[];
}

/** null: guard or ports are there already, and one transaction takes them from what they are to what they shall be. */
export function wholeOf(changes: readonly Change[]): WholeTable | null {
  const ports: string[] = [];
  let isNew = false;
  for (const { before, after } of changes) {
    if (before !== null && before.kind !== 'stray' && !FIRST.has(before.kind)) return null;
    if (after?.kind === 'guard') isNew = true;
    if (after?.kind === 'port') ports.push(after.key);
  }
  if (!isNew || ports.length === 0) return null;
  return {
    first: changes.filter(isFirst),
    elements: changes.filter((change) => !isStructural(change)),
    rest: changes.filter((change) => isStructural(change) && !isFirst(change)),
    ports,
  };
}

function isFirst({ after }: Change): boolean {
  return after !== null && FIRST.has(after.kind);
}

/** Behind the guard, in its transaction. */
export function interimScript(table: string, ports: readonly string[]): string {
  return chainsOf(ports)
    .map(([name, devices]) => {
      const hook = `type filter hook ingress devices = { ${devices.map((device) => `"${device}"`).join(', ')} } priority 0; policy accept;`;
      const rules = GUARD_FIRST_RULES.map((rule) => `add rule netdev ${table} ${name} ${rule}\n`);
      return `add chain netdev ${table} ${name} { ${hook} }\n${rules.join('')}`;
    })
    .join('');
}

/** With the ports' own chains. */
export function interimGone(table: string, ports: readonly string[]): string {
  return chainsOf(ports)
    .map(([name]) => `flush chain netdev ${table} ${name}\ndelete chain netdev ${table} ${name}\n`)
    .join('');
}

function chainsOf(ports: readonly string[]): (readonly [name: string, devices: readonly string[]])[] {
  const count = Math.ceil(ports.length / DEVICES_MOST);
  return Array.from({ length: count }, (_, i) => [`${CHAIN}_${i}`, ports.slice(i * DEVICES_MOST, (i + 1) * DEVICES_MOST)]);
}
