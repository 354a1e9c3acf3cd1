/**
 * Network namespaces by name: made in one `ip` call, removed with every process in them, whoever started it.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { command, commandSync, LabError } from './command.ts';
import type { CommandOptions } from './command.ts';
import { LabProcess } from './process.ts';
import { isLeftover } from './owner.ts';

const NAMED = '/run/netns';
/** Sockets, configurations and process ids of each lab, in a directory of the lab's name. */
export const RUN = '/run/havip-lab';

const SETTINGS = `net.ipv4.conf.all.rp_filter=0
net.ipv4.conf.default.rp_filter=0
net.ipv4.conf.all.send_redirects=0
net.ipv4.conf.default.send_redirects=0
net.ipv4.icmp_ratelimit=0
`;

export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  get path(): string {
    return join(NAMED, this.name);
  }

  exec(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return command(['ip', 'netns', 'exec', this.name, ...argv], options);
  }

  spawn(argv: readonly string[]): LabProcess {
    return new LabProcess(argv.slice(0, 1).join(), ['ip', 'netns', 'exec', this.name, ...argv]);
  }

  /** Several `ip` commands in one process. */
  async ip(...lines: readonly string[]): Promise<void> {
    await command(['ip', '-n', this.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }
}

export async function createNamespaces(namespaces: readonly Namespace[]): Promise<void> {
  await command(['ip', '-batch', '-'], { input: namespaces.map(({ name }) => `netns add ${name}\n`).join('') });
  const input = SETTINGS + ipv6Settings(false);
  await Promise.all(namespaces.map((space) => space.exec(['sysctl', '-q', '-p', '-'], { input })));
}

/** Off unless asked for: router solicitations and duplicate address detection would be noise in every capture. */
export function ipv6Settings(on: boolean, interfaces: readonly string[] = ['all', 'default']): string {
  return interfaces.map((name) => `net.ipv6.conf.${name}.disable_ipv6=${on ? 0 : 1}\n`).join('');
}

/** Ends the processes in these namespaces and removes them; those that are gone already are no error. */
export function removeNamespaces(namespaces: readonly Namespace[]): void {
  const there = namespaces.filter(({ path }) => inodeOf(path) !== undefined);
  if (there.length === 0) return;
  endProcesses(new Set(there.map(({ path }) => inodeOf(path))));
  for (const { name, path } of there) {
    try {
      commandSync(['ip', 'netns', 'delete', name]);
    } catch (error) {
      if (inodeOf(path) !== undefined) throw error; // else another lab was faster
    }
  }
}

/** Removes what labs whose owner is dead have left behind. */
export function removeLeftovers(): void {
  const names = listDirectory(NAMED).filter(isLeftover);
  removeNamespaces(names.map((name) => new Namespace(name)));
  for (const name of listDirectory(RUN).filter(isLeftover)) rmSync(join(RUN, name), { recursive: true, force: true });
}

/** To all processes in these namespaces, whoever started them. */
export function signalIn(namespaces: readonly Namespace[], signal: NodeJS.Signals): void {
  for (const pid of processesIn(new Set(namespaces.map(({ path }) => inodeOf(path))))) process.kill(pid, signal);
}

function endProcesses(inodes: ReadonlySet<number | undefined>): void {
  const deadline = performance.now() + 5_000;
  for (let pids = processesIn(inodes); pids.length > 0; pids = processesIn(inodes)) {
    if (performance.now() > deadline) throw new LabError(`process ${pids.join(', ')} does not end on SIGKILL`);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2); // clean-up also runs while the process exits: no promises
  }
}

/** Reads /proc once for all namespaces; `ip netns pids` would read it once for each. */
function processesIn(inodes: ReadonlySet<number | undefined>): number[] {
  const pids: number[] = [];
  for (const entry of listDirectory('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const namespace = inodeOf(`/proc/${entry}/ns/net`);
    if (namespace !== undefined && inodes.has(namespace)) pids.push(pid);
  }
  return pids;
}

/** undefined when it is gone: the entries of a process that has ended fail with ENOENT or ESRCH. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
