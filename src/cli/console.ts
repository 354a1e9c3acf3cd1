/**
 * `havip-agent console`: a page in a browser, of one agent or many.
 */
import { hostname } from 'node:os';
import { createLog } from '../agent/log.ts';
import { listenOn } from '../api/listen.ts';
import { createConsole } from '../console/console.ts';
import { Hub } from '../console/hub.ts';
import { PageWrites } from '../console/writes.ts';
import { systemClock } from '../base/clock.ts';
import { type Listen, parseListen } from '../config/listen.ts';
import { clientOf } from './client.ts';
import { CommandError, DONE, readArgs } from './command.ts';
import type { Command } from './command.ts';

const LISTEN = '127.0.0.1:9713';
const OPTIONS = {
  listen: {
    type: 'string',
    multiple: true,
    value: 'ADDRESS',
    description: `where the page is: HOST:PORT or unix:/path, also several; without it ${LISTEN}`,
  },
  agent: {
    type: 'string',
    multiple: true,
    value: 'ADDRESS',
    description: 'of an agent: HOST:PORT or unix:/path, also several; without it that of this host, found as `status` finds it',
  },
} as const;

export const command: Command = {
  name: 'console',
  summary: 'a page in a browser: who holds what, live',
  about:
    'Serves a page that shows, live, what one agent or several say: HAVIPs with their holders and failovers by phase, alarms, ports, drops. It is a process of its own: it needs no privilege, and nothing waits for it.\nThe page reads only. Opened through a unix socket of the console (say with `ssh -L 9713:/run/havip-console/page.sock HOST`) by root or a member of the group havip-admin it also allocates, releases and unbinds, where the console itself may do so at the agent.',
  options: OPTIONS,
  notes: 'A TCP address, also one of loopback, can be read by every local user, and by whoever else reaches it.',
  exits: { 0: 'stopped', 2: 'wrong use', 3: 'the address is in use, or not ours' },
  async run(args, io) {
    const { values } = readArgs(args, OPTIONS);
    const listens = (values.listen ?? [LISTEN]).map((text) => listenNamed(text));
    const clients = (values.agent ?? [undefined]).map((address) => clientOf(address, io));
    const log = createLog({ host: hostname(), level: 'info', journal: io.journal });
    const agents = clients.map((client) => () => client.listen);
    const hub = new Hub(agents);
    const writes = new PageWrites(agents, log, systemClock);
    const servers = listens.map(() => createConsole({ agents, hub, log, writes }));
    for (const [i, listen] of listens.entries()) {
      const server = servers[i];
      if (server !== undefined) log.info({}, `the page is at ${urlOf(await listenOn(server, listen))}`);
    }
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) io.onSignal(signal, resolve);
    });
    hub.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    return DONE;
  },
};

function listenNamed(text: string): Listen {
  const listen = parseListen(text);
  if (listen === null) throw new CommandError('wrong-use', `--listen "${text}" is not an address; write HOST:PORT or unix:/path`);
  return listen;
}

function urlOf(address: string): string {
  return address.startsWith('unix:') ? address : `http://${address}/`;
}
