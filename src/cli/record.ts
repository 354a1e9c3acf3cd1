/**
 * `havip-agent record HAVIP > file.pcapng`
 */
import { DEFAULT_ADDRESS, Client, errorIn } from './client.ts';
import { CommandError, DONE, readArgs } from './command.ts';
import type { Command } from './command.ts';

export const command: Command = {
  name: 'record',
  summary: 'write the flight recorder of a HAVIP to stdout, as pcapng',
  usage: `usage: havip-agent record HAVIP [--http ADDRESS] > FILE.pcapng

Writes the last frames and decisions around each change of a HAVIP, with a comment per frame. VRRP passwords are blanked.

  --http ADDRESS   of the agent: HOST:PORT or unix:/path (default ${DEFAULT_ADDRESS})

exit: 0 done, 1 there is no such HAVIP, 2 wrong use, 3 no agent answers
`,
  async run(args, io) {
    const { values, positionals } = readArgs(args, { http: { type: 'string', default: DEFAULT_ADDRESS } }, ['HAVIP']);
    const path = `/api/v1/havips/${encodeURIComponent(positionals[0] ?? '')}/record`;
    const reply = await new Client(values.http).get(path);
    if (reply.status !== 200) throw new CommandError('refusal', errorIn(reply, path));
    io.stdout(reply.body);
    return DONE;
  },
};
