/**
 * The daemon: the agent with everything real around it. Put together here once; agent.ts knows none of these by name.
 */
import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Agent } from '../agent/agent.ts';
import { metricsSource } from '../api/metrics-source.ts';
import { httpSource } from '../api/views.ts';
import { formatIpv4 } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import { OperatingError } from '../base/failure.ts';
import { collectGarbage, collectYoung, keepRealtimeToMyself } from '../abi/engine.ts';
import type { Config } from '../config/config.ts';
import { requireSource } from '../capture/open.ts';
import { createHttp } from '../api/http.ts';
import { Writes, type WritesOptions } from '../api/writes.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { HostedConfig } from '../catalogue/hosted.ts';
import type { StoreCatalogue } from '../catalogue/store.ts';
import { listenOn } from '../api/listen.ts';
import type { HttpSource } from '../api/routes.ts';
import { type Log, OnceLog } from '../base/log.ts';
import { describeHolder, isAgent, takeLock } from '../agent/lock.ts';
import { createLog, type OutputLog } from '../agent/log.ts';
import { createMetrics, type Metrics } from '../api/metrics.ts';
import { findEcho } from '../agent/echo.ts';
import { Prober } from '../agent/prober.ts';
import { openConnection, ServiceProber } from '../agent/service.ts';
import { Push } from '../agent/push/push.ts';
import { VERSION } from '../agent/version.ts';
import { DRIVERS, listAtStart } from '../vswitch/drivers.ts';
import { rehearse } from '../agent/rehearsal.ts';
import { Workers } from '../worker/crew.ts';
import type { Io } from './command.ts';
import { rehearseWrites } from './rehearsal.ts';
import { hostedOf, sharingOf, unbind } from './sharing.ts';

export interface Daemon {
  readonly agent: Agent;
  readonly log: Log;
  /** Rejects when a worker dies; never resolves while the daemon runs. */
  readonly ended: Promise<void>;
  /** From now on HAVIPs are allocated, released and unbound through the agent's socket too. */
  open(catalogue: Catalogue, store: StoreCatalogue | null, checkPorts: WritesOptions['checkPorts']): void;
  /** What of the configuration stands in the store; null: there is no store. */
  readonly hosted: HostedConfig | null;
  stop(): Promise<void>;
}

type World = Pick<Io, 'journal' | 'openvswitch'>;

/**
 * Guard first, then capture, then the API. Throws an error that base/failure.ts knows when it cannot run here; what was
 * programmed by then stays.
 * @param copy where the last word of the store on the configuration is kept
 */
export async function startDaemon(file: Config, { journal, openvswitch }: World, copy: string): Promise<Daemon> {
  requireSource(file.capture.source);
  keepRealtimeToMyself();
  const log = createLog({ host: file.host.id, level: file.log.level, journal });
  const hosted = await hostedOf(file, log, copy);
  const config = hosted?.compose(file) ?? file;
  const once = new OnceLog(log);
  const driver = DRIVERS[config.vswitch.driver];
  const lock = await lockFor(driver.exclusive(config.vswitch), log);
  // Before anything is programmed: an address in use is a reason to do nothing.
  const front = new Front(log);
  const address = await listenOn(front.server, config.http.listen);
  const vswitch = await driver.open(config.vswitch, { openvswitch });
  // Before the rings of 1,000 ports take the low descriptors: a driver's library may wait with select(2), which knows none above 1023.
  const rehearsed = await driver.openScratch(config.vswitch, vswitch);
  const written = await driver.openScratch(config.vswitch, vswitch);
  const found = await listAtStart(vswitch);
  const workers = new Workers({
    count: config.capture.workers,
    source: config.capture.source,
    ringKib: config.capture.ringKiB ?? ringKibFor(config.ports.length),
    onTrouble: ({ port, message }) => log.warn({ port }, message),
  });
  let metrics: Metrics | null = null;
  const push = new Push({ host: config.host.id, log, isRoot: process.geteuid?.() === 0 });
  const share = await sharingOf(config, log, hosted, () => metrics);
  const agent = new Agent({
    config,
    clock: systemClock,
    log,
    vswitch,
    found,
    workers,
    observe: {
      failover: (phasesMs) => metrics?.observeFailover(phasesMs),
      claimToProgrammed: (seconds) => metrics?.observeClaimToProgrammed(seconds),
      programming: (seconds) => metrics?.observeProgramming(vswitch.name, seconds),
    },
    onRest: collectYoung,
    onConfig: ({ notify }) => push.configure(notify),
    ...(share !== null && { share }),
  });
  const made = metricsOf(agent, log, push);
  metrics = made;
  await addProber(agent, once);
  // The guard stands already, and the workers start meanwhile.
  await rehearse(rehearsed);
  await rehearseWrites(written, config.vswitch.driver);
  // A first scrape took up to 12 ms, mostly code that had not run yet; rehearsed at most 8 (npm run bench -- claim).
  for (let scrape = 0; scrape < SCRAPES_REHEARSED; scrape++) await made.render();
  agent.outbox.onEvent((event) => push.tell(event));
  push.configure(config.notify);
  agent.run();
  front.source = httpSource(agent, made, () => push.troubles);
  for (const note of workers.notes) log.warn({}, note);
  log.info({ version: VERSION, driver: vswitch.name, mode: config.mode, listen: address }, 'havip-agent runs');
  collectGarbage();
  return {
    agent,
    log,
    ended: workers.ended,
    hosted,
    open: (catalogue, store, checkPorts) => {
      const takeFrom = (id: string, why: string) => unbind(agent, store, id, why);
      front.writes = new Writes({ catalogue, unbind: takeFrom, checkPorts, log, clock: systemClock });
    },
    stop: () => stopAll({ front, hosted, agent, push, lock, log }),
  };
}

function metricsOf(agent: Agent, log: OutputLog, push: Push): Metrics {
  const more = { logLinesDropped: () => log.dropped, notifications: () => push.counts() };
  return createMetrics({ ...metricsSource(agent), ...more }, VERSION);
}

interface Parts {
  readonly front: Front;
  readonly hosted: HostedConfig | null;
  readonly agent: Agent;
  readonly push: Push;
  readonly lock: Server | null;
  readonly log: OutputLog;
}

async function stopAll({ front, hosted, agent, push, lock, log }: Parts): Promise<void> {
  const kept = hosted?.close();
  front.close();
  await agent.stop();
  await kept;
  push.close();
  lock?.close();
  log.info({}, 'havip-agent stopped; the virtual switch stays as it is');
  log.flush(LAST_WORDS_MS);
}

/** What is asked of the daemon, from before it can answer. */
class Front {
  readonly server: HttpServer;
  source: HttpSource | null = null;
  writes: Writes | null = null;

  constructor(log: Log) {
    this.server = createHttp(
      () => this.source,
      log,
      () => this.writes,
    );
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** Before the first message to the switch. Throws an OperatingError when another agent works on it. */
async function lockFor(exclusive: string | null, log: Log): Promise<Server | null> {
  if (exclusive === null) return null;
  const { lock, holder } = await takeLock(exclusive);
  if (holder === null) return lock;
  if (isAgent(holder, process.getuid?.() ?? 0)) throw new OperatingError('taken', describeHolder(holder, exclusive));
  log.warn({ ...holder }, `the lock of ${exclusive} is taken by a process that is no agent; starting without it`);
  return null;
}

const SCRAPES_REHEARSED = 20;
/** A reader that does not read must not keep the service from stopping. */
const LAST_WORDS_MS = 1000;

/** 256 KiB a port, but 64 MiB in all as far as 64 KiB a port allow: a ring is resident from the start. */
function ringKibFor(ports: number): number {
  return Math.min(256, Math.max(64, Math.floor((64 * 1024) / Math.max(1, ports))));
}

async function addProber(agent: Agent, once: OnceLog): Promise<void> {
  const prober = new Prober({
    open: await findEcho(),
    clock: systemClock,
    onReachable: (havip, atNs) => agent.say((ledger) => ledger.reachable(havip, atNs)),
    onTrouble: (message) => (message === null ? once.worked('probe') : once.failed('probe', message)),
  });
  const services = new ServiceProber({
    open: openConnection,
    clock: systemClock,
    onSilent: (havip, lastNs, foundNs) => agent.say((ledger) => ledger.service(havip, { lastNs, foundNs })),
    onAnswer: (havip) => agent.say((ledger) => ledger.service(havip, null)),
    onTrouble: (message) => (message === null ? once.worked('service') : once.failed('service', message)),
  });
  agent.probing.start(prober, services, gatewayInterface, agent.network);
}

/** The interface of this host that has the gateway's address; null when the gateway is elsewhere. */
function gatewayInterface(gateway: number): string | null {
  const text = formatIpv4(gateway);
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    if (addresses.some(({ address }) => address === text)) return name;
  }
  return null;
}
