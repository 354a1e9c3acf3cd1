/**
 * The configuration in the store, on a host: heard, kept as a copy, and put together with the file. Main thread.
 *
 *     fabric ──> Overheard ──> StoredConfig ──> compose() ──> the reload path of any configuration
 *                                   │  ^
 *                                   v  │ at a start
 *                                  Cache
 */
import type { Log } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import type { Item } from '../fabric/records.ts';
import { Cache } from './cache.ts';
import type { Listener } from './overheard.ts';
import { StoredConfig } from './stored.ts';

const GATHER_MS = 20;
/** The copy is written once for all that comes in a while. */
const KEEP_MS = 1000;

export interface HostedOptions {
  readonly prefix: string;
  /** Of the copy. */
  readonly path: string;
  readonly log: Log;
}

export class HostedConfig implements Listener {
  readonly #stored = new StoredConfig();
  readonly #cache: Cache;
  readonly #log: Log;
  #said = '';
  #timer: NodeJS.Timeout | null = null;
  #keep: NodeJS.Timeout | null = null;
  #closed = false;
  /** What of the store is left out, and why. */
  mistakes: readonly string[] = [];
  onChange: () => void = () => {};

  constructor({ prefix, path, log }: HostedOptions) {
    this.#log = log;
    this.#cache = new Cache({ path, prefix, log: (message) => log.warn({}, message) });
    for (const item of this.#cache.read()) this.#stored.change(item);
  }

  compose(config: Config): Config {
    const composed = this.#stored.compose(config);
    this.mistakes = composed.mistakes;
    const said = composed.mistakes.join('\n');
    if (said !== this.#said) for (const mistake of composed.mistakes) this.#log.error({}, mistake);
    this.#said = said;
    return composed.config;
  }

  snapshot(vpc: string, items: readonly Item[]): void {
    if (this.#stored.snapshot(vpc, items)) this.#changed();
  }

  change(item: Item): void {
    if (this.#stored.change(item)) this.#changed();
  }

  /** With what came last on the disk, or not to be had there. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#keep !== null) {
      clearTimeout(this.#keep);
      this.#cache.keep(this.#stored.items());
    }
    await this.#cache.close();
  }

  #changed(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.onChange();
    }, GATHER_MS);
    this.#keep ??= setTimeout(() => {
      this.#keep = null;
      this.#cache.keep(this.#stored.items());
    }, KEEP_MS);
  }
}
