/**
 * What a subcommand is. Each lives in a file of its own, gets its arguments and the outside world from main.ts, and returns the
 * exit code; whatever it imports that is heavy, it imports when it runs. commands.ts lists them.
 *
 * run.ts puts daemon.ts together; status.ts, events.ts, ports.ts and record.ts ask a running agent through client.ts; check.ts, replay.ts and
 * explain.ts need none. What goes wrong ends in failure.ts.
 *
 * Arguments are a table: read by node:util's rules here, and told to people from the same table by help.ts, manual.ts and completion.ts.
 */
import { parseArgs } from 'node:util';
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
  /** stdout is a terminal; null: it is none. */
  readonly terminal: Terminal | null;
  /** stdout is the journal's (systemd.exec(5), JOURNAL_STREAM). */
  readonly journal: boolean;
  /** By a service manager; null: nobody does. */
  readonly supervision: Supervision | null;
  /** STATE_DIRECTORY, which a service manager sets; null: it is not set. */
  readonly stateDirectory: string | null;
  /** HAVIP_HTTP; null: it is not set. */
  readonly httpAddress: string | null;
  /** Socket of Open vSwitch's database, as OVS_RUNDIR says. */
  readonly openvswitch: string;
  readonly stdout: (text: string | Uint8Array) => void;
  readonly stderr: (text: string) => void;
  readonly onSignal: (signal: 'SIGHUP' | 'SIGTERM' | 'SIGINT', handler: () => void) => void;
}

export interface Terminal {
  readonly columns: number;
  /** It shows colours, and nobody said NO_COLOR. */
  readonly colour: boolean;
}

export interface OptionSpec {
  readonly type: 'boolean' | 'string';
  /** For people, as the end of a sentence. */
  readonly description: string;
  /** What stands for its value: `FILE`. */
  readonly value?: string;
  /** Its values, where there are few. */
  readonly choices?: readonly string[];
  /** Its value when it is named without one: `--watch` is `--watch=2`. */
  readonly bare?: string;
  readonly required?: boolean;
  readonly multiple?: boolean;
}

type OptionTable = Readonly<Record<string, OptionSpec>>;

/** An argument without a flag. */
export interface Positional {
  readonly name: string;
  readonly choices?: readonly string[];
  readonly optional?: boolean;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What stands behind the command's name before the options. */
  readonly positionals?: readonly Positional[];
  /** What it does: paragraphs, without line ends of their own. */
  readonly about: string;
  readonly options: OptionTable;
  /** What is to be said after the options: paragraphs. */
  readonly notes?: string;
  /** Behind the options in the first line: `> FILE`. */
  readonly redirect?: string;
  readonly exits: Readonly<Record<number, string>>;
  run(args: readonly string[], io: Io): Promise<number>;
}

/** What several commands have. */
export const CONFIG_OPTION = { type: 'string', value: 'FILE', description: 'the configuration', required: true } as const;
export const JSON_OPTION = { type: 'boolean', description: 'one JSON document' } as const;

/** Ends the command with one line on stderr. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly failure: FailureKind;
  constructor(failure: FailureKind, message: string) {
    super(message);
    this.failure = failure;
  }
}

/**
 * Arguments by node:util's rules; anything unexpected is wrong use.
 * @param positionals those that must be given and can be anything also by their names alone
 */
export function readArgs<T extends OptionTable>(
  args: readonly string[],
  options: T,
  positionals: readonly (Positional | string)[] = [],
) {
  const parsed = parse(args, options);
  const places: Positional[] = positionals.map((one) => (typeof one === 'string' ? { name: one } : one));
  const missing = places.slice(parsed.positionals.length).filter(({ optional }) => optional !== true);
  if (missing.length > 0)
    throw new CommandError('wrong-use', `${missing.map(({ name }) => name).join(' and ')} is missing; see --help`);
  const extra = parsed.positionals[places.length];
  if (extra !== undefined) throw new CommandError('wrong-use', `"${extra}" is one argument too many; see --help`);
  for (const [i, { name, choices }] of places.entries()) oneOf(choices, parsed.positionals[i], name);
  const values: Readonly<Record<string, unknown>> = parsed.values;
  for (const [name, { choices }] of Object.entries(options)) oneOf(choices, values[name], `--${name}`);
  return parsed;
}

function oneOf(choices: readonly string[] | undefined, value: unknown, name: string): void {
  if (choices === undefined || typeof value !== 'string' || choices.includes(value)) return;
  throw new CommandError('wrong-use', `${name} must be ${choices.join(' or ')}, not "${value}"`);
}

function parse<T extends OptionTable>(args: readonly string[], options: T) {
  const named = args.map((arg) => {
    const bare = arg.startsWith('--') ? options[arg.slice(2)]?.bare : undefined;
    return bare === undefined ? arg : `${arg}=${bare}`;
  });
  try {
    return parseArgs({ args: named, options, allowPositionals: true, strict: true });
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

/** A number of seconds; null: the option was not given. */
export function secondsOf(value: string | undefined, option: string): number | null {
  if (value === undefined) return null;
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(value) ? Number(value) : 0;
  if (seconds > 0) return seconds;
  throw new CommandError('wrong-use', `${option} must be a number of seconds greater than 0, not "${value}"`);
}
