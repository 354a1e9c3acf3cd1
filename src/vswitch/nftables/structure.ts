/**
 * What the kernel lists of our table, as entries. Pure. An entry counts as whole only if each of its chains hangs where it should
 * and has exactly its rules, by their comments.
 */
import { COUNTED_REASONS, type Entry } from '../vswitch.ts';
import { subnetOf } from './elements.ts';
import { refusedSet, SETS } from './keys.ts';
import type { FoundChain, FoundTable } from './listing.ts';
import type { Places } from './reading.ts';
import { type Chain, entryOfComment, structureOf } from './ruleset.ts';

const KNOWN_SETS = new Set([...SETS, ...COUNTED_REASONS.map(refusedSet)]);

export function entriesOfTable({ chains, sets, dormant }: FoundTable): Entry[] {
  const entries = new Map<string, Entry>();
  const stray = new Set([...chains.keys()].map((name) => `chain ${name}`));
  for (const [name, found] of chains) {
    const said = found.comments.map(entryOfComment).find((entry) => entry !== null) ?? guess(name, found);
    const id = said === null ? null : `${said.kind} ${said.key}`;
    if (said === null || id === null || entries.has(id)) continue;
    const structure = structureOf(said);
    if (structure === null || !structure.chains.some((chain) => chain.name === name)) continue;
    for (const chain of structure.chains) stray.delete(`chain ${chain.name}`);
    const whole =
      !(dormant && said.kind === 'guard') &&
      structure.sets.every(([, set]) => sets.has(set)) &&
      structure.chains.every((chain) => isWhole(chain, chains.get(chain.name)));
    entries.set(id, whole ? said : { ...said, value: 'damaged' });
  }
  for (const set of sets) if (!KNOWN_SETS.has(set)) stray.add(`set ${set}`);
  return [...entries.values(), ...[...stray].map((key): Entry => ({ kind: 'stray', key, value: '-' }))];
}

export function placesOf(entries: readonly Entry[]): Places {
  const vpcOf = new Map<string, string>();
  const subnets = new Set<string>();
  for (const { kind, key, value } of entries) {
    if (kind !== 'port' && kind !== 'uplink') continue;
    const [vpc = '', cidr] = value.split(' ');
    vpcOf.set(key, vpc);
    if (cidr !== undefined) subnets.add(subnetOf(vpc, cidr));
  }
  return { vpcOf, subnets };
}

/** A chain without rules cannot say what it was. */
function guess(name: string, { hook }: FoundChain): Entry | null {
  const [prefix = '', ...rest] = name.split('_');
  const key = rest.join('_');
  if (prefix === 'deny' || prefix.startsWith('guard') || prefix === 'nd' || prefix === 'quick')
    return { kind: 'guard', key: '-', value: 'damaged' };
  if (prefix === 'external' && hook !== null) return { kind: 'external', key: hook?.devices[0] ?? key, value: 'damaged' };
  if (prefix === 'port' || prefix === 'uplink' || prefix === 'shut')
    return { kind: prefix, key: hook?.devices[0] ?? key, value: 'damaged' };
  return null;
}

function isWhole(expected: Chain, found: FoundChain | undefined): boolean {
  if (found === undefined || expected.comments.length !== found.comments.length) return false;
  if (!expected.comments.every((comment, i) => comment === found.comments[i])) return false;
  if (expected.device === null || found.hook === null) return expected.device === null && found.hook === null;
  return found.hook.standard && found.hook.devices.length === 1 && found.hook.devices[0] === expected.device;
}
