/**
 * Watches the folders of drop-ins beside the configuration file (config/drop-ins.ts), also before they exist: inotify, through node:fs. Main
 * thread. Files come and go whole, by rename, and several belong together: whoever is told is told once for all that came in a while.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf, messageOf } from '../base/failure.ts';
import { isDropIn } from '../config/read.ts';

const FOLDERS = ['ports.d', 'havips.d'];
const GATHER_MS = 20;

export class DropInWatch {
  readonly #folder: string;
  readonly #onChange: () => void;
  readonly #onTrouble: (message: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | null = null;

  /** @param file the configuration file */
  constructor(file: string, onChange: () => void, onTrouble: (message: string) => void) {
    this.#folder = dirname(file);
    this.#onChange = onChange;
    this.#onTrouble = onTrouble;
    this.#watch(this.#folder, (name) => {
      if (!FOLDERS.includes(name)) return;
      // It came, or another one of its name did.
      this.#unwatch(join(this.#folder, name));
      this.#watchDropIns(name);
      this.#changed();
    });
    for (const name of FOLDERS) this.#watchDropIns(name);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const path of this.#watchers.keys()) this.#unwatch(path);
  }

  #watchDropIns(name: string): void {
    this.#watch(join(this.#folder, name), (file) => {
      if (isDropIn(basename(file))) this.#changed();
    });
  }

  #watch(path: string, onName: (name: string) => void): void {
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        if (name !== null) onName(name);
      });
      watcher.on('error', (error) => this.#trouble(path, error));
      this.#watchers.set(path, watcher);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.#trouble(path, error);
    }
  }

  #unwatch(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }

  #trouble(path: string, error: unknown): void {
    this.#onTrouble(`${path} is not watched, and read at a reload alone: ${messageOf(error)}`);
  }

  #changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#onChange();
    }, GATHER_MS);
  }
}
