/** What `replay` found, for people. */
import { answerOf, VERDICTS } from '../base/verdict.ts';
import type { PhasesMs } from '../ledger/effects.ts';
import type { ReplayReport } from '../replay/replay.ts';
import { count } from './load.ts';
import { formatMs, formatTable } from './table.ts';

export function formatReplay(report: ReplayReport): string {
  const since = report.from === null ? '' : ` from ${report.from}`;
  const span = report.spanMs === null ? ', no times' : ` in ${formatMs(report.spanMs)}`;
  const parts = [`${count(report.frames, 'frame')}${span}${since}\n`, formatVerdicts(report)];
  if (report.havips.length > 0) parts.push(formatHavips(report));
  if (report.failovers.length > 0) parts.push(formatFailovers(report));
  if (report.notes !== undefined) parts.push(report.notes.map((note) => `note: ${note}\n`).join(''));
  return parts.join('\n');
}

function formatVerdicts({ verdicts, claims }: ReplayReport): string {
  const rows = VERDICTS.flatMap((row) => {
    const frames = verdicts[row.name];
    return frames === undefined ? [] : [[answerOf(row), row.name, String(frames), row.means]];
  });
  const kinds = Object.entries(claims).flatMap(([kind, n]) => (n === 0 ? [] : [`${n} ${kind}`]));
  return `${formatTable([['VERDICT', 'REASON', 'FRAMES', ''], ...rows])}${kinds.length > 0 ? `claims: ${kinds.join(', ')}\n` : ''}`;
}

function formatHavips({ havips }: ReplayReport): string {
  const rows = havips.map(({ id, address, state, holder, since, lastSeenAgoMs, epoch, failovers, contested }) => [
    id,
    address,
    contested ? `${state}, contested` : state,
    holder === null ? '-' : `${holder.instance} on ${holder.interface}`,
    since ?? '-',
    typeof lastSeenAgoMs === 'number' ? `${formatMs(lastSeenAgoMs)} before the end` : '-',
    String(epoch),
    String(failovers),
  ]);
  return formatTable([['HAVIP', 'ADDRESS', 'STATE', 'HOLDER', 'SINCE', 'LAST SEEN', 'EPOCH', 'FAILOVERS'], ...rows]);
}

function formatFailovers({ failovers }: ReplayReport): string {
  const rows = failovers.map(({ at, havip, from, to, cause, phasesMs }) => [
    at ?? '-',
    havip,
    `${from} -> ${to}`,
    cause,
    phasesMs.total === undefined ? '-' : formatMs(phasesMs.total),
    formatPhases(phasesMs),
  ]);
  return formatTable([['FAILOVER', 'HAVIP', 'MOVE', 'CAUSE', 'TOTAL', 'PHASES'], ...rows]);
}

function formatPhases(phases: Readonly<Partial<PhasesMs>>): string {
  return Object.entries(phases)
    .filter(([phase]) => phase !== 'total')
    .map(([phase, ms]) => `${phase} ${formatMs(ms)}`)
    .join(', ');
}
