/**
 * `havip-agent havip allocate|release|unbind|list|show [ID]`: HAVIPs come and go, through a running agent, or with --config without one.
 */
import type { Probe } from '../base/network.ts';
import type { HavipView } from '../api/types.ts';
import { userText } from '../base/user.ts';
import type { Allocated, Author, Listed } from '../catalogue/catalogue.ts';
import { readWish } from '../catalogue/wish.ts';
import { formatListen } from '../config/listen.ts';
import { openCatalogue } from './catalogue.ts';
import { Client, clientOf, HTTP_OPTION } from './client.ts';
import { CommandError, DONE, JSON_OPTION, readArgs } from './command.ts';
import type { Command, Io } from './command.ts';
import { seen } from './havip-text.ts';
import { formatTable, paintOn } from './table.ts';

const POSITIONALS = [
  { name: 'WHAT', choices: ['allocate', 'release', 'unbind', 'list', 'show'] },
  { name: 'ID', optional: true },
];
const OPTIONS = {
  subnet: { type: 'string', value: 'ID', description: 'allocate: where its address is' },
  address: { type: 'string', value: 'ADDRESS', description: 'allocate: this one; without it the lowest free one' },
  members: {
    type: 'string',
    multiple: true,
    value: 'NAMES',
    description: 'allocate: who may claim it, by commas, at most 10; without it every machine of the subnet',
  },
  vpc: { type: 'string', value: 'ID', description: 'of the subnet, where that does not say it' },
  fence: { type: 'string', choices: ['true', 'false'], description: 'allocate: whether only the holder may send from it' },
  vrid: { type: 'string', value: 'NUMBER', description: 'allocate: the VRRP router id that is its alone' },
  assist: { type: 'string', choices: ['resign', 'resign-only'], description: 'allocate: speak for a dead holder' },
  verify: {
    type: 'string',
    choices: ['auto', 'true', 'false'],
    description: 'allocate: ask the holder whether it has the address',
  },
  probe: {
    type: 'string',
    value: 'true|false|tcp:PORT',
    description: 'allocate: measure by ICMP echo whether it is reachable, and by connecting whether its service answers',
  },
  key: {
    type: 'string',
    value: 'TEXT',
    description: 'allocate, release, unbind: the same wish with the same key is followed once',
  },
  config: { type: 'string', value: 'FILE', description: 'write beside this configuration, without asking an agent' },
  json: JSON_OPTION,
  http: HTTP_OPTION,
} as const;

type Values = ReturnType<typeof readArgs<typeof OPTIONS>>['values'];

/** Through an agent, or without one. */
interface Way {
  allocate(wish: unknown): Promise<Allocated>;
  release(id: string): Promise<object>;
  unbind(id: string): Promise<{ readonly unbound: string | null }>;
  list(): Promise<readonly (Listed | HavipView)[]>;
}

export const command: Command = {
  name: 'havip',
  summary: 'allocate, release or unbind a HAVIP; list or show them',
  positionals: POSITIONALS,
  about:
    'Allocates a HAVIP in a subnet, and says its address; without an ID it is given one. Releases one that was allocated. Unbinds one: the switch no longer points at its holder, until somebody announces it anew.\nAsks a running agent by its unix socket, as root or a member of the group havip-admin; over TCP it only answers list and show. With --config the files beside that configuration are written instead, which the agent takes by itself.',
  options: OPTIONS,
  notes:
    'What is refused: an address outside the subnet, its network, broadcast, gateway or metadata address, a fixed address of a port, an address or an id that is taken, more HAVIPs than the quota of the VPC, more than 10 members.',
  exits: { 0: 'done', 1: 'refused, and why', 2: 'wrong use', 3: 'no agent answers' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const [what = '', id] = positionals;
    const { config } = values;
    const way = config === undefined ? through(clientOf(values.http, io), values) : await without(config, values, io);
    if (what === 'allocate') say(io, values, await way.allocate(wishOf(values, id)), textOf);
    else if (what === 'list') list(io, values, await way.list());
    else {
      if (id === undefined) throw new CommandError('wrong-use', 'ID is missing; see --help');
      if (what === 'release') say(io, values, await way.release(id), () => `${id} is released`);
      else if (what === 'unbind')
        say(io, values, await way.unbind(id), ({ unbound }) =>
          unbound === null ? `nobody held ${id}` : `${id} is unbound from ${unbound}, until it is announced anew`,
        );
      else show(io, values, await way.list(), id);
    }
    return DONE;
  },
};

function through(client: Client, { key }: Values): Way {
  const headers = key === undefined ? {} : { 'idempotency-key': key };
  return {
    allocate: (wish) => client.write('POST', '/api/v1/havips', wish, { ...headers, 'content-type': 'application/json' }),
    release: (id) => client.write('DELETE', at(id), undefined, headers),
    unbind: (id) => client.write('POST', `${at(id)}/unbind`, undefined, headers),
    list: () => client.json('/api/v1/havips'),
  };
}

async function without(path: string, values: Values, io: Io): Promise<Way> {
  const { catalogue, config, store } = await openCatalogue(path, io);
  const vpcOf = (id: string) => values.vpc ?? config.vpcs.find(({ havips }) => havips.some((one) => one.id === id))?.id;
  const author: Author = { by: userText(process.getuid?.() ?? 0), key: values.key ?? null };
  return {
    allocate: (wish) => catalogue.allocate(readWish(wish), author),
    release: (id) => catalogue.release(id, values.vpc ?? null, author),
    unbind: async (id) => {
      // Without a store, who holds what is the agent's to say.
      if (store === null) return through(new Client(formatListen(config.http.listen)), values).unbind(id);
      const vpc = vpcOf(id);
      if (vpc === undefined) throw new CommandError('wrong-use', `--vpc is missing: the file has no HAVIP "${id}"`);
      return { unbound: await store.unbind(id, vpc) };
    },
    list: () => catalogue.list(),
  };
}

function wishOf(values: Values, id: string | undefined): object {
  const { subnet, address, members, vpc, fence, vrid, assist, verify, probe } = values;
  if (subnet === undefined) throw new CommandError('wrong-use', '--subnet is missing; see --help');
  const flags = { fence: flagOf(fence), verify: verify === 'auto' ? verify : flagOf(verify), probe: probeOf(probe) };
  const names = members?.flatMap((some) => some.split(',')).filter((name) => name !== '');
  const wish = {
    id,
    vpc,
    subnet,
    address,
    members: names,
    vrid: vrid === undefined ? undefined : Number(vrid),
    assist,
    ...flags,
  };
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
}

function flagOf(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text === 'true';
}

function probeOf(text: string | undefined): Probe | undefined {
  const port = /^tcp:([0-9]{1,5})$/.exec(text ?? '')?.[1];
  if (port !== undefined) return { tcp: Number(port) };
  if (text === undefined || text === 'true' || text === 'false') return flagOf(text);
  throw new CommandError('wrong-use', `--probe must be true, false or tcp:PORT, not "${text}"`);
}

function textOf({ id, address, subnet, vpc, again }: Allocated): string {
  return `${id}: ${address} in ${subnet} of ${vpc}${again ? ', as before' : ''}`;
}

function say<T extends object>(io: Io, { json }: Values, document: T, text: (document: T) => string): void {
  io.stdout(json === true ? `${JSON.stringify(document, null, 2)}\n` : `${text(document)}\n`);
}

function list(io: Io, { json, vpc, subnet }: Values, all: readonly (Listed | HavipView)[]): void {
  const havips = all.filter((one) => (vpc ?? one.vpc) === one.vpc && (subnet ?? one.subnet) === one.subnet);
  if (json === true) return io.stdout(`${JSON.stringify(havips, null, 2)}\n`);
  const paint = paintOn(io.terminal);
  const dress = (cell: string, row: number) => (row === 0 ? paint('bold', cell) : cell);
  const rows = havips.map((one) => [one.id, one.address, one.subnet, one.vpc, lastOf(one)]);
  io.stdout(formatTable([['HAVIP', 'ADDRESS', 'SUBNET', 'VPC', 'NOW'], ...rows], { columns: io.terminal?.columns, dress }));
}

function show(io: Io, { json }: Values, all: readonly (Listed | HavipView)[], id: string): void {
  const one = all.find((havip) => havip.id === id);
  if (one === undefined) throw new CommandError('refusal', `there is no HAVIP "${id}"`);
  if (json === true) return io.stdout(`${JSON.stringify(one, null, 2)}\n`);
  io.stdout(`${one.id}: ${one.address} in ${one.subnet} of ${one.vpc}, ${lastOf(one)}\n`);
}

function at(id: string): string {
  return `/api/v1/havips/${encodeURIComponent(id)}`;
}

/** What an agent knows is who holds it; what the catalogue knows is who had it allocated. */
function lastOf(one: Listed | HavipView): string {
  if ('state' in one) return one.holder === null ? one.state : `${one.state} ${one.holder.instance}${seen(one)}`;
  if (one.allocated !== null) return `allocated ${one.allocated.at} by ${one.allocated.by}`;
  return one.members === null ? 'configured' : `configured for ${one.members.join(', ')}`;
}
