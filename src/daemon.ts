/**
 * The agent with everything that surrounds it on a real host: workers, virtual switch, metrics, HTTP, log. Main thread.
 */
import { Agent } from './agent.ts';
import { httpSource, metricsSource } from './agent-view.ts';
import { systemClock } from './base/clock.ts';
import type { Config } from './config.ts';
import { createHttp } from './http.ts';
import { listenOn } from './http-listen.ts';
import { createLog } from './log.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { VERSION } from './version.ts';
import { MemorySwitch } from './vswitch/memory/memory.ts';
import { NftablesSwitch } from './vswitch/nftables/nftables.ts';
import type { VSwitch } from './vswitch/vswitch.ts';
import { Workers } from './workers.ts';

export interface Daemon {
  readonly agent: Agent;
  readonly log: Log;
  /** Rejects when a worker dies. */
  readonly ended: Promise<void>;
  /** Leaves the switch as it is. */
  stop(): Promise<void>;
}

/** Throws VSwitchError or ListenError when it cannot run here. */
export async function startDaemon(config: Config): Promise<Daemon> {
  const log = createLog(config.host.id, config.log.level);
  const vswitch = openSwitch(config);
  const workers = new Workers({
    count: config.capture.workers,
    source: config.capture.source,
    ringKib: config.capture.ringKiB,
    onTrouble: ({ port, message }) => log.error({ interface: agent.network.ports[port]?.interface }, message),
  });
  // The first commits come before there is an agent to read metrics from.
  let metrics: Metrics | null = null;
  const agent = new Agent({
    config,
    clock: systemClock,
    log,
    vswitch,
    workers,
    observe: {
      failover: (phasesMs) => metrics?.observeFailover(phasesMs),
      claimToProgrammed: (seconds) => metrics?.observeClaimToProgrammed(seconds),
      programming: (seconds) => metrics?.observeProgramming(vswitch.name, seconds),
    },
  });
  const registry = createMetrics(metricsSource(agent), VERSION);
  metrics = registry;
  const server = createHttp(
    httpSource(agent, () => registry.render()),
    log,
  );
  agent.run();
  try {
    const address = await listenOn(server, config.http.listen);
    log.info({ version: VERSION, driver: vswitch.name, mode: config.mode, http: address }, 'started');
  } catch (error) {
    await agent.stop();
    throw error;
  }
  return {
    agent,
    log,
    ended: workers.ended,
    async stop() {
      server.close();
      server.closeAllConnections();
      await agent.stop();
      log.info({}, 'stopped; the switch stays as it is');
    },
  };
}

function openSwitch(config: Config): VSwitch {
  return config.vswitch.driver === 'memory' ? new MemorySwitch() : new NftablesSwitch(config.vswitch.table);
}
