/**
 * SIGHUP: the configuration file again. One with mistakes is refused and the old one goes on. What is set up once, at start, stays as it
 * runs, whatever the file says: nothing may say that the agent is what it will only be after a restart. Main thread.
 *
 * A change of the files beside it (config/drop-ins.ts) does the same without a word from anybody, but with the file itself as it was when it
 * was right: who is editing it says SIGHUP when it is done. A drop-in with mistakes is left out, and said once.
 */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { codeOf } from '../base/failure.ts';
import type { Log } from '../base/log.ts';
import { type Config, formatMistake, type Mistake } from '../config/config.ts';
import type { ConfigFile, ParseElsewhere } from '../config/file.ts';
import { whyUnreadable } from '../config/read.ts';
import type { Agent } from './agent.ts';
import { descriptorsMissing } from './descriptors.ts';
import { parseInThread } from './parser.ts';

/** What is set up once, at start. */
const FIXED = ['host', 'capture', 'vswitch', 'http', 'store'] as const;

/** `beside`: the files beside it alone. `store`: nothing was written here, but what is put together with it is another. */
type Wish = 'all' | 'beside' | 'store';

/** One that may be written beside a configuration. */
interface PortsFile {
  readonly config: string;
  readonly name: string;
  readonly text: string;
}

/** The file's configuration with what stands elsewhere. */
type Compose = (config: Config) => Config;

/** Reloads one after the other: a wish that comes meanwhile is followed by one more, however many came. */
export class Reloads {
  readonly #source: ConfigFile;
  readonly #agent: Agent;
  readonly #log: Log;
  #running: Promise<void> | null = null;
  #wished: Wish | null = null;
  #saidRefused = '';
  /** The file's, as it was read last. */
  #taken: Config | null;

  readonly #parse: ParseElsewhere;
  readonly #compose: Compose;
  #storeChanged = false;
  #closed = false;

  /** @param taken the file's configuration, by which the agent was started; null: not known */
  constructor(
    source: ConfigFile,
    agent: Agent,
    log: Log,
    parse = parseInThread(agent.config.vswitch.driver),
    taken: Config | null = null,
    compose: Compose = (config) => config,
  ) {
    this.#parse = parse;
    this.#taken = taken;
    this.#compose = compose;
    this.#source = source;
    this.#agent = agent;
    this.#log = log;
    this.#sayRefused();
  }

  /** Is it a VPC of the file? */
  isOfFile(vpc: string): boolean {
    return (this.#taken ?? this.#agent.config).vpcs.some(({ id }) => id === vpc);
  }

  /** The configuration that runs, after what is beside it was read once more. */
  async beside(): Promise<Config> {
    void this.wish('beside');
    await this.followed;
    return this.#agent.config;
  }

  /** Why this file is left out; null: it is not. */
  whyRefused(path: string): string | null {
    return this.#source.refused.find(({ file }) => file === path)?.message ?? null;
  }

  /** What would be wrong with a file in the folder of ports, were it there; null: the configuration is another one's. */
  async wouldRefuse({ config, name, text }: PortsFile): Promise<readonly Mistake[] | null> {
    const { path } = this.#source;
    if (realpathOf(config) !== realpathOf(path)) return null;
    return this.#source.mistakesOf(
      { path: join(dirname(path), 'ports.d', name), kind: 'ports', text, trouble: null },
      this.#parse,
    );
  }

  /** The agent is about to stop: nothing is taken any more. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when nothing is left to follow; at once when that is another wish's to do. */
  async wish(what: Wish = 'all'): Promise<void> {
    if (what === 'store') this.#storeChanged = true;
    if (this.#wished === null || what === 'all' || this.#wished === 'store') this.#wished = what;
    if (this.#running !== null) return;
    this.#running = this.#run();
    await this.#running;
  }

  /** Resolves when every wish so far is followed. */
  get followed(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    // Never done before it is known to run.
    await Promise.resolve();
    try {
      while (this.#wished !== null) {
        const what = this.#wished;
        this.#wished = null;
        const anew = this.#storeChanged;
        this.#storeChanged = false;
        const taken = what === 'store' ? this.#taken : await this.#read(what);
        if (!this.#closed && taken !== null && (what === 'all' || anew || taken !== this.#taken)) this.#take(taken);
        this.#sayRefused();
      }
    } finally {
      this.#running = null;
    }
  }

  /** The file's configuration now; null: it is refused. */
  async #read(what: Exclude<Wish, 'store'>): Promise<Config | null> {
    const [source, log, parse] = [this.#source, this.#log, this.#parse];
    const file = source.path;
    let parsed;
    try {
      parsed = await (what === 'all' ? source.readBy(parse) : source.readBesideBy(parse));
    } catch (error) {
      const why = whyUnreadable(file, error);
      if (why === null) throw error;
      this.#agent.refuseReload();
      log.error({ file }, `${why}; the old configuration goes on`);
      return null;
    }
    if (parsed.ok) return parsed.config;
    this.#agent.refuseReload();
    for (const mistake of parsed.mistakes) sayMistake(log, mistake);
    log.error({ file, mistakes: parsed.mistakes.length }, 'configuration refused; the old one goes on');
    return null;
  }

  #take(taken: Config): void {
    const [agent, log] = [this.#agent, this.#log];
    const file = this.#source.path;
    this.#taken = taken;
    const few = descriptorsMissing(taken.ports.length);
    if (few !== null) log.warn({ file }, few);
    const { config, waiting } = keepFixed(this.#compose(taken), agent.config);
    for (const key of waiting) log.warn({ file, key }, `a change of \`${key}\` needs a restart`);
    agent.reconfigure(config, waiting);
    log.info({ file }, 'configuration reloaded');
  }

  /** Once, however often the others are taken meanwhile. */
  #sayRefused(): void {
    const { refused } = this.#source;
    this.#agent.refusedFiles = [...new Set(refused.map(({ file }) => file))];
    const said = refused.map(formatMistake).join('\n');
    if (said === this.#saidRefused) return;
    this.#saidRefused = said;
    for (const mistake of refused) sayMistake(this.#log, mistake);
    for (const file of this.#agent.refusedFiles) this.#log.error({ file }, 'this file is refused; the rest is taken');
  }
}

/** As it is written where that cannot be told, for lack of a right or of the file. */
function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (codeOf(error) === null) throw error;
    return path;
  }
}

function sayMistake(log: Log, mistake: Mistake): void {
  log.error({ file: mistake.file, line: mistake.line, path: mistake.path }, formatMistake(mistake));
}

/** What of a new configuration can be taken without a restart, and the keys of which it cannot. */
function keepFixed(wanted: Config, running: Config): { readonly config: Config; readonly waiting: readonly string[] } {
  const { host, capture, vswitch, http, store } = running;
  const waiting = FIXED.filter((key) => !isDeepStrictEqual(wanted[key], running[key]));
  return { config: waiting.length === 0 ? wanted : Object.freeze({ ...wanted, host, capture, vswitch, http, store }), waiting };
}
