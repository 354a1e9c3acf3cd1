/** What `status HAVIP` says of one of them: everything that is known. */
import type { HavipView } from '../api/types.ts';
import type { Terminal } from './command.ts';
import { placeOf, statesOf } from './status-text.ts';
import { formatAge, formatMs, formatTable, paintOn } from './table.ts';

/** @param nowMs wall clock, for ages */
export function formatHavip(havip: HavipView, nowMs: number, terminal: Terminal | null): string {
  const { id, vpc, subnet, address, holder, since, epoch, failovers, successor, pending, assist } = havip;
  const age = since === null ? 'never held' : `since ${since} (${formatAge(nowMs - Date.parse(since))})`;
  const rows = [
    ['havip', `${id}, ${address} in ${subnet} of ${vpc}`],
    ['state', `${statesOf(havip).join(', ')}, ${age}, epoch ${epoch}`],
    ['holder', holder === null ? 'nobody' : `${holder.instance}, ${placeOf(holder)}, ${holder.mac}${seen(havip)}`],
    ...(havip.letGo ? [['forwarding', 'the switch does not point at it: a member on another host may have the address']] : []),
    ['next', `${successor ?? 'not known'}${pending === null ? '' : `; ${pending} claims it and waits`}`],
    ...(assist === null ? [] : [['assist', assist]]),
    ['failovers', String(failovers)],
    ...lastFailover(havip),
    ...havip.evidence.map((one) => ['heard', evidenceText(one)]),
    ...havip.sides.map((side) => ['contested', side]),
    ...havip.findings.map(({ kind, text }) => ['finding', `${kind}: ${text}`]),
  ];
  const paint = paintOn(terminal);
  return formatTable(rows, { dress: (cell, _row, column) => (column === 0 ? paint('bold', cell) : cell) });
}

/** When the holder last said something. */
export function seen({ lastSeenAgoMs }: HavipView): string {
  return typeof lastSeenAgoMs === 'number' ? `, last seen ${formatMs(lastSeenAgoMs)} ago` : '';
}

function lastFailover({ lastFailover: last }: HavipView): string[][] {
  if (last === null) return [];
  const phases = Object.entries(last.phasesMs).map(([phase, ms]) => `${phase} ${formatMs(ms)}`);
  return [
    ['last', `${last.at}: ${last.from} -> ${last.to}, ${last.cause}`],
    ['', phases.join(', ')],
    ...(last.advice === null ? [] : [['', last.advice]]),
  ];
}

function evidenceText(one: HavipView['evidence'][number]): string {
  const { instance, state, vrid, version, priority, source, intervalMs, unicast, auth, lastAdvertAgoMs } = one;
  const ago = lastAdvertAgoMs === null ? 'no advert' : `last advert ${formatMs(lastAdvertAgoMs)} ago`;
  const manner = `${unicast ? 'unicast' : 'multicast'}${auth === 'none' ? '' : `, auth ${auth}`}`;
  return `${instance}: ${state}, VRRPv${version} ${vrid}, priority ${priority}, from ${source}, each ${intervalMs} ms, ${manner}, ${ago}`;
}
