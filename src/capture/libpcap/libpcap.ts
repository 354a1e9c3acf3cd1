/**
 * The portable source: libpcap through the optional package `cap`, one child process per port. Run by a worker. Compared with the
 * ring: timestamps of arrival in the child instead of the kernel's, VLAN tags inside the frame, no count of what libpcap loses
 * (under a flood, whatever is beyond 60,000 to 120,000 frames/s), 160 to 220 ms from link up to the first frame, and per port 82 MB
 * of process (9 MB of them its own) and 16 MiB of kernel buffer. Its child dies with every guest stop; it is started again when
 * the interface is up, and with growing delay when it dies by itself.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { codeOf, OperatingError } from '../../base/failure.ts';
import type { ChildProcess } from '../../abi/spawn.ts';
import { LibpcapTap } from './tap.ts';
import { LiveSource, type LiveOptions } from '../live.ts';

export interface LibpcapOptions extends LiveOptions {
  /** The compiled child.js; the one beside this file unless told. */
  readonly childFile?: string;
}

export class LibpcapSource extends LiveSource<LibpcapTap> {
  readonly #children: Set<ChildProcess>;

  constructor(options: LibpcapOptions = {}) {
    requireCap();
    const { childFile = fileURLToPath(new URL('./child.js', import.meta.url)) } = options;
    const children = new Set<ChildProcess>();
    const open = (_ifindex: number, name: string, isUplink: boolean) => {
      for (const child of children) if (child.reap(false)) children.delete(child);
      const tap = new LibpcapTap(childFile, name, isUplink);
      children.add(tap.child);
      return tap;
    };
    super({ open, close: (tap) => tap.close(), whileDown: false }, options);
    this.#children = children;
  }

  override close(): void {
    super.close();
    for (const child of this.#children) child.reap(true);
    this.#children.clear();
  }
}

/**
 * Throws an OperatingError when the optional package `cap` is not there, or does not load: not built (an installation without
 * compiler or install scripts), or built for another Node.js. Any thread; it is loaded in a process of its own, 50 ms.
 * @param name for tests: what to load in its place
 */
export function requireCap(name: string = 'cap'): void {
  let file;
  try {
    file = createRequire(import.meta.url).resolve(name);
  } catch (error) {
    if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error;
    throw new OperatingError(
      'no-package',
      'capture source libpcap needs the optional package cap (npm install cap, with libpcap-dev installed)',
    );
  }
  const { status, error } = spawnSync(process.execPath, ['--require', file, '--eval', '0'], { stdio: 'ignore' });
  if (error !== undefined) throw error;
  if (status === 0) return;
  throw new OperatingError(
    'no-package',
    'capture source libpcap: the package cap does not load, as when it was not built, or for another Node.js (npm rebuild cap)',
  );
}
