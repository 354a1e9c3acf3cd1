/** The failovers as a table of min/median/max in milliseconds, one row for each kind and setting, and a hash of the causes. */
import { median } from './bench.ts';
import { disagreementMs, KINDS, mistakeIn, settingOf, type Run } from './failover-rig.ts';

export interface Group {
  readonly name: string;
  readonly runs: readonly Run[];
}

/** By kind, version and assistance, in this order. */
export function groupsOf(runs: readonly Run[]): Group[] {
  const groups = new Map<string, Run[]>();
  const inOrder = runs.toSorted(
    (a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.version - b.version || Number(a.assist) - Number(b.assist),
  );
  for (const run of inOrder) {
    const name = `${run.kind}, ${settingOf(run)}`;
    const known = groups.get(name);
    if (known === undefined) groups.set(name, [run]);
    else known.push(run);
  }
  return [...groups].map(([name, inGroup]) => ({ name, runs: inGroup }));
}

/** From the new holder's announcement to the acknowledged commit. */
function shareMs({ phasesMs }: Run): number {
  return phasesMs.verdict + (phasesMs.programming ?? 0);
}

const COLUMNS: readonly (readonly [string, (run: Run) => number, digits: number])[] = [
  ['client outage', (run) => run.outageMs, 1],
  ['total', (run) => run.phasesMs.total, 1],
  ['detection', (run) => run.phasesMs.detection ?? Number.NaN, 1],
  ['announce', (run) => run.phasesMs.announce, 2],
  ['verdict', (run) => run.phasesMs.verdict, 2],
  ['programming', (run) => run.phasesMs.programming ?? 0, 2],
  ['agent’s share', shareMs, 2],
];

export function tableOf(runs: readonly Run[]): string[] {
  const head = ['ms: min/median/max', 'right', 'client p99', ...COLUMNS.map(([name]) => name), '|total-client|'];
  const rows = groupsOf(runs).map(({ name, runs: group }) => {
    const right = group.filter((run) => mistakeIn(run) === null).length;
    const differences = group.flatMap((run) => disagreementMs(run) ?? []);
    const furthest = differences.length === 0 ? '-' : Math.max(...differences).toFixed(1);
    const cells = COLUMNS.map(([, of, digits]) => spread(group.map(of), digits));
    const outages = group.map(({ outageMs }) => outageMs).toSorted((a, b) => a - b);
    const p99 = outages[Math.floor(outages.length * 0.99)]!.toFixed(1);
    return [name, `${right}/${group.length}`, p99].concat(cells, furthest);
  });
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
}

function spread(values: readonly number[], digits: number): string {
  return [Math.min(...values), median(values), Math.max(...values)].map((value) => value.toFixed(digits)).join('/');
}

/** FNV-1a over kind, setting and cause of every run: equal for every right outcome, whatever its speed. */
export function hashOfCauses(runs: readonly Run[]): string {
  const lines = groupsOf(runs).flatMap(({ name, runs: group }) => group.map(({ cause }) => `${name}: ${cause}`));
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(lines.join('\n'))) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
