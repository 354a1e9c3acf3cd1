/** SIGHUP: the configuration file again. One with mistakes is refused and the old one goes on. Main thread. */
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../base/log.ts';
import { formatMistake } from '../config/config.ts';
import { type ConfigFile, whyUnreadable } from '../config/file.ts';
import type { Agent } from './agent.ts';

/** What is set up once, at start. */
const FIXED = ['host', 'capture', 'vswitch', 'http'] as const;

export function reload(source: ConfigFile, agent: Agent, log: Log): void {
  const file = source.path;
  let parsed;
  try {
    parsed = source.read();
  } catch (error) {
    const why = whyUnreadable(file, error);
    if (why === null) throw error;
    agent.refuseReload();
    log.error({ file }, `${why}; the old configuration goes on`);
    return;
  }
  if (!parsed.ok) {
    agent.refuseReload();
    for (const mistake of parsed.mistakes) log.error({ file, line: mistake.line, path: mistake.path }, formatMistake(mistake));
    log.error({ file, mistakes: parsed.mistakes.length }, 'configuration refused; the old one goes on');
    return;
  }
  for (const key of FIXED) {
    if (!isDeepStrictEqual(parsed.config[key], agent.config[key]))
      log.warn({ file, key }, `a change of \`${key}\` needs a restart`);
  }
  agent.reconfigure(parsed.config);
  log.info({ file }, 'configuration reloaded');
}
