/**
 * This machine's files as a Debian of their own, with systemd as process 1: in namespaces, over an overlay in memory, so that packages are
 * installed and services run as on a host, and nothing is left when it ends. Needs root, overlayfs, and systemd's files.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { LabProcess } from './process.ts';
import { until } from './until.ts';

/**
 * Process 1 of a PID namespace. The kernel's device files are those of this machine, /run and /tmp are empty; systemd has a hierarchy of
 * control groups of the name that it looks for, and nothing of this machine's.
 */
const BOOT = `set -e
base=$1
mount --make-rprivate /
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/net dev/pts dev/shm
if [ -e /dev/net/tun ]; then touch dev/net/tun; mount --bind /dev/net/tun dev/net/tun; fi
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup cgroup sys/fs/cgroup/systemd -o none,name=systemd
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
ip link set lo up
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target
`;

const BOOT_LIMIT_MS = 60_000;

/** null: it can be booted here. */
export function whyNoSystemd(): string | null {
  if (process.getuid?.() !== 0) return 'it needs root';
  if (!existsSync('/lib/systemd/systemd')) return 'systemd is not installed';
  if (!/\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))) return 'this kernel has no overlayfs';
  return null;
}

export class SystemdRoot implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'havip-systemd-'));
  readonly #unshare: LabProcess;
  #pid = 0;

  static async boot(): Promise<SystemdRoot> {
    const root = new SystemdRoot();
    try {
      await root.#booted();
      return root;
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor() {
    // A control group of its own, so that what systemd makes is below it and goes with it.
    const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--fork', '--kill-child'];
    this.#unshare = new LabProcess('systemd', ['unshare', ...namespaces, 'bash', '-c', BOOT, 'boot', this.#directory]);
  }

  /** Runs a command there as root; rejects with what it said on stderr when it fails. */
  exec(argv: readonly string[], limitMs = 60_000): Promise<string> {
    return command(this.argv(...argv), { limitMs });
  }

  argv(...argv: readonly string[]): string[] {
    const environment = [
      'HOME=/root',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'DEBIAN_FRONTEND=noninteractive',
    ];
    const enter = ['nsenter', '-t', String(this.#pid), '-m', '-p', '-n', '-u', '-i', '-C'];
    return [...enter, 'env', '-i', '--chdir=/', ...environment, ...argv];
  }

  shell(script: string, limitMs?: number): Promise<string> {
    return this.exec(['bash', '--norc', '-euc', script], limitMs);
  }

  /** A property of a unit. */
  async property(name: string, unit = 'havip-agent'): Promise<string> {
    return (await this.exec(['systemctl', 'show', '--value', `--property=${name}`, unit])).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its process 1 takes every process there along.
    if (this.#pid > 0) process.kill(this.#pid, 'SIGKILL');
    await this.#unshare.stop('SIGKILL');
    rmSync(this.#directory, { recursive: true });
  }

  async #booted(): Promise<void> {
    this.#pid = await until('process 1', () => childOf(this.#unshare.pid), BOOT_LIMIT_MS);
    await until('systemd runs', async () => /running|degraded/.test(await this.#state()), BOOT_LIMIT_MS);
  }

  async #state(): Promise<string> {
    // Not ready for questions yet, or degraded: it fails with a word on stdout.
    return this.exec(['sh', '-c', 'systemctl is-system-running || true'], 5000).catch(() => '');
  }
}

function childOf(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}
