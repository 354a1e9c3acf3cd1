/**
 * What a subcommand is. Each lives in a file of its own, gets its arguments and the outside world from main.ts, and returns the
 * exit code; whatever it imports that is heavy, it imports when it runs.
 *
 * run.ts puts daemon.ts together; status.ts and record.ts ask a running agent through client.ts; check.ts, replay.ts and explain.ts need
 * none. What goes wrong ends in failure.ts.
 */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import type { Supervision } from '../agent/notify.ts';
import type { FailureKind } from '../base/failure.ts';

export const DONE = 0;
/** The answer is no. */
export const NO = 1;
export const WRONG_USE = 2;
/** No privilege, no kernel support, an address in use. */
export const CANNOT_RUN = 3;
/** A belief of the program turned out false (sysexits.h, EX_SOFTWARE). */
export const DEFECT = 70;

/** The outside world. */
export interface Io {
  /** stderr is a terminal: somebody watches. */
  readonly watched: boolean;
  /** stdout is the journal's (systemd.exec(5), JOURNAL_STREAM). */
  readonly journal: boolean;
  /** By a service manager; null: nobody does. */
  readonly supervision: Supervision | null;
  readonly stdout: (text: string | Uint8Array) => void;
  readonly stderr: (text: string) => void;
  readonly onSignal: (signal: 'SIGHUP' | 'SIGTERM' | 'SIGINT', handler: () => void) => void;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text. */
  readonly usage: string;
  run(args: readonly string[], io: Io): Promise<number>;
}

/** Ends the command with one line on stderr. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly failure: FailureKind;
  constructor(failure: FailureKind, message: string) {
    super(message);
    this.failure = failure;
  }
}

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * Arguments by node:util's rules; anything unexpected is wrong use.
 * @param positionals names of the arguments without a flag; all are required
 */
export function readArgs<T extends Options>(args: readonly string[], options: T, positionals: readonly string[] = []) {
  const parsed = parse(args, options);
  if (parsed.positionals.length < positionals.length) {
    throw new CommandError('wrong-use', `${positionals.slice(parsed.positionals.length).join(' and ')} is missing; see --help`);
  }
  const extra = parsed.positionals[positionals.length];
  if (extra !== undefined) throw new CommandError('wrong-use', `"${extra}" is one argument too many; see --help`);
  return parsed;
}

function parse<T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const [sentence = ''] = error.message.split(/\. |\n/);
    throw new CommandError('wrong-use', `${sentence.replace(/\.$/, '')}; see --help`);
  }
}

/** The value of an option that must be given. */
export function required(value: string | undefined, option: string): string {
  if (value === undefined) throw new CommandError('wrong-use', `${option} is missing; see --help`);
  return value;
}
