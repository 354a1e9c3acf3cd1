/**
 * What libnftables' JSON (man 5 libnftables-json) says of our table, as entries. Pure. An entry counts as whole only if each of its
 * chains hangs where it should and has exactly its rules, by their comments.
 */
import type { Entry } from '../vswitch.ts';
import { type Chain, entryOfComment, structureOf } from './ruleset.ts';

interface JsonChain {
  readonly name: string;
  readonly hook?: string;
  readonly prio?: number;
  readonly policy?: string;
}

interface Found {
  readonly chain: JsonChain;
  /** Where a base chain hangs. */
  readonly devices: readonly string[];
  readonly comments: string[];
}

export interface FoundStructure {
  readonly entries: Entry[];
  readonly sets: string[];
  readonly vpcOfInterface: Map<string, string>;
}

/** @param devices of each base chain */
export function readStructure(
  objects: readonly Record<string, unknown>[],
  devices: ReadonlyMap<string, readonly string[]>,
): FoundStructure {
  const chains = new Map<string, Found>();
  const sets: string[] = [];
  let dormant = false;
  for (const object of objects) {
    const named = (object['set'] ?? object['map']) as { name: string } | undefined;
    if (named !== undefined) sets.push(named.name);
    const table = object['table'] as { flags?: unknown } | undefined;
    if (table?.flags !== undefined) dormant = JSON.stringify(table.flags).includes('dormant');
    const chain = object['chain'] as JsonChain | undefined;
    if (chain !== undefined) chains.set(chain.name, { chain, devices: devices.get(chain.name) ?? [], comments: [] });
    const rule = object['rule'] as { chain: string; comment?: string } | undefined;
    if (rule !== undefined) chains.get(rule.chain)?.comments.push(rule.comment ?? '');
  }
  const entries = readEntries(chains, new Set(sets), dormant);
  const vpcOfInterface = new Map<string, string>();
  for (const { kind, key, value } of entries) {
    if (kind === 'port' || kind === 'uplink') vpcOfInterface.set(key, value.split(' ')[0] ?? '');
  }
  return { entries, sets, vpcOfInterface };
}

function readEntries(chains: ReadonlyMap<string, Found>, sets: ReadonlySet<string>, dormant: boolean): Entry[] {
  const entries = new Map<string, Entry>();
  const stray = new Set(chains.keys());
  for (const [name, found] of chains) {
    const said = found.comments.map(entryOfComment).find((entry) => entry !== null) ?? guess(name, found);
    const id = said === null ? null : `${said.kind} ${said.key}`;
    if (said === null || id === null || entries.has(id)) continue;
    const structure = structureOf(said);
    if (structure === null || !structure.chains.some((chain) => chain.name === name)) continue;
    for (const chain of structure.chains) stray.delete(chain.name);
    const whole =
      !(dormant && said.kind === 'guard') &&
      structure.sets.every(([, set]) => sets.has(set)) &&
      structure.chains.every((chain) => isWhole(chain, chains.get(chain.name)));
    entries.set(id, whole ? said : { ...said, value: 'damaged' });
  }
  return [...entries.values(), ...[...stray].map((key): Entry => ({ kind: 'stray', key, value: '-' }))];
}

/** A chain without rules cannot say what it was. */
function guess(name: string, { devices }: Found): Entry | null {
  const [prefix = '', ...rest] = name.split('_');
  const key = rest.join('_');
  if (prefix === 'deny' || prefix === 'guard') return { kind: 'guard', key: '-', value: 'damaged' };
  if (prefix === 'vpc' || prefix === 'subnet') return { kind: prefix, key, value: 'damaged' };
  if (prefix === 'port' || prefix === 'uplink') return { kind: prefix, key: devices[0] ?? key, value: 'damaged' };
  return null;
}

function isWhole(expected: Chain, found: Found | undefined): boolean {
  if (found === undefined || expected.comments.length !== found.comments.length) return false;
  if (!expected.comments.every((comment, i) => comment === found.comments[i])) return false;
  const { hook, prio, policy } = found.chain;
  if (expected.device === null) return hook === undefined;
  const [device, ...more] = found.devices;
  return device === expected.device && more.length === 0 && hook === 'ingress' && prio === 0 && policy === 'accept';
}
