/**
 * What `--help` says, made from a command's table; and `havip-agent help [COMMAND]`, which also makes the man page (manual.ts) and the
 * completion of the shell (completion.ts) from the same tables.
 */
import { completionScript } from './completion.ts';
import { CommandError, DONE, readArgs } from './command.ts';
import type { Command, OptionSpec, Positional } from './command.ts';
import { type Entry, manualPage } from './manual.ts';
import { VERSION } from '../agent/version.ts';

const COLUMNS = 100;

/** `--watch[=SECONDS]`, `--config FILE` */
export function flagOf(name: string, { type, value = name.toUpperCase(), bare }: OptionSpec): string {
  if (type === 'boolean') return `--${name}`;
  return bare === undefined ? `--${name} ${value}` : `--${name}[=${value}]`;
}

function descriptionOf({ description, choices }: OptionSpec): string {
  return choices === undefined ? description : `${description}: ${choices.join(', ')}`;
}

function synopsisOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, option]) =>
    option.required === true ? flagOf(name, option) : `[${flagOf(name, option)}]`,
  );
  const positionals = (command.positionals ?? []).map(positionalText);
  return [
    'havip-agent',
    command.name,
    ...positionals,
    ...options,
    ...(command.redirect === undefined ? [] : [command.redirect]),
  ].join(' ');
}

export function usageOf(command: Command): string {
  const { about, options, notes, exits } = command;
  const flags = Object.entries(options).map(([name, option]) => [flagOf(name, option), descriptionOf(option)] as const);
  const width = Math.max(0, ...flags.map(([flag]) => flag.length)) + 4;
  const rows = flags.map(([flag, text]) => `  ${flag.padEnd(width - 2)}${wrap(text, COLUMNS, width)}\n`);
  const codes = Object.entries(exits).map(([code, text]) => `${code} ${text}`);
  return [
    `usage: ${wrap(synopsisOf(command), COLUMNS, 7)}\n`,
    paragraphs(about),
    ...(rows.length > 0 ? [rows.join('')] : []),
    ...(notes === undefined ? [] : [paragraphs(notes)]),
    `${wrap(`exit: ${codes.join(', ')}`, COLUMNS, 0)}\n`,
  ].join('\n');
}

export function overviewOf(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 4;
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width - 2)}${summary}\n`);
  return `usage: havip-agent COMMAND [--help]\n\n${lines.join('')}\n  --version  print the version\n`;
}

/** @param commands all of them */
export function helpCommand(commands: () => Promise<readonly Command[]>): Command {
  const positionals = [{ name: 'COMMAND', optional: true }];
  const options = {
    man: { type: 'boolean', description: 'the manual page havip-agent(8), as roff' },
    completion: { type: 'boolean', description: 'the completion of bash: a script to be sourced' },
  } as const;
  return {
    name: 'help',
    summary: 'what a command does, with all its options',
    positionals,
    about: 'Says what the commands are, or what one of them does, as COMMAND --help.',
    options,
    exits: { 0: 'done', 2: 'there is no such command' },
    async run(args, io) {
      const { values, positionals: names } = readArgs(args, options, positionals);
      const all = await commands();
      const [name] = names;
      const command = all.find((one) => one.name === name);
      if (values.man === true) io.stdout(manualPage(all.map(entryOf), VERSION));
      else if (values.completion === true) io.stdout(completionScript(all));
      else if (name === undefined) io.stdout(overviewOf(all));
      else if (command === undefined) throw new CommandError('wrong-use', noSuchCommand(name, all));
      else io.stdout(usageOf(command));
      return DONE;
    },
  };
}

function entryOf(command: Command): Entry {
  const options = Object.entries(command.options).map(([name, option]) => [flagOf(name, option), descriptionOf(option)] as const);
  return { synopsis: synopsisOf(command), about: command.about, options, notes: command.notes ?? null, exits: command.exits };
}

export function noSuchCommand(name: string, commands: readonly Command[]): string {
  return `there is no command "${name}"; one of ${commands.map((command) => command.name).join(', ')}`;
}

function positionalText({ name, choices, optional }: Positional): string {
  const text = choices?.join('|') ?? name;
  return optional === true ? `[${text}]` : text;
}

function paragraphs(text: string): string {
  return text
    .split('\n')
    .map((paragraph) => `${wrap(paragraph, COLUMNS, 0)}\n`)
    .join('\n');
}

/** Words in lines of so many columns; every line but the first begins with so many spaces, as if the first did. */
function wrap(text: string, columns: number, indent: number): string {
  const lines: string[] = [];
  let line = '';
  // What stands in brackets is not torn.
  for (const word of text.match(/\[[^\]]*\](?= |$)|\S+/g) ?? []) {
    if (line !== '' && indent + line.length + 1 + word.length > columns) {
      lines.push(line);
      line = '';
    }
    line += `${line === '' ? '' : ' '}${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}
