/**
 * The drivers of the virtual switch: all that the rest of the program knows of each. A new driver is a folder, a row here, and its
 * settings in config/shape.ts. Main thread.
 */
import type { Config } from '../config/config.ts';
import type { DriverCheck } from '../config/cross.ts';
import { MemorySwitch } from './memory/memory.ts';
import { checkDomains } from './nftables/domain.ts';
import { type Entry, type VSwitch, VSwitchError } from './vswitch.ts';

type Settings = Config['vswitch'];
type SettingsOf<Name extends DriverName> = Extract<Settings, { readonly driver: Name }>;
export type DriverName = Settings['driver'];
export type Capability = 'CAP_NET_ADMIN' | 'CAP_NET_RAW';

/** What else forwards frames on this host. */
export interface Surroundings {
  /** Socket of Open vSwitch's database, should there be one. */
  readonly openvswitch: string;
}

export interface Driver<S = Settings> {
  /** Privileges without which it cannot program anything. */
  readonly capabilities: readonly Capability[];
  /** Mistakes in a configuration that only this driver minds. */
  readonly check: DriverCheck;
  /** Throws VSwitchError when it cannot work on this host. What to know of it there is in its `notes`. */
  open(settings: S, surroundings: Surroundings): Promise<VSwitch>;
  /** A scratch switch for the rehearsal (agent/rehearsal.ts), as like the real one as can be without touching a frame. */
  openScratch(settings: S, real: VSwitch): Promise<VSwitch>;
  /** What only one agent of a network namespace may have, in words; null: nothing that two would fight over. */
  exclusive(settings: S): string | null;
  /** Removes all that an agent with these settings left; says what, in words, or null when there is never anything. Throws VSwitchError. */
  cleanup(settings: S): Promise<string | null>;
}

const memory: Driver<SettingsOf<'memory'>> = {
  capabilities: [],
  check: () => {},
  open: async () => new MemorySwitch(),
  openScratch: async () => new MemorySwitch(),
  exclusive: () => null,
  cleanup: async () => null,
};

const nftables: Driver<SettingsOf<'nftables'>> = {
  capabilities: ['CAP_NET_ADMIN'],
  check: checkDomains,
  open: ({ table }, { openvswitch }) => openTable(table, openvswitch),
  // A kernel that cannot hook an absent interface would refuse the scratch table's chains.
  openScratch: async ({ table }, real) => (real.hooksByName ? openTable(`${table}_rehearsal`) : new MemorySwitch()),
  exclusive: ({ table }) => `table ${table}`,
  cleanup: async ({ table }) => {
    await removeAll(await openTable(table));
    return `the nftables table netdev ${table}`;
  },
};

/** By the name in the settings, so that each row is given its own. */
export const DRIVERS: Readonly<Record<DriverName, Driver>> = { memory, nftables };

/** By the driver that a draft names; a wrong name is a mistake of the shape, and nobody's here. */
export const checkForDriver: DriverCheck = (draft, report) => DRIVERS[driverOf(draft)].check(draft, report);

/**
 * For a reload: another driver in the file waits for a restart, and until then the running one has to work with all the rest of it.
 * @param running null before the start
 */
export function checkBeside(running: () => DriverName | null): DriverCheck {
  return (draft, report) => {
    checkForDriver(draft, report);
    const driver = running();
    if (driver !== null && driver !== driverOf(draft)) DRIVERS[driver].check(draft, report);
  };
}

function driverOf(draft: Parameters<DriverCheck>[0]): DriverName {
  return draft.vswitch?.driver ?? 'nftables';
}

/** A switch that does not answer at start, or to a command, cannot be worked with; later the reconciler has more patience. */
const PATIENCE_MS = 10_000;

/**
 * What the switch holds at start. Rejects with VSwitchError, also when there is no answer, and when what is there is somebody else's: an
 * agent takes what it does not know for strays, and removes them.
 */
export async function listAtStart(vswitch: VSwitch, patienceMs = PATIENCE_MS): Promise<Entry[]> {
  const entries = await answerOf(vswitch, vswitch.list(), patienceMs);
  if (entries.length > 0 && entries.every(({ kind }) => kind === 'stray')) {
    const [first] = entries;
    throw new VSwitchError(
      'unavailable',
      `${vswitch.place} is somebody else's: it has ${first?.key ?? ''}, and nothing of an agent's`,
    );
  }
  return entries;
}

async function answerOf<T>({ name }: VSwitch, answer: T | Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    const error = new VSwitchError('unavailable', `${name}: no answer within ${patienceMs / 1000} s`);
    timer = setTimeout(() => reject(error), patienceMs);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Loaded when it is wanted: libnftables and its FFI are nothing for `check`. */
async function openTable(table: string, openvswitch: string | null = null): Promise<VSwitch> {
  const { NftablesSwitch } = await import('./nftables/nftables.ts');
  return new NftablesSwitch(table, openvswitch);
}

async function removeAll(vswitch: VSwitch): Promise<void> {
  try {
    await listAtStart(vswitch);
    await answerOf(vswitch, vswitch.cleanup());
  } finally {
    vswitch.close();
  }
}
