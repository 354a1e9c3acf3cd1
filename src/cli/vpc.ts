/** `havip-agent vpc add|remove|list [ID]`: VPCs in the store that hosts share. */
import { openCatalogue } from './catalogue.ts';
import { CommandError, DONE, JSON_OPTION, readArgs, required } from './command.ts';
import type { Command, Io } from './command.ts';
import { formatTable } from './table.ts';
import type { StoreCatalogue } from '../catalogue/store.ts';

/** Of what stands in the store: this command's, and subnet.ts's. */
export const POSITIONALS = [
  { name: 'WHAT', choices: ['add', 'remove', 'list'] },
  { name: 'ID', optional: true },
];
export const STORE_OPTIONS = {
  config: {
    type: 'string',
    value: 'FILE',
    description: 'a configuration whose `store` it is, with an operator’s credentials',
    required: true,
  },
  json: JSON_OPTION,
} as const;
const OPTIONS = {
  cidr: { type: 'string', value: 'PREFIX', description: 'add: all its addresses, as 172.17.0.0/16' },
  quota: { type: 'string', value: 'NUMBER', description: 'add: how many HAVIPs may be allocated in it (default 10)' },
  ...STORE_OPTIONS,
} as const;

export const command: Command = {
  name: 'vpc',
  summary: 'add, remove or list the VPCs that stand in the store',
  positionals: POSITIONALS,
  about:
    'Writes the store directly, with the credentials of the configuration that is named: those of an operator, since a host’s may not change what is configured. A VPC stands in the store or in files, not in both. One that has subnets is not removed.',
  options: OPTIONS,
  exits: { 0: 'done', 1: 'refused, and why', 2: 'wrong use' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const [what, id] = positionals;
    const store = await storeOf(required(values.config, '--config'), io);
    if (what === 'list') {
      const vpcs = await store.vpcs();
      const rows = vpcs.map((vpc) => [vpc.id, vpc.cidr, String(vpc.subnets), `${vpc.havips} of ${vpc.quota}`]);
      return tell(io, values.json === true, vpcs, [['VPC', 'CIDR', 'SUBNETS', 'HAVIPS'], ...rows]);
    }
    const vpc = required(id, 'ID');
    if (what === 'add') await store.addVpc(vpc, required(values.cidr, '--cidr'), quotaOf(values.quota));
    else await store.removeVpc(vpc);
    io.stdout(`VPC ${vpc} is ${what === 'add' ? 'added' : 'removed'}\n`);
    return DONE;
  },
};

export async function storeOf(path: string, io: Io): Promise<StoreCatalogue> {
  const { store } = await openCatalogue(path, io);
  if (store !== null) return store;
  throw new CommandError('wrong-use', `${path} has no \`store\`: its VPCs stand in the file itself`);
}

export function tell(io: Io, json: boolean, document: unknown, rows: readonly (readonly string[])[]): number {
  io.stdout(json ? `${JSON.stringify(document, null, 2)}\n` : formatTable(rows, { columns: io.terminal?.columns }));
  return DONE;
}

function quotaOf(text = '10'): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new CommandError('wrong-use', `--quota must be a whole number, not "${text}"`);
}
