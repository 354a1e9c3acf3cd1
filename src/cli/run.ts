/**
 * `havip-agent run --config FILE`: the daemon. Puts the agent together and passes it the operator's wishes: SIGHUP, SIGTERM.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { descriptorsMissing } from '../agent/descriptors.ts';
import { DropInWatch } from '../agent/drop-in-watch.ts';
import { Reloads } from '../agent/reload.ts';
import { Service } from '../agent/supervised.ts';
import { whoRuns } from '../base/user.ts';
import { parseInThread } from '../agent/parser.ts';
import { FilesCatalogue } from '../catalogue/files.ts';
import type { Config } from '../config/config.ts';
import { ConfigFile } from '../config/file.ts';
import { readyIds } from '../config/ids.ts';
import { type Capability, checkBeside, type DriverName, DRIVERS } from '../vswitch/drivers.ts';
import { openStore, routed } from './catalogue.ts';
import { CommandError, CONFIG_OPTION, DONE, readArgs, required } from './command.ts';
import type { Command, Io } from './command.ts';
import type { Daemon } from './daemon.ts';
import { loadConfig } from './load.ts';

const OPTIONS = { config: CONFIG_OPTION } as const;

export const command: Command = {
  name: 'run',
  summary: 'the daemon',
  about:
    'Watches the ports of this host, keeps the record of who holds each HAVIP, and programs the virtual switch. Logs go to stdout, one JSON object per line.',
  options: OPTIONS,
  notes:
    'SIGHUP reads the file again; one with mistakes is refused and the old one goes on. SIGTERM and SIGINT stop the agent and leave the switch as it is: traffic and guard outlive it (see `havip-agent cleanup`).',
  exits: {
    0: 'stopped by a signal',
    2: 'wrong use or a configuration with mistakes',
    3: 'cannot run (no privilege, no kernel support)',
  },
  async run(args, io) {
    let driver: DriverName | null = null;
    const path = required(readArgs(args, OPTIONS).values.config, '--config');
    const file = new ConfigFile(
      path,
      checkBeside(() => driver),
    );
    const wishes = heedSignals(io);
    const config = loadConfig(file.path, io, file);
    driver = config.vswitch.driver;
    requireCapabilities(config);
    if ('unix' in config.http.listen) readyIds(config.vpcs);
    const { startDaemon } = await import('./daemon.ts');
    if (wishes.toStop) return DONE;
    const daemon = await startDaemon(config, io, copyOf(path, config, io.stateDirectory));
    const { hosted } = daemon;
    const parse = parseInThread(driver);
    const compose = (one: Config) => {
      const composed = hosted?.compose(one) ?? one;
      daemon.agent.leftOut = hosted?.mistakes ?? [];
      return composed;
    };
    const reloads = new Reloads(file, daemon.agent, daemon.log, parse, config, compose);
    if (hosted !== null) hosted.onChange = () => void reloads.wish('store');
    const service = new Service(daemon.agent, io.supervision);
    wishes.onReload(() => {
      void reloads.wish();
      void service.during(reloads.followed);
    });
    const watch = new DropInWatch(
      file.path,
      () => void reloads.wish('beside'),
      (message) => daemon.log.warn({}, message),
    );
    await openCatalogue(daemon, reloads, file, config);
    // A worker that ended without being told to is a defect, and rejects.
    await Promise.race([wishes.stopped, daemon.ended]);
    watch.close();
    reloads.close();
    service.stopping();
    await daemon.stop();
    return DONE;
  },
};

/** HAVIPs come and go through the agent too. */
async function openCatalogue(daemon: Daemon, reloads: Reloads, { path }: ConfigFile, config: Config): Promise<void> {
  const isOfFile = (vpc: string) => reloads.isOfFile(vpc);
  const why = (one: string) => reloads.whyRefused(one);
  const files = new FilesCatalogue({ file: path, read: () => reloads.beside(), why, wallMs: Date.now });
  const store = await openStore(config, isOfFile);
  daemon.open(
    routed(files, store, () => daemon.agent.config, isOfFile),
    store,
    (wish) => reloads.wouldRefuse(wish),
  );
}

/** Where the last word of the store on the configuration is kept: in the unit's folder, else beside the file, by the host's name. */
function copyOf(path: string, { host }: Config, stateDirectory: string | null): string {
  return stateDirectory === null ? join(dirname(path), `.store-of-${host.id}.json`) : join(stateDirectory, 'fabric.json');
}

/** The operator's wishes, from before there is a daemon that could follow them. */
function heedSignals(io: Io) {
  let toStop = false;
  let toReload = false;
  let reloadNow: (() => void) | null = null;
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      io.onSignal(signal, () => {
        toStop = true;
        resolve();
      });
    }
  });
  io.onSignal('SIGHUP', () => {
    if (reloadNow === null) toReload = true;
    else reloadNow();
  });
  return {
    stopped,
    get toStop() {
      return toStop;
    },
    /** Called for each wish; at once when there was one. */
    onReload(follow: () => void): void {
      reloadNow = follow;
      if (toReload) follow();
    },
  };
}

/** Bits of CapEff in /proc/self/status (capabilities(7)). */
const CAPABILITIES: Readonly<Record<Capability, bigint>> = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n };

/** Says at once what would otherwise fail somewhere later. */
function requireCapabilities(config: Config): void {
  const [, hex = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  const effective = BigInt(`0x${hex}`);
  const needed = [...DRIVERS[config.vswitch.driver].capabilities, 'CAP_NET_RAW'] as const;
  const missing = needed.filter((name) => ((effective >> CAPABILITIES[name]) & 1n) === 0n);
  if (missing.length > 0)
    throw new CommandError(
      'no-privilege',
      `${missing.join(' and ')} missing for ${whoRuns()}: run as root, or grant ${missing.length === 1 ? 'it' : 'them'}`,
    );
  const few = descriptorsMissing(config.ports.length);
  if (few !== null) throw new CommandError('no-privilege', few);
}
