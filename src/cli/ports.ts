/**
 * `havip-agent ports`
 */
import type { PortView } from '../api/types.ts';
import { clientOf, HTTP_OPTION } from './client.ts';
import { DONE, JSON_OPTION, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { formatTable, paintOn } from './table.ts';

const OPTIONS = {
  state: { type: 'string', choices: ['captured', 'down', 'absent', 'unknown'], description: 'only ports in this state' },
  json: JSON_OPTION,
  http: HTTP_OPTION,
} as const;

/** Reasons of a port that are named. */
const NAMED = 4;

export const command: Command = {
  name: 'ports',
  summary: 'the ports of this host, and what each may claim and did',
  about:
    'Lists the ports: interface, instance, what it is in, its MAC and addresses, whether it is captured, and its frames by verdict.',
  options: OPTIONS,
  exits: { 0: 'done', 2: 'wrong use', 3: 'no agent answers' },
  async run(args, io) {
    const { values } = readArgs(args, OPTIONS);
    const all = await clientOf(values.http, io).json<PortView[]>('/api/v1/ports');
    const ports = values.state === undefined ? all : all.filter(({ state }) => state === values.state);
    if (values.json === true) {
      io.stdout(`${JSON.stringify(ports, null, 2)}\n`);
      return DONE;
    }
    const paint = paintOn(io.terminal);
    const rows = [['PORT', 'INSTANCE', 'SUBNET', 'MAC', 'ADDRESSES', 'STATE', 'FRAMES'], ...ports.map(rowOf)];
    const dress = (cell: string, row: number) => (row === 0 ? paint('bold', cell) : cell);
    io.stdout(formatTable(rows, { columns: io.terminal?.columns, dress }));
    return DONE;
  },
};

function rowOf({ interface: name, instance, subnet, mac, addresses, state, verdicts = {} }: PortView): string[] {
  const counts = Object.entries(verdicts).sort((a, b) => b[1] - a[1]);
  const frames = counts.slice(0, NAMED).map(([reason, count]) => `${reason} ${count}`);
  if (counts.length > NAMED) frames.push('...');
  return [name, instance, subnet, mac, addresses.join(' ') || '-', state, frames.join(', ') || '-'];
}
