/** What the daemon has with a store, and nothing loaded of it without one. */
import { readFileSync } from 'node:fs';
import type { Agent, AgentOptions } from '../agent/agent.ts';
import { VERSION } from '../agent/version.ts';
import type { Metrics } from '../api/metrics.ts';
import { formatIpv4 } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { HostedConfig } from '../catalogue/hosted.ts';
import type { StoreCatalogue } from '../catalogue/store.ts';
import type { Config } from '../config/config.ts';

/** The instance that held it; null: nobody did. undefined: there is no such HAVIP. */
export async function unbind(
  agent: Agent,
  store: StoreCatalogue | null,
  id: string,
  why: string,
): Promise<string | null | undefined> {
  const havip = agent.network.havips.find((one) => one?.id === id) ?? null;
  if (havip === null) return undefined;
  // Where hosts share bindings it is the store that says so; to this host it is said at once.
  if (store !== null) await store.unbind(id, agent.network.vpcs[havip.vpc]?.id ?? '');
  return agent.say((ledger) => ledger.unbind(havip.index, why, systemClock.nowNs(), systemClock.wallMs()));
}

function later(ms: number, act: () => void): () => void {
  // What runs is held by the workers and the API; what has ended shall not wait for this.
  const timer = setTimeout(act, ms).unref();
  return () => clearTimeout(timer);
}

/** What of the configuration stands in the store. @param path of the copy of its last word */
export async function hostedOf({ store }: Config, log: Log, path: string): Promise<HostedConfig | null> {
  if (store === null) return null;
  const { HostedConfig } = await import('../catalogue/hosted.ts');
  return new HostedConfig({ prefix: store.prefix, path, log });
}

/** How the agent reaches other hosts; null: it is alone, and nothing of that is loaded. */
export async function sharingOf(
  config: Config,
  log: Log,
  hosted: HostedConfig | null,
  metrics: () => Metrics | null,
): Promise<NonNullable<AgentOptions['share']> | null> {
  const { store, host } = config;
  if (store === null) return null;
  const [{ Sharing }, { openFabric }, { Overheard }] = await Promise.all([
    import('../agent/sharing.ts'),
    import('../fabric/open.ts'),
    import('../catalogue/overheard.ts'),
  ]);
  const opened = await openFabric(store, host.id, (message) => log.warn({}, message));
  const fabric = hosted === null ? opened : new Overheard(opened, hosted);
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const vtep = host.vtep === null ? null : formatIpv4(host.vtep);
  const record = { vtep, version: VERSION, startedMs: systemClock.wallMs(), bootId };
  const observe = {
    spread: (seconds: number) => metrics()?.observeSpread(seconds),
    transaction: (seconds: number) => metrics()?.observeTransaction(seconds),
    remoteProgramming: (seconds: number) => metrics()?.observeRemoteProgramming(seconds),
  };
  return ({ ledger, network, ways, onDecided }) =>
    new Sharing(
      {
        fabric,
        clock: systemClock,
        log,
        ledger,
        host: host.id,
        vtep: host.vtep,
        record,
        random: Math.random,
        later,
        ways,
        onDecided,
        observe,
      },
      network,
    );
}
