/** The catalogue of a configuration, opened by a command: without the agent, and with this command's own rights. */
import type { Catalogue } from '../catalogue/catalogue.ts';
import { FilesCatalogue } from '../catalogue/files.ts';
import { CatalogueError } from '../catalogue/refusal.ts';
import { RoutedCatalogue } from '../catalogue/route.ts';
import type { StoreCatalogue } from '../catalogue/store.ts';
import type { Config } from '../config/config.ts';
import { ConfigFile } from '../config/file.ts';
import { checkForDriver } from '../vswitch/drivers.ts';
import type { Io } from './command.ts';
import { loadConfig } from './load.ts';

export interface Opened {
  readonly catalogue: Catalogue;
  readonly store: StoreCatalogue | null;
  readonly config: Config;
}

export async function openCatalogue(path: string, io: Io): Promise<Opened> {
  const file = new ConfigFile(path, checkForDriver);
  const config = loadConfig(path, io, file);
  const read = async () => {
    const parsed = file.read();
    if (parsed.ok) return parsed.config;
    throw new CatalogueError('refused', `${path} has mistakes; see havip-agent check`);
  };
  const why = (one: string) => file.refused.find((mistake) => mistake.file === one)?.message ?? null;
  const files = new FilesCatalogue({ file: path, read, why, wallMs: Date.now });
  const isOfFile = (vpc: string) => config.vpcs.some(({ id }) => id === vpc);
  const store = await openStore(config, isOfFile);
  return { config, store, catalogue: routed(files, store, () => config, isOfFile) };
}

/** null: the configuration has none. Nothing is connected before it is asked. */
export async function openStore({ store }: Config, isOfFile: (vpc: string) => boolean): Promise<StoreCatalogue | null> {
  if (store === null) return null;
  const [{ StoreCatalogue }, { openWriter }] = await Promise.all([import('../catalogue/store.ts'), import('../fabric/open.ts')]);
  return new StoreCatalogue({ writer: await openWriter(store, refused), prefix: store.prefix, wallMs: Date.now, isOfFile });
}

function refused(message: string): never {
  throw new CatalogueError('not-granted', message);
}

export function routed(
  files: Catalogue,
  store: StoreCatalogue | null,
  config: () => Config,
  isOfFile: (vpc: string) => boolean,
): Catalogue {
  return store === null ? files : new RoutedCatalogue({ files, store, config, isOfFile });
}
