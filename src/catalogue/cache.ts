/**
 * A copy of what the store said of the configuration, on this host's disk: after a reboot without the store the guard stands by it. Main thread.
 * It is as good as the configuration file: whoever may write one may write the other (0600).
 */
import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { codeOf, messageOf } from '../base/failure.ts';
import { keyText, readItem } from '../fabric/keys.ts';
import type { Item } from '../fabric/records.ts';

/** After the disk refused it. */
const AGAIN_MS = 10_000;

export interface CacheOptions {
  readonly path: string;
  /** Of the store's keys: the copy of another store is none of this one. */
  readonly prefix: string;
  readonly log: (message: string) => void;
}

interface Copy {
  readonly prefix: string;
  readonly keys: readonly (readonly [key: string, text: string, revision: number])[];
}

export class Cache {
  readonly #o: CacheOptions;
  #wanted: string | null = null;
  #written = '';
  #writing: Promise<void> | null = null;
  #isFailing = false;
  #again: NodeJS.Timeout | null = null;

  constructor(options: CacheOptions) {
    this.#o = options;
  }

  /** What was kept; nothing where there is no copy, or none that can be read. */
  read(): Item[] {
    const { path, prefix, log } = this.#o;
    try {
      const copy: Partial<Copy> = JSON.parse(readFileSync(path, 'utf8'));
      if (copy.prefix !== prefix || !Array.isArray(copy.keys)) return [];
      return copy.keys.flatMap(([key, text, revision]) => {
        const raw = { key: String(key), text: String(text), revision: Number(revision), version: 1 };
        return readItem(prefix, raw, (bad, why) => log(`${bad} in ${path} is ignored: ${why}`)) ?? [];
      });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') log(`the copy of the store's configuration in ${path} cannot be read: ${messageOf(error)}`);
      return [];
    }
  }

  /** Written when the disk comes to it; what comes meanwhile takes its place. */
  keep(items: Iterable<Item>): void {
    const { prefix } = this.#o;
    const keys = Array.from(items, (item) => [keyText(prefix, item), JSON.stringify(item.value), item.revision] as const);
    const copy: Copy = { prefix, keys };
    this.#wanted = `${JSON.stringify(copy)}\n`;
    this.#begin();
  }

  /** Resolves when the disk has what it was given, or has refused it. */
  async close(): Promise<void> {
    if (this.#again !== null) clearTimeout(this.#again);
    await this.#writing;
  }

  #begin(): void {
    this.#writing ??= this.#write().finally(() => (this.#writing = null));
  }

  async #write(): Promise<void> {
    while (this.#wanted !== null) {
      const text = this.#wanted;
      this.#wanted = null;
      if (text !== this.#written) await this.#put(text);
    }
  }

  #tryAgain(text: string): void {
    this.#again = null;
    this.#wanted ??= text;
    this.#begin();
  }

  async #put(text: string): Promise<void> {
    const { path, log } = this.#o;
    const made = `${path}.new`;
    try {
      const file = await open(made, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(made, path);
      this.#written = text;
      if (this.#isFailing) log(`what the store says of the configuration is kept in ${path} again`);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log(`what the store says of the configuration cannot be kept in ${path}: ${messageOf(error)}`);
      this.#isFailing = true;
      this.#again ??= setTimeout(() => this.#tryAgain(text), AGAIN_MS).unref();
    }
  }
}
