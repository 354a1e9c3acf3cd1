/**
 * `havip-agent check FILE`
 */
import { describeMistake } from '../config/config.ts';
import type { Config } from '../config/config.ts';
import { ConfigFile } from '../config/file.ts';
import { formatListen } from '../config/listen.ts';
import { checkForDriver } from '../vswitch/drivers.ts';
import { DONE, NO, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { count, readConfig } from './load.ts';

const POSITIONALS = [{ name: 'FILE' }];

export const command: Command = {
  name: 'check',
  summary: 'check a configuration file',
  positionals: POSITIONALS,
  about:
    'Checks a configuration file and says everything that is wrong with it: FILE:LINE:COLUMN: path: what would be right. Also the files of ports.d and havips.d beside it, which are refused one by one.',
  options: {},
  exits: { 0: 'the file is right', 1: 'it has mistakes', 2: 'wrong use or the file cannot be read' },
  async run(args, io) {
    const [file = ''] = readArgs(args, {}, POSITIONALS).positionals;
    const read = new ConfigFile(file, checkForDriver);
    const parsed = readConfig(read);
    if (parsed.ok) {
      io.stdout(`${file}: right. ${summary(parsed.config)}\n${notesOn(parsed.config).join('')}`);
      for (const mistake of read.refused) io.stderr(describeMistake(mistake));
      const refused = new Set(read.refused.map((mistake) => mistake.file)).size;
      if (refused > 0) io.stderr(`${count(refused, 'file')} beside it refused; the rest is taken\n`);
      return refused > 0 ? NO : DONE;
    }
    for (const mistake of parsed.mistakes) io.stderr(describeMistake(mistake));
    io.stderr(`${file}: ${count(parsed.mistakes.length, 'mistake')}\n`);
    return NO;
  },
};

/** What is right and hardly meant. */
function notesOn({ vpcs, ports }: Config): string[] {
  const notes: string[] = [];
  for (const vpc of vpcs)
    for (const { id, members } of vpc.havips)
      if (members?.length === 0)
        notes.push(
          `note: ${id}: \`members: []\` lets no machine claim it; without \`members\` every machine of its subnet may\n`,
        );
  if (ports.length === 0 && vpcs.some(({ havips }) => havips.length > 0))
    notes.push('note: no `ports`: this host guards nothing and sees no claim\n');
  return notes;
}

function summary(config: Config): string {
  const subnets = config.vpcs.reduce((sum, vpc) => sum + vpc.subnets.length, 0);
  const havips = config.vpcs.reduce((sum, vpc) => sum + vpc.havips.length, 0);
  const things = [
    count(config.vpcs.length, 'VPC'),
    count(subnets, 'subnet'),
    count(havips, 'HAVIP'),
    count(config.ports.length, 'port'),
    count(config.uplinks.length, 'uplink'),
  ];
  return `Host ${config.host.id}: ${things.join(', ')}; ${config.vswitch.driver}, ${config.mode}, ${formatListen(config.http.listen)}`;
}
