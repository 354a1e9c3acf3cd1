/**
 * `havip-agent cleanup --config FILE`
 */
import type { VSwitch } from '../vswitch/vswitch.ts';
import { DONE, readArgs, required } from './command.ts';
import type { Command } from './command.ts';
import { loadConfig } from './load.ts';

export const command: Command = {
  name: 'cleanup',
  summary: 'remove all that the agent programmed',
  usage: `usage: havip-agent cleanup --config FILE

Removes all that the agent programmed into the virtual switch: guard, flow maps and fences. From then on guests may announce any
address again. Stop the agent first: a running one repairs what is removed.

  --config FILE   the configuration that the agent ran with

exit: 0 done, 2 wrong use, 3 cannot run (no privilege, no nftables)
`,
  async run(args, io) {
    const { values } = readArgs(args, { config: { type: 'string' } });
    const { vswitch } = loadConfig(required(values.config, '--config'), io);
    if (vswitch.driver === 'memory') {
      io.stdout('nothing to remove: the memory driver programs nothing\n');
      return DONE;
    }
    const { NftablesSwitch } = await import('../vswitch/nftables/nftables.ts');
    const nftables: VSwitch = new NftablesSwitch(vswitch.table);
    try {
      nftables.cleanup();
    } finally {
      nftables.close();
    }
    io.stdout(`removed the nftables table netdev ${vswitch.table}\n`);
    return DONE;
  },
};
