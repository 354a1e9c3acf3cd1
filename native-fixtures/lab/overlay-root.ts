/**
 * This machine's files as a root directory of their own: what is changed in it is kept in memory, seen by nobody else, and gone with
 * the process that holds it. For tests that install something. Needs root and overlayfs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { LabProcess } from './process.ts';

/** Of the caller's environment what npm needs to find its registry; the rest is a login's. */
const KEPT = /^(https?_proxy|no_proxy|node_extra_ca_certs|npm_config_(registry|userconfig|cafile))$/i;

/** `cat` ends when whoever made it does, and the mounts with it. */
const HOLD = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for folder in proc sys dev; do mount --rbind "/$folder" "$1/root/$folder"; done
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs -o mode=1777 tmpfs "$1/root/tmp"
echo mounted
exec cat`;

export class OverlayRoot implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'havip-root-'));
  readonly #holder: LabProcess;

  static async create(): Promise<OverlayRoot> {
    const root = new OverlayRoot();
    await root.#holder.line(/^mounted$/);
    return root;
  }

  private constructor() {
    const bash = ['bash', '-c', HOLD, 'hold', this.#directory];
    this.#holder = new LabProcess('overlay root', ['unshare', '--mount', '--propagation', 'private', ...bash]);
  }

  /** The argv that runs a command there, as root in a login's environment. */
  argv(...argv: readonly string[]): string[] {
    const kept = Object.entries(process.env).filter(([name]) => KEPT.test(name));
    const environment = [
      'HOME=/root',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ...kept.map(([name, value]) => `${name}=${value}`),
    ];
    const enter = ['nsenter', `--mount=/proc/${this.#holder.pid}/ns/mnt`, 'chroot', join(this.#directory, 'root')];
    return [...enter, 'env', '-i', '--chdir=/', ...environment, ...argv];
  }

  exec(argv: readonly string[], limitMs = 60_000): Promise<string> {
    return command(this.argv(...argv), { limitMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stop();
    rmSync(this.#directory, { recursive: true });
  }
}
