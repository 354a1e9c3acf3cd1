/**
 * `havip-agent status`
 */
import type { HavipView, PortView, StatusView } from '../api/types.ts';
import { DEFAULT_ADDRESS, Client } from './client.ts';
import { DONE, NO, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { formatAge, formatMs, formatTable } from './table.ts';

export const command: Command = {
  name: 'status',
  summary: 'who holds what, since when, the last failovers, ports and drops',
  usage: `usage: havip-agent status [--json] [--http ADDRESS]

Asks a running agent who holds which HAVIP, since when, how the last failover went, and what was dropped.

  --json           one JSON document
  --http ADDRESS   of the agent: HOST:PORT or unix:/path (default ${DEFAULT_ADDRESS})

exit: 0 the agent is ready, 1 it is not ready, 2 wrong use, 3 no agent answers
`,
  async run(args, io) {
    const { values } = readArgs(args, { json: { type: 'boolean' }, http: { type: 'string', default: DEFAULT_ADDRESS } });
    const client = new Client(values.http);
    const [status, havips, ports] = await Promise.all([
      client.json<StatusView>('/api/v1/status'),
      client.json<HavipView[]>('/api/v1/havips'),
      client.json<PortView[]>('/api/v1/ports'),
    ]);
    if (values.json === true) io.stdout(`${JSON.stringify({ ...status, havips, ports }, null, 2)}\n`);
    else io.stdout(formatStatus(status, havips, ports, Date.now()));
    if (status.ready) return DONE;
    io.stderr(`not ready: ${status.reason ?? 'no reason given'}\n`);
    return NO;
  },
};

/** @param nowMs wall clock, for ages */
function formatStatus(status: StatusView, havips: readonly HavipView[], ports: readonly PortView[], nowMs: number): string {
  const { host, version, mode, driver, ready } = status;
  const rows = [
    ['HAVIP', 'ADDRESS', 'STATE', 'HOLDER', 'SINCE', 'LAST FAILOVER'],
    ...havips.map((havip) => havipRow(havip, nowMs)),
  ];
  const findings = havips.flatMap(({ id, findings }) => findings.map(({ kind, text }) => `  ${id}: ${kind}: ${text}\n`));
  return [
    `${host}: havip-agent ${version}, ${driver}, ${mode}, ${ready ? 'ready' : 'NOT READY'}\n`,
    havips.length > 0 ? formatTable(rows) : 'no HAVIPs\n',
    `ports: ${portsByState(ports)}\n`,
    `drops: ${dropsByReason(status)}\n`,
    ...(status.store === undefined ? [] : [storeLine(status.store)]),
    ...(findings.length > 0 ? ['findings:\n', ...findings] : []),
    ...havips.flatMap(({ id, sides }) => sides.map((side) => `contested: ${id}: ${side}\n`)),
    ...havips.flatMap(({ id, assist }) =>
      assist === null || assist === 'ready' ? [] : [`note: ${id}: no assisted resign: ${assist}\n`],
    ),
    ...status.notes.map((note) => `note: ${note}\n`),
  ].join('');
}

function havipRow(havip: HavipView, nowMs: number): string[] {
  const { holder, since, lastFailover: last } = havip;
  const state = [
    havip.state,
    ...(havip.contested ? ['contested'] : []),
    ...(havip.provisional === true ? ['provisional'] : []),
  ].join(', ');
  return [
    havip.id,
    havip.address,
    state,
    holder === null ? '-' : `${holder.instance} (${holder.interface} on ${holder.host}, ${holder.mac})`,
    since === null ? '-' : `${since} (${formatAge(nowMs - Date.parse(since))})`,
    last === null ? '-' : `${last.from} -> ${last.to}, ${last.cause}${took(last.phasesMs.total)}`,
  ];
}

function took(totalMs: number | undefined): string {
  return totalMs === undefined ? '' : `, ${formatMs(totalMs)}`;
}

function storeLine({ state, why, pending, hosts }: NonNullable<StatusView['store']>): string {
  const waits = pending === 0 ? '' : `, ${pending} not known to others yet`;
  return `store: ${state} (${why}), ${hosts} hosts${waits}\n`;
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

function dropsByReason({ drops, guardDropped }: StatusView): string {
  const parts = Object.entries(drops).sort((a, b) => b[1] - a[1]);
  return `${parts.map(([reason, frames]) => `${reason} ${frames}`).join(', ') || 'none'}; by the kernel's own count ${guardDropped}`;
}
