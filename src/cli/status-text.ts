/** What `status` says of all HAVIPs: a table that fits the terminal, and lines below it. */
import type { HavipView, PortView, StatusView } from '../api/types.ts';
import type { Terminal } from './command.ts';
import { type Colour, fit, formatAge, formatMs, formatTable, paintOn } from './table.ts';

export const HAVIP_STATES = ['bound', 'unbound', 'contested', 'provisional'] as const;
type HavipState = (typeof HAVIP_STATES)[number];

const COLOURS: Readonly<Record<HavipState, Colour>> = {
  bound: 'green',
  unbound: 'yellow',
  contested: 'red',
  provisional: 'yellow',
};

/** Rows on a terminal, unless all are asked for. */
const MOST_ROWS = 50;

interface Said {
  readonly status: StatusView;
  readonly havips: readonly HavipView[];
  readonly ports: readonly PortView[];
  readonly all: boolean;
  /** Wall clock, for ages. */
  readonly nowMs: number;
}

/** Where a holder is, as far as this host knows. */
export function placeOf({ interface: name, host }: NonNullable<HavipView['holder']>): string {
  return host === null ? `on another host, beyond ${name}` : `${name} on ${host}`;
}

export function statesOf({ state, contested, provisional }: HavipView): readonly string[] {
  return [state, ...(contested ? ['contested'] : []), ...(provisional === true ? ['provisional'] : [])];
}

export function formatStatus({ status, havips, ports, all, nowMs }: Said, terminal: Terminal | null): string {
  const { host, version, mode, driver, ready, uplinks, store } = status;
  const paint = paintOn(terminal);
  const columns = terminal?.columns;
  const shown = all || terminal === null ? havips : mostUrgent(havips);
  const left = havips.length - shown.length;
  const lines = [
    `ports: ${portsByState(ports)}`,
    ...(uplinks.length > 0 ? [`uplinks: ${uplinks.map((uplink) => `${uplink.interface} (${uplink.vpc})`).join(', ')}`] : []),
    `drops: ${dropsByReason(status)}`,
    ...refusedLines(ports),
    ...(store === undefined ? [] : [storeLine(store)]),
    ...findingLines(shown, status),
    ...shown.flatMap(({ id, sides }) => sides.map((side) => `contested: ${id}: ${side}`)),
    ...shown.flatMap(({ id, assist }) =>
      assist === null || assist === 'ready' ? [] : [`note: ${id}: no assisted resign: ${assist}`],
    ),
    ...status.notes.map((note) => `note: ${note}`),
  ];
  const readiness = ready ? paint('green', 'ready') : paint('red', 'NOT READY');
  return [
    `${paint('bold', host)}: havip-agent ${version}, ${driver}, ${mode}, ${readiness}\n`,
    shown.length > 0 ? havipTable(shown, nowMs, terminal) : 'no HAVIPs\n',
    ...(left > 0 ? [`and ${left} more: a pattern, --state or --all shows them\n`] : []),
    ...lines.map((line) => `${fit(line, columns)}\n`),
  ].join('');
}

function havipTable(havips: readonly HavipView[], nowMs: number, terminal: Terminal | null): string {
  const paint = paintOn(terminal);
  const STATE = 2;
  return formatTable(
    [
      ['HAVIP', 'ADDRESS', 'STATE', 'HOLDER', 'AGE', 'SEEN', 'NEXT', 'LAST FAILOVER'],
      ...havips.map((havip) => havipRow(havip, nowMs)),
    ],
    {
      columns: terminal?.columns,
      dress: (cell, row, column) => {
        if (row === 0) return paint('bold', cell);
        const state = HAVIP_STATES.findLast((one) => cell.includes(one) && (one !== 'bound' || !cell.includes('unbound')));
        return column === STATE && state !== undefined ? paint(COLOURS[state], cell) : cell;
      },
    },
  );
}

function havipRow(havip: HavipView, nowMs: number): string[] {
  const { id, address, holder, since, lastSeenAgoMs, successor, lastFailover: last } = havip;
  return [
    id,
    address,
    statesOf(havip).join(', '),
    holder === null ? '-' : `${holder.instance} (${placeOf(holder)})`,
    since === null ? '-' : formatAge(nowMs - Date.parse(since)),
    typeof lastSeenAgoMs === 'number' ? formatAge(lastSeenAgoMs) : '-',
    successor ?? '-',
    last === null ? '-' : `${last.from} -> ${last.to}, ${last.cause}${took(last.phasesMs.total)}`,
  ];
}

function urgencyOf({ contested, state, findings }: HavipView): number {
  if (contested) return 0;
  return state === 'unbound' ? 1 : findings.length > 0 ? 2 : 3;
}

/** Contested ones first, then those that nobody holds, then those that changed last. */
function mostUrgent(havips: readonly HavipView[]): readonly HavipView[] {
  if (havips.length <= MOST_ROWS) return havips;
  return havips
    .toSorted((a, b) => urgencyOf(a) - urgencyOf(b) || (b.since ?? '').localeCompare(a.since ?? ''))
    .slice(0, MOST_ROWS);
}

function findingLines(havips: readonly HavipView[], status: StatusView): string[] {
  const lines = [
    ...havips.flatMap(({ id, lastFailover: last }) =>
      last === null || last.advice === null ? [] : [`  ${id}: last failover: ${last.advice}`],
    ),
    ...havips.flatMap(({ id, findings }) => findings.map(({ kind, text }) => `  ${id}: ${kind}: ${text}`)),
    ...status.findings.map(({ about, kind, text }) => `  ${about}: ${kind}: ${text}`),
  ];
  return lines.length > 0 ? ['findings:', ...lines] : [];
}

function took(totalMs: number | undefined): string {
  return totalMs === undefined ? '' : `, ${formatMs(totalMs)}`;
}

function storeLine({ state, why, pending, hosts, revision }: NonNullable<StatusView['store']>): string {
  const waits = pending === 0 ? '' : `, ${pending} not known to others yet`;
  return `store: ${state} (${why}), revision ${revision}, ${hosts} hosts${waits}`;
}

/** Ports that are not captured are named, the first few of them. */
function portsByState(ports: readonly PortView[]): string {
  const NAMED = 8;
  const byState = new Map<string, string[]>();
  for (const port of ports) byState.set(port.state, [...(byState.get(port.state) ?? []), port.interface]);
  const parts = [...byState].map(([state, names]) => {
    if (state === 'captured') return `${names.length} captured`;
    return `${names.length} ${state} (${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ', ...' : ''})`;
  });
  return parts.join(', ') || 'none';
}

const REFUSALS_SHOWN = 8;

/** The newest, each with what `explain --frame` takes. */
function refusedLines(ports: readonly PortView[]): string[] {
  const all = ports.flatMap((port) => (port.refused ?? []).map((refusal) => ({ port: port.interface, refusal })));
  const newest = all.toSorted((a, b) => a.refusal.agoMs - b.refusal.agoMs).slice(0, REFUSALS_SHOWN);
  return newest.map(({ port, refusal: { reason, agoMs, address, senderMac, sourceMac, etherType, frame } }) => {
    const said = [address, senderMac === sourceMac ? null : senderMac, sourceMac, etherType].filter((part) => part !== null);
    return `refused: ${port}: ${reason}, ${formatAge(agoMs)} ago: ${said.join(', ')}; explain --port ${port} --frame ${frame}`;
  });
}

function dropsByReason({ drops, guardDropped }: StatusView): string {
  const parts = Object.entries(drops).sort((a, b) => b[1] - a[1]);
  return `${parts.map(([reason, frames]) => `${reason} ${frames}`).join(', ') || 'none'}; by the kernel's own count ${guardDropped}`;
}
