/** What real guests boot from, and one that has booted: made once and kept in build/, for all labs of this clone. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { command, LabError } from '../lab/command.ts';
import { createNamespaces, Namespace, removeNamespaces } from '../lab/namespace.ts';
import { newLabName } from '../lab/owner.ts';
import { projectRoot } from '../lab/project.ts';
import type { GuestSpec } from '../lab/topology.ts';
import type { GuestImage } from './devices.ts';
import { Machine } from './machine.ts';

const NEEDS = [
  '/usr/bin/qemu-system-x86_64',
  '/bin/busybox',
  '/usr/bin/cpio',
  '/usr/bin/lz4',
  '/usr/bin/xz',
  '/usr/sbin/keepalived',
];
const MAKE_MS = 240_000;

/** null: real guests run here. */
export function whyNoGuests(): string | null {
  if (process.getuid?.() !== 0) return 'they need root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  const missing = NEEDS.find((path) => !existsSync(path));
  return missing === undefined ? null : `${missing} is not installed`;
}

export async function guestImage(): Promise<GuestImage> {
  const build = join(projectRoot(), 'build/qemu');
  mkdirSync(build, { recursive: true });
  const script = join(projectRoot(), 'native-fixtures/qemu/build.sh');
  const folder = (await command(['bash', script, build], { limitMs: MAKE_MS })).trim();
  return { kernel: join(folder, 'vmlinux'), initrd: join(folder, 'guest.cpio'), folder };
}

export interface Booted {
  /** For `from` of a machine of the same MAC. */
  readonly state: string;
  /** null: it was there from an earlier run. */
  readonly bootMs: number | null;
}

/** A guest that has booted and has done nothing yet, as a file. */
export async function bootedGuest(image: GuestImage, spec: GuestSpec): Promise<Booted> {
  const state = join(image.folder, `${spec.instance}.${await machineId()}.state`);
  if (existsSync(state)) return { state, bootMs: null };
  const directory = mkdtempSync(join(image.folder, 'boot-'));
  const space = new Namespace(`${newLabName()}.boot`);
  await createNamespaces([space]);
  try {
    await space.ip(`link add ${spec.bridge} type bridge`);
    const fromMs = performance.now();
    const machine = await Machine.start({ image, space, directory, spec });
    const bootMs = performance.now() - fromMs;
    const saved = join(directory, 'state');
    await machine.save(saved);
    await machine.kill();
    renameSync(saved, state);
    return { state, bootMs };
  } catch (error) {
    throw new LabError(`the guest does not boot: ${(error as Error).message}`);
  } finally {
    removeNamespaces([space]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A state is good for the same QEMU and the same devices alone. */
async function machineId(): Promise<string> {
  const version = await command(['qemu-system-x86_64', '--version']);
  const devices = readFileSync(join(projectRoot(), 'native-fixtures/qemu/devices.ts'));
  return createHash('sha256').update(version).update(devices).digest('hex').slice(0, 12);
}
