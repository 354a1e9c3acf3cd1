#!/usr/bin/env node
/**
 * The command line: picks the subcommand and gives it the outside world. This file alone reads argv, the environment and signals,
 * and exits.
 */
import { DEFECT, DONE, WRONG_USE } from './cli/command.ts';
import type { Command, Io } from './cli/command.ts';
import { explainFailure } from './cli/failure.ts';
import { VERSION } from './agent/version.ts';

type Loader = () => Promise<{ readonly command: Command }>;

const COMMANDS = new Map<string, Loader>([
  ['run', () => import('./cli/run.ts')],
  ['check', () => import('./cli/check.ts')],
  ['replay', () => import('./cli/replay.ts')],
  ['explain', () => import('./cli/explain.ts')],
  ['status', () => import('./cli/status.ts')],
  ['record', () => import('./cli/record.ts')],
  ['cleanup', () => import('./cli/cleanup.ts')],
]);

const io: Io = {
  watched: process.stderr.isTTY,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  onSignal: (signal, handler) => void process.on(signal, handler),
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version') {
    io.stdout(`havip-agent ${VERSION}\n`);
    return DONE;
  }
  if (name === undefined) {
    io.stderr(await overview());
    return WRONG_USE;
  }
  if (name === '--help' || name === '-h') {
    io.stdout(await overview());
    return DONE;
  }
  const load = COMMANDS.get(name);
  if (load === undefined) {
    io.stderr(`havip-agent: there is no command "${name}"; one of ${[...COMMANDS.keys()].join(', ')}\n`);
    return WRONG_USE;
  }
  const { command } = await load();
  if (rest.includes('--help') || rest.includes('-h')) {
    io.stdout(command.usage);
    return DONE;
  }
  return command.run(rest, io);
}

async function overview(): Promise<string> {
  const commands = await Promise.all([...COMMANDS.values()].map((load) => load()));
  const lines = commands.map(({ command }) => `  ${command.name.padEnd(9)}${command.summary}\n`);
  return `usage: havip-agent COMMAND [--help]\n\n${lines.join('')}\n  --version  print the version\n`;
}

function fail(error: unknown): never {
  const { exitCode, text } = explainFailure(error, process.env['HAVIP_DEBUG'] === '1');
  process.stderr.write(`havip-agent: ${text}\n`);
  process.exit(exitCode);
}

// A reader that has seen enough (`havip-agent status | head`) closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? DONE : DEFECT));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

main(process.argv.slice(2)).then((exitCode) => process.exit(exitCode), fail);
