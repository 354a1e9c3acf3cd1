/**
 * `havip-agent replay FILE --config FILE [--port INTERFACE] [--json]`: a capture through the same decode, filter and ledger as
 * live frames.
 */
import { availableParallelism } from 'node:os';
import type { Network } from '../base/network.ts';
import type { ReplayReport } from '../replay/replay.ts';
import { CommandError, CONFIG_OPTION, DONE, JSON_OPTION, NO, readArgs, required } from './command.ts';
import type { Command, Io } from './command.ts';
import { count, loadConfig } from './load.ts';
import { ProgressBar } from './progress.ts';
import { formatReplay } from './replay-text.ts';

const POSITIONALS = [{ name: 'FILE' }];
const OPTIONS = {
  config: CONFIG_OPTION,
  port: {
    type: 'string',
    value: 'INTERFACE',
    description:
      'the port whose frames these are. Without it: the port of the interface that the file names, else the port that owns the source MAC, else the frame is counted as unknown-port',
  },
  workers: {
    type: 'string',
    value: 'N',
    description: 'worker threads for large files; one per core when not given, 0 for none',
  },
  json: JSON_OPTION,
} as const;

export const command: Command = {
  name: 'replay',
  summary: 'a pcap or pcapng file through the same decode, filter and ledger',
  positionals: POSITIONALS,
  about:
    'Judges every frame of a pcap or pcapng file, also one compressed with gzip, or of standard input (FILE is -), and tells what would have happened: verdicts by reason, claims, who holds each HAVIP at the end, every failover with its phases. Nothing is sent or programmed, and no privilege is needed.',
  options: OPTIONS,
  exits: { 0: 'done', 1: 'the file could not be read to its end (what was read is reported)', 2: 'wrong use' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const [file = ''] = positionals;
    const config = loadConfig(required(values.config, '--config'), io);
    const workers = parseWorkers(values.workers);
    const [{ plan }, { replay }] = await Promise.all([import('../config/plan.ts'), import('../replay/replay.ts')]);
    const network = plan(config);
    const port = values.port === undefined ? {} : { port: portNamed(network, values.port) };
    const bar = io.watched ? new ProgressBar(io.stderr) : null;
    const options = { network, host: config.host.id, workers, ...port };
    const report = await replay(file, options, (progress) => bar?.show(progress));
    bar?.clear();
    return tell(file, report, values.json === true, io);
  },
};

function tell(file: string, report: ReplayReport, json: boolean, io: Io): number {
  io.stdout(json ? `${JSON.stringify({ file, ...report }, null, 2)}\n` : formatReplay(report));
  if (report.problem === null) return DONE;
  io.stderr(`havip-agent: ${file}: ${report.problem}; ${count(report.frames, 'frame')} before it were judged\n`);
  return NO;
}

function parseWorkers(text: string | undefined): number {
  if (text === undefined) return availableParallelism();
  if (!/^\d{1,3}$/.test(text)) throw new CommandError('wrong-use', `--workers must be a number from 0 to 999, not "${text}"`);
  return Number(text);
}

function portNamed(network: Network, name: string): number {
  const port = network.ports.find((one) => one?.interface === name);
  if (port) return port.index;
  throw new CommandError('wrong-use', `--port: the configuration has no port with interface "${name}"`);
}
