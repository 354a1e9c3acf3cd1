/**
 * A folder in which several processes write files, each whole or not at all. The lock is flock(2) on the folder itself: the kernel lets go of
 * it with the process, also at kill -9. Nothing here waits on the main thread: neither for the lock nor for the disk.
 */
import { closeSync, constants, lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { tryFlock } from '../abi/libc.ts';
import { codeOf, messageOf, OperatingError } from '../base/failure.ts';
import { permissionDenied } from '../base/user.ts';
import { CatalogueError } from './refusal.ts';

export const LOOK_MS = 8;
const PATIENCE_MS = 8000;
/** What a writer was killed over. */
const LEFT = /^\..*\.new$/;

export class LockedFolder {
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Made if need be. Throws a CatalogueError when somebody has it for too long, or it cannot be made or read. */
  static async lock(path: string, patienceMs = PATIENCE_MS): Promise<LockedFolder> {
    const fd = openFolder(path);
    try {
      for (const sinceMs = performance.now(); !tryFlock(fd); await setTimeout(LOOK_MS * Math.random())) {
        if (performance.now() - sinceMs > patienceMs)
          throw new CatalogueError('busy', `another writer has had ${path} for ${patienceMs / 1000} s; try again`);
      }
      const folder = new LockedFolder(path, fd);
      folder.#sweep();
      return folder;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** On the disk when it resolves, but for its name: see sync(). */
  async write(name: string, text: string): Promise<void> {
    const made = join(this.path, `.${name}.new`);
    try {
      const file = await open(made, 'w', 0o644);
      try {
        // Whoever writes, agent and commands may both read it, whatever the umask.
        await file.chmod(0o644);
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(made, join(this.path, name));
    } catch (error) {
      throw unwritable(join(this.path, name), error);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await rm(join(this.path, name), { force: true });
    } catch (error) {
      throw unwritable(join(this.path, name), error);
    }
  }

  /** What came and went is on the disk. */
  async sync(): Promise<void> {
    const folder = await open(this.path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  unlock(): void {
    closeSync(this.#fd);
  }

  #sweep(): void {
    for (const name of readdirSync(this.path)) if (LEFT.test(name)) rmSync(join(this.path, name), { force: true });
  }
}

function openFolder(path: string): number {
  try {
    makeFolder(path);
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    // A link to a folder that is not there yet, as a package may have laid it.
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) throw error;
    mkdirSync(resolve(dirname(path), readlinkSync(path)), { recursive: true, mode: 0o755 });
  }
}

function unwritable(path: string, error: unknown): Error {
  const code = codeOf(error);
  if (code === null) return error instanceof Error ? error : new OperatingError('system-call', messageOf(error));
  return new CatalogueError(
    'unwritable',
    `cannot write ${path}: ${code === 'EACCES' || code === 'EPERM' ? permissionDenied() : messageOf(error)}`,
  );
}
