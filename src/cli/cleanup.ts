/**
 * `havip-agent cleanup --config FILE [--force]`
 */
import { DRIVERS } from '../vswitch/drivers.ts';
import { describeHolder, isAgent, lockHolder } from '../agent/lock.ts';
import { DONE, NO, readArgs, required } from './command.ts';
import type { Command } from './command.ts';
import { loadConfig } from './load.ts';

export const command: Command = {
  name: 'cleanup',
  summary: 'remove all that the agent programmed',
  usage: `usage: havip-agent cleanup --config FILE [--force]

Removes all that the agent programmed into the virtual switch: guard, flow maps and fences. From then on guests may announce any
address again. Stop the agent first: a running one repairs what is removed.

  --config FILE   the configuration that the agent ran with
  --force         also beside a running agent

exit: 0 done, 1 an agent runs, 2 wrong use, 3 cannot run (no privilege, no kernel support)
`,
  async run(args, io) {
    const { values } = readArgs(args, { config: { type: 'string' }, force: { type: 'boolean' } });
    const { vswitch: settings } = loadConfig(required(values.config, '--config'), io);
    const driver = DRIVERS[settings.driver];
    const exclusive = driver.exclusive(settings);
    const holder = exclusive === null || values.force === true ? null : lockHolder(exclusive);
    if (exclusive !== null && holder !== null && isAgent(holder, process.getuid?.() ?? 0)) {
      io.stderr(`${describeHolder(holder, exclusive)} and repairs what is removed: stop it first, or say --force\n`);
      return NO;
    }
    const removed = await driver.cleanup(settings);
    io.stdout(removed === null ? `nothing to remove: the ${settings.driver} driver programs nothing\n` : `removed ${removed}\n`);
    return DONE;
  },
};
