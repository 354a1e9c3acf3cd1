/**
 * `havip-agent cleanup --config FILE`
 */
import { DRIVERS } from '../vswitch/drivers.ts';
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

exit: 0 done, 2 wrong use, 3 cannot run (no privilege, no kernel support)
`,
  async run(args, io) {
    const { values } = readArgs(args, { config: { type: 'string' } });
    const { vswitch: settings } = loadConfig(required(values.config, '--config'), io);
    const driver = DRIVERS[settings.driver];
    const removed = await driver.cleanup(settings);
    io.stdout(removed === null ? `nothing to remove: the ${settings.driver} driver programs nothing\n` : `removed ${removed}\n`);
    return DONE;
  },
};
