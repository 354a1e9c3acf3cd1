/** `havip-agent subnet add|remove|list [ID]`: subnets of VPCs in the store that hosts share. */
import { DONE, readArgs, required } from './command.ts';
import type { Command } from './command.ts';
import { POSITIONALS, STORE_OPTIONS, storeOf, tell } from './vpc.ts';

const OPTIONS = {
  vpc: { type: 'string', value: 'ID', description: 'that it is in' },
  cidr: { type: 'string', value: 'PREFIX', description: 'add: its addresses, as 172.17.16.0/24' },
  gateway: { type: 'string', value: 'ADDRESS', description: 'add: its gateway, which no machine may be' },
  sources: { type: 'string', choices: ['checked', 'any'], description: 'add: which IPv4 sources its ports may use' },
  probe: { type: 'boolean', description: 'add: measure by ICMP echo whether its HAVIPs are reachable' },
  ...STORE_OPTIONS,
} as const;

export const command: Command = {
  name: 'subnet',
  summary: 'add, remove or list the subnets that stand in the store',
  positionals: POSITIONALS,
  about:
    'Writes the store directly, with the credentials of the configuration that is named. A subnet lies inside its VPC and beside the others. One that has HAVIPs is not removed.',
  options: OPTIONS,
  exits: { 0: 'done', 1: 'refused, and why', 2: 'wrong use' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const [what, id] = positionals;
    const { vpc, cidr, gateway = null, sources = 'checked', probe = false } = values;
    const store = await storeOf(required(values.config, '--config'), io);
    if (what === 'list') {
      const subnets = (await store.subnets()).filter((one) => (vpc ?? one.vpc) === one.vpc);
      const rows = subnets.map((one) => [one.id, one.vpc, one.cidr, one.gateway ?? '-']);
      return tell(io, values.json === true, subnets, [['SUBNET', 'VPC', 'CIDR', 'GATEWAY'], ...rows]);
    }
    const [subnet, of] = [required(id, 'ID'), required(vpc, '--vpc')];
    if (what === 'remove') await store.removeSubnet(of, subnet);
    else {
      await store.addSubnet(of, subnet, {
        cidr: required(cidr, '--cidr'),
        gateway,
        probe,
        sources: sources === 'any' ? 'any' : 'checked',
      });
    }
    io.stdout(`subnet ${subnet} of ${of} is ${what === 'add' ? 'added' : 'removed'}\n`);
    return DONE;
  },
};
