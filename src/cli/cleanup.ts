/**
 * `havip-agent cleanup --config FILE [--force]`
 */
import { DRIVERS } from '../vswitch/drivers.ts';
import { describeHolder, isAgent, lockHolder } from '../agent/lock.ts';
import { CONFIG_OPTION, DONE, NO, readArgs, required } from './command.ts';
import type { Command } from './command.ts';
import { loadConfig } from './load.ts';

const OPTIONS = {
  config: { ...CONFIG_OPTION, description: 'the configuration that the agent ran with' },
  force: { type: 'boolean', description: 'also beside a running agent' },
} as const;

export const command: Command = {
  name: 'cleanup',
  summary: 'remove all that the agent programmed',
  about:
    'Removes all that the agent programmed into the virtual switch: guard, flow maps and fences. From then on guests may announce any address again. Stop the agent first: a running one repairs what is removed.',
  options: OPTIONS,
  exits: { 0: 'done', 1: 'an agent runs', 2: 'wrong use', 3: 'cannot run (no privilege, no kernel support)' },
  async run(args, io) {
    const { values } = readArgs(args, OPTIONS);
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
