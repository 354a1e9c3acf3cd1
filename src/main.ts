#!/usr/bin/env node
/**
 * The command line: picks the subcommand and gives it the outside world. This file alone reads argv, the environment and signals,
 * and exits.
 */
import { fstatSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { DEFECT, DONE, WRONG_USE } from './cli/command.ts';
import type { Io, Terminal } from './cli/command.ts';
import { allCommands, commandNamed } from './cli/commands.ts';
import { explainFailure } from './cli/failure.ts';
import { noSuchCommand, overviewOf, usageOf } from './cli/help.ts';
import type { Supervision } from './agent/notify.ts';
import { VERSION } from './agent/version.ts';

declare global {
  /** Left by start.cts, the other end of this thread's only way from CommonJS to here. */
  var havipEarlySignals: NodeJS.Signals[] | undefined;
}

/** What came before anybody could heed it (start.cts, whose listeners stay and do no harm). */
const early = globalThis.havipEarlySignals ?? [];

const io: Io = {
  watched: process.stderr.isTTY,
  terminal: terminalOf(process.stdout, process.env),
  journal: isJournal(process.env['JOURNAL_STREAM']),
  supervision: supervisionOf(process.env),
  // systemd.exec(5): several are joined by colons.
  stateDirectory: process.env['STATE_DIRECTORY']?.split(':')[0] || null,
  httpAddress: process.env['HAVIP_HTTP'] || null,
  openvswitch: `${process.env['OVS_RUNDIR'] || '/run/openvswitch'}/db.sock`,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  onSignal: (signal, handler) => {
    process.on(signal, handler);
    if (early.includes(signal)) handler();
  },
};

/** systemd says device and inode of the journal's socket: a child that was given another stdout is not fooled. */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(1);
  return stream === `${dev}:${ino}`;
}

/** https://no-color.org: NO_COLOR counts when it is not empty. */
function terminalOf(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): Terminal | null {
  if (!stream.isTTY) return null;
  return {
    get columns() {
      return stream.columns || 80;
    },
    colour: !environment['NO_COLOR'] && environment['TERM'] !== 'dumb',
  };
}

/** Also takes it out of the environment: it is ours, and not that of a process that we start. */
function supervisionOf(environment: NodeJS.ProcessEnv): Supervision | null {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdog = '', WATCHDOG_PID: pid = String(process.pid) } = environment;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  if (socket === undefined) return null;
  return { socket, watchdogUs: pid === String(process.pid) && /^[1-9]\d*$/.test(watchdog) ? Number(watchdog) : null };
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version') {
    io.stdout(`havip-agent ${VERSION}\n`);
    return DONE;
  }
  if (name === undefined) {
    io.stderr(overviewOf(await allCommands()));
    return WRONG_USE;
  }
  if (name === '--help' || name === '-h') {
    io.stdout(overviewOf(await allCommands()));
    return DONE;
  }
  const command = await commandNamed(name);
  if (command === null) {
    io.stderr(`havip-agent: ${noSuchCommand(name, await allCommands())}\n`);
    return WRONG_USE;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    io.stdout(usageOf(command));
    return DONE;
  }
  return command.run(rest, io);
}

/**
 * Exits when what was written has been taken, whatever the reader's pace: writes to a pipe are queued. The daemon, whose last word is
 * a line on stderr, waits a second at most: nobody who stopped reading may keep a service from being started anew.
 */
async function end(exitCode: number): Promise<never> {
  const taken = Promise.all([drained(process.stdout), drained(process.stderr)]);
  await (args[0] === 'run' ? Promise.race([taken, setTimeout(1000)]) : taken);
  process.exit(exitCode);
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write('', () => resolve());
  });
}

function fail(error: unknown): void {
  const { exitCode, text } = explainFailure(error, process.env['HAVIP_DEBUG'] === '1');
  process.stderr.write(`havip-agent: ${text}\n`);
  void end(exitCode);
}

// A reader that has seen enough (`havip-agent status | head`) closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? DONE : DEFECT));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

const args = process.argv.slice(2);
// What ps, top and the journal (_COMM) say of us; else it is "MainThread".
process.title = 'havip-agent';
main(args).then(end, fail);
