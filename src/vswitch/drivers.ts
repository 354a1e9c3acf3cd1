/**
 * The drivers of the virtual switch: all that the rest of the program knows of each. A new driver is a folder and a row here. Main thread.
 */
import type { Config } from '../config/config.ts';
import type { DriverCheck } from '../config/cross.ts';
import { MemorySwitch } from './memory/memory.ts';
import { checkDomains } from './nftables/domain.ts';
import type { VSwitch } from './vswitch.ts';

type Settings = Config['vswitch'];
export type DriverName = Settings['driver'];
export type Capability = 'CAP_NET_ADMIN' | 'CAP_NET_RAW';

export interface Driver {
  /** Privileges without which it cannot program anything. */
  readonly capabilities: readonly Capability[];
  /** Mistakes in a configuration that only this driver minds. */
  readonly check: DriverCheck;
  /** Throws VSwitchError when it cannot work on this host. */
  open(settings: Settings): Promise<VSwitch>;
  /** A scratch switch for the rehearsal (agent/rehearsal.ts), as like the real one as can be without touching a frame. */
  openScratch(settings: Settings, real: VSwitch): Promise<VSwitch>;
  /** What `cleanup` removes, in words; null: there is never anything. */
  remains(settings: Settings): string | null;
}

const memory: Driver = {
  capabilities: [],
  check: () => {},
  open: async () => new MemorySwitch(),
  openScratch: async () => new MemorySwitch(),
  remains: () => null,
};

const nftables: Driver = {
  capabilities: ['CAP_NET_ADMIN'],
  check: checkDomains,
  open: ({ table }) => openTable(table),
  // A kernel that cannot hook an absent interface would refuse the scratch table's chains.
  openScratch: async ({ table }, real) => (real.hooksByName ? openTable(`${table}_warm_up`) : new MemorySwitch()),
  remains: ({ table }) => `the nftables table netdev ${table}`,
};

export const DRIVERS: Readonly<Record<DriverName, Driver>> = { memory, nftables };

/** By the driver that a draft names; a wrong name is a mistake of the shape, and nobody's here. */
export const checkForDriver: DriverCheck = (draft, report) => DRIVERS[draft.vswitch?.driver ?? 'nftables'].check(draft, report);

/** Loaded when it is wanted: libnftables and its FFI are nothing for `check`. */
async function openTable(table: string): Promise<VSwitch> {
  const { NftablesSwitch } = await import('./nftables/nftables.ts');
  return new NftablesSwitch(table);
}
