/** The catalogue of a configuration, opened by a command: without the agent, and with this command's own rights. */
import type { Catalogue } from '../catalogue/catalogue.ts';
import { FilesCatalogue } from '../catalogue/files.ts';
import { CatalogueError } from '../catalogue/refusal.ts';
import type { Config } from '../config/config.ts';
import { ConfigFile } from '../config/file.ts';
import { checkForDriver } from '../vswitch/drivers.ts';
import type { Io } from './command.ts';
import { loadConfig } from './load.ts';

export interface Opened {
  readonly catalogue: Catalogue;
  readonly config: Config;
}

export function openCatalogue(path: string, io: Io): Opened {
  const file = new ConfigFile(path, checkForDriver);
  const config = loadConfig(path, io, file);
  const read = async () => {
    const parsed = file.read();
    if (parsed.ok) return parsed.config;
    throw new CatalogueError('refused', `${path} has mistakes; see havip-agent check`);
  };
  const why = (one: string) => file.refused.find((mistake) => mistake.file === one)?.message ?? null;
  return { config, catalogue: new FilesCatalogue({ file: path, read, why, wallMs: Date.now }) };
}
