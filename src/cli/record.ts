/**
 * `havip-agent record HAVIP > file.pcapng`
 */
import { clientOf, errorIn, HTTP_OPTION } from './client.ts';
import { CommandError, DONE, readArgs } from './command.ts';
import type { Command } from './command.ts';

const POSITIONALS = [{ name: 'HAVIP' }];
const OPTIONS = { http: HTTP_OPTION } as const;

export const command: Command = {
  name: 'record',
  summary: 'write the flight recorder of a HAVIP to stdout, as pcapng',
  positionals: POSITIONALS,
  about:
    'Writes the last frames and decisions around each change of a HAVIP, with a comment per frame. VRRP passwords are blanked.',
  options: OPTIONS,
  redirect: '> FILE.pcapng',
  exits: { 0: 'done', 1: 'there is no such HAVIP', 2: 'wrong use', 3: 'no agent answers' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const path = `/api/v1/havips/${encodeURIComponent(positionals[0] ?? '')}/record`;
    const reply = await clientOf(values.http, io).get(path);
    if (reply.status !== 200) throw new CommandError('refusal', errorIn(reply, path));
    io.stdout(reply.body);
    return DONE;
  },
};
