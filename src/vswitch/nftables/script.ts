/** A change of structure, as nft text. Pure. A repair flushes and fills a chain in the same transaction: no frame sees it empty. */
import { must } from '../../base/assert.ts';
import type { Change, Entry } from '../vswitch.ts';
import { elementsOf } from './elements.ts';
import { type Element, elementText } from './keys.ts';
import { isStructural, structureOf } from './ruleset.ts';

/** The whole transaction. */
export function scriptOf(table: string, changes: readonly Change[]): string {
  const lines: string[] = [`add table netdev ${table}`];
  // One stray may lead to another, and what is led to cannot be deleted.
  for (const { before } of changes) if (before?.kind === 'stray') lines.push(...flush(table, before));
  for (const change of changes) {
    const { before, after } = change;
    if (isStructural(change)) {
      lines.push(...(after === null ? remove(table, must(before, 'a change has a side')) : build(table, before, after)));
      continue;
    }
    const { gone, come } = elementDifference(before, after);
    for (const element of gone) lines.push(`delete element netdev ${table} ${element.set} { ${elementText(element, false)} }`);
    for (const element of come) lines.push(`add element netdev ${table} ${element.set} { ${elementText(element, true)} }`);
  }
  return `${lines.join('\n')}\n`;
}

/** What a change means in elements; those that stay the same are not touched. */
export function elementDifference(before: Entry | null, after: Entry | null): { gone: Element[]; come: Element[] } {
  const old = before === null ? [] : elementsOf(before);
  const now = after === null ? [] : elementsOf(after);
  return { gone: missing(old, now), come: missing(now, old) };
}

/** Those of `list` that are not in `others`; a handful each. Plain loops: this is on the way from a claim to the switch. */
function missing(list: Element[], others: readonly Element[]): Element[] {
  if (others.length === 0) return list;
  const found: Element[] = [];
  for (const one of list) if (!has(others, one)) found.push(one);
  return found;
}

function has(list: readonly Element[], a: Element): boolean {
  for (const b of list) if (same(a, b)) return true;
  return false;
}

function same(a: Element, b: Element): boolean {
  if (a.set !== b.set || a.data !== b.data || a.comment !== b.comment || a.timeoutMs !== b.timeoutMs) return false;
  for (let i = 0; i < a.key.length; i++) if (a.key[i] !== b.key[i]) return false;
  return true;
}

function build(table: string, before: Entry | null, after: Entry): string[] {
  const { counters, sets, chains } = structure(after);
  const lines = counters.map((counter) => `add counter netdev ${table} ${counter}`);
  for (const [kind, name, definition] of sets) lines.push(`add ${kind} netdev ${table} ${name} { ${definition} }`);
  for (const { name, device } of chains) {
    const hook = device === null ? '' : ` { type filter hook ingress device "${device}" priority 0; policy accept; }`;
    // A base chain may have lost its hook or have another policy: replace it whole.
    if (device !== null && before !== null && isDamaged(before)) {
      lines.push(
        `add chain netdev ${table} ${name}`,
        `flush chain netdev ${table} ${name}`,
        `delete chain netdev ${table} ${name}`,
      );
    }
    lines.push(`add chain netdev ${table} ${name}${hook}`, `flush chain netdev ${table} ${name}`);
  }
  for (const { name, rules } of chains) for (const rule of rules) lines.push(`add rule netdev ${table} ${name} ${rule}`);
  return lines;
}

function flush(table: string, entry: Entry): string[] {
  return structure(entry).chains.map(({ name }) => `flush chain netdev ${table} ${name}`);
}

/** `add` first where parts may be missing: it does nothing to what is there. */
function remove(table: string, before: Entry): string[] {
  const { sets, chains } = structure(before);
  const lines: string[] = [];
  for (const { name } of chains) {
    if (isDamaged(before)) lines.push(`add chain netdev ${table} ${name}`);
    lines.push(`flush chain netdev ${table} ${name}`, `delete chain netdev ${table} ${name}`);
  }
  for (const [kind, name, definition] of sets) {
    if (isDamaged(before)) lines.push(`add ${kind} netdev ${table} ${name} { ${definition} }`);
    lines.push(`delete ${kind} netdev ${table} ${name}`);
  }
  return lines;
}

function structure(entry: Entry) {
  return must(structureOf(entry), 'what is built of chains and sets');
}

function isDamaged(entry: Entry): boolean {
  return entry.value.startsWith('damaged');
}
