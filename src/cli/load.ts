/**
 * Reads a configuration file for a command.
 */
import { describeMistake } from '../config/config.ts';
import type { Config, Mistake, Parsed } from '../config/config.ts';
import type { DropIn } from '../config/drop-ins.ts';
import { ConfigFile } from '../config/file.ts';
import { whyUnreadable } from '../config/read.ts';
import { checkForDriver } from '../vswitch/drivers.ts';
import { CommandError } from './command.ts';
import type { Io } from './command.ts';

/** Throws a CommandError when the file cannot be read; what it says is another matter. */
export function readConfig(file: ConfigFile): Parsed {
  try {
    return file.read();
  } catch (error) {
    const why = whyUnreadable(file.path, error);
    if (why === null) throw error;
    throw new CommandError('wrong-use', why);
  }
}

/** Prints every mistake and throws when there are any. */
export function loadConfig(path: string, io: Io, file = new ConfigFile(path, checkForDriver)): Config {
  const parsed = readConfig(file);
  if (parsed.ok) return parsed.config;
  for (const mistake of parsed.mistakes) io.stderr(describeMistake(mistake));
  throw new CommandError('wrong-use', `${path}: ${count(parsed.mistakes.length, 'mistake')}`);
}

/** What is wrong with a file beside a configuration, were it there; or with the configuration itself. */
export function mistakesBeside(path: string, dropIn: DropIn): readonly Mistake[] {
  const file = new ConfigFile(path, checkForDriver);
  file.instead = dropIn;
  const parsed = readConfig(file);
  return parsed.ok ? file.refused.filter((mistake) => mistake.file === dropIn.path) : parsed.mistakes;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
