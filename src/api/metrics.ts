/**
 * Metrics for Prometheus: prom-client is imported here and in instruments.ts. Main thread.
 *
 * Counters live where the work is done (shared memory, ledger, reconciler) and are read when Prometheus asks. Label sets are
 * closed and every series exists from the start with 0, so that rate() sees the first event. No address or MAC is a label.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { cachedFor } from './cached.ts';
import { byLabel, gaugeLater, histogram, labelled, SHORT_SECONDS, single } from './instruments.ts';
import { answerOf, PROTOCOLS, VERDICTS } from '../base/verdict.ts';
import type { AssistCounts } from '../ledger/book.ts';
import { FAILOVER_CAUSES, type FailoverCause } from '../ledger/effects.ts';
import type { CountedReason } from '../vswitch/vswitch.ts';
import { type OptionalSource, registerNotifications, registerStore } from './optional-metrics.ts';
import type { PortState } from './types.ts';

type Counts<K extends string> = Readonly<Record<K, number>>;

/** What the agent can be asked for at any time. Lists of counts are indexed like the list they are named after. */
export interface MetricsSource extends OptionalSource {
  /** By PROTOCOLS. */
  frames(): readonly number[];
  /** By VERDICTS. */
  verdicts(): readonly number[];
  captureDrops(): number;
  eipPackets(): Readonly<Record<'in' | 'out', number>>;
  eipErrors(): Counts<'readdressed' | 'over-budget'>;
  guardDropped(): number;
  /** Of them, by the reasons that the agent itself does not see at work. */
  guardDroppedFor(): Counts<CountedReason>;
  claims(): Counts<'takeover' | 'refresh' | 'release' | 'deferred'>;
  /** `provisional` only with a store. */
  bindings(): Counts<'bound' | 'unbound' | 'contested'> & Partial<Counts<'provisional'>>;
  /** By cause. */
  failovers(): Counts<FailoverCause>;
  /** HAVIPs whose holder kept a pace and is missed. */
  silentHolders(): Promise<number>;
  /** Changes of who holds a HAVIP. */
  bindingChanges(): number;
  /** Wall clock; null: none was yet. */
  lastFailoverMs(): number | null;
  /** One per HAVIP that is held, where the configuration wants them. */
  holders(): Iterable<{ readonly havip: string; readonly vpc: string; readonly instance: string; readonly host: string }>;
  /** Times that an instance went to another port of its own. */
  migrations(): number;
  /** Times that a dead holder was resigned for. */
  boundAfterOutage(): number;
  assists(): Readonly<AssistCounts>;
  ports(): Counts<PortState>;
  /** Files beside the configuration that are left out for their mistakes. */
  filesRefused(): number;
  /** Nanoseconds since each worker's last turn began. */
  workerTurnAgesNs(): readonly number[];
  programming(): { readonly driver: string; readonly attempts: number; readonly failures: number };
  resyncs(): number;
  driftRepaired(): number;
  /** Lines of the log that nobody will read. */
  logLinesDropped(): number;
  /** Interfaces beside ports that nobody named, and that are not shut. */
  unguardedBridgePorts(): number;
  /** Ports of which somebody else forwards frames before the guard sees them. */
  guardIneffectivePorts(): number;
  reload(): { readonly successful: boolean; readonly succeededAtMs: number };
  /** By kind. */
  findings(): Readonly<Record<string, number>>;
  /** One per probed HAVIP; `rttSeconds` null before the first reply. */
  services(): Iterable<{ readonly havip: string; readonly up: boolean }>;
  probes(): Iterable<{ readonly havip: string; readonly up: boolean; readonly rttSeconds: number | null }>;
}

export type Phase = 'application' | 'detection' | 'announce' | 'verdict' | 'programming' | 'reachable' | 'total';

export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
  /** The same, at most a quarter of a second old: whoever asks in a loop costs no more than four of them a second. */
  scrape(): Promise<string>;
  observeFailover(phasesMs: Readonly<Partial<Record<Phase, number>>>): void;
  observeClaimToProgrammed(seconds: number): void;
  observeProgramming(driver: string, seconds: number): void;
  /** From a decision to the store's answer that it has it. */
  observeSpread(seconds: number): void;
  /** From another host's binding to the switch's acknowledgement. */
  observeRemoteProgramming(seconds: number): void;
  /** One transaction of the store, answered or given up. */
  observeTransaction(seconds: number): void;
}

const FAILOVER_SECONDS = [...SHORT_SECONDS, 2, 3, 4, 5, 10, 30, 60];

/** Gauges of prom-client's own that call themselves `_total`, which `promtool check metrics` refuses. */
const MISNAMED_DEFAULTS = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Between two looks at the event loop's delay; prom-client's own 10 ms make an idle agent wake 100 times a second, for 1 % of a core. */
const EVENT_LOOP_LOOK_MS = 50;

const SCRAPE_MS = 250;

/** @param defaults also the process and event-loop metrics of prom-client */
export function createMetrics(source: MetricsSource, version: string, defaults = true): Metrics {
  const registry = new Registry();
  if (defaults) {
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS });
    for (const name of MISNAMED_DEFAULTS) registry.removeSingleMetric(name);
  }
  registerFrames(registry, source);
  registerEips(registry, source);
  registerLedger(registry, source);
  registerSwitch(registry, source);
  registerState(registry, source, version);
  const store = source.store() === null ? null : registerStore(registry, source);
  registerNotifications(registry, source);

  const failover = histogram(
    'failover_duration_seconds',
    'How long each phase of a failover took.',
    FAILOVER_SECONDS,
    ['phase'],
    registry,
  );
  const claim = histogram(
    'claim_to_programmed_seconds',
    'From the kernel timestamp of a claim to the acknowledged commit.',
    SHORT_SECONDS,
    [],
    registry,
  );
  const programming = histogram(
    'programming_duration_seconds',
    'One commit to the virtual switch.',
    SHORT_SECONDS,
    ['driver'],
    registry,
  );
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    scrape: cachedFor(SCRAPE_MS, () => registry.metrics()),
    observeFailover(phasesMs) {
      for (const [phase, ms] of Object.entries(phasesMs)) failover.observe({ phase }, ms / 1000);
    },
    observeClaimToProgrammed: (seconds) => claim.observe(seconds),
    observeProgramming: (driver, seconds) => programming.observe({ driver }, seconds),
    observeSpread: (seconds) => store?.spread.observe(seconds),
    observeRemoteProgramming: (seconds) => store?.remote.observe(seconds),
    observeTransaction: (seconds) => store?.transaction.observe(seconds),
  };
}

function registerFrames(registry: Registry, source: MetricsSource): void {
  labelled(Counter, 'frames_total', 'Frames seen, by protocol.', ['protocol'], registry, (set) => {
    const frames = source.frames();
    for (const [i, protocol] of PROTOCOLS.entries()) set({ protocol }, frames[i] ?? 0);
  });
  labelled(Counter, 'verdicts_total', 'Verdicts; they add up to the frames seen.', ['verdict', 'reason'], registry, (set) => {
    const verdicts = source.verdicts();
    for (const [i, row] of VERDICTS.entries()) set({ verdict: answerOf(row), reason: row.name }, verdicts[i] ?? 0);
  });
  single(
    Counter,
    'capture_drops_total',
    'Frames that the kernel could not hand over because a capture ring was full.',
    registry,
    () => source.captureDrops(),
  );
  single(Counter, 'guard_dropped_total', "Frames that the guard dropped, by the kernel's own count.", registry, () =>
    source.guardDropped(),
  );
  byLabel(
    Counter,
    'guard_reason_dropped_total',
    "Of these, by the reasons that only the kernel sees at work, by the kernel's own count.",
    'reason',
    registry,
    () => source.guardDroppedFor(),
  );
  single(
    Counter,
    'fence_dropped_total',
    'Of these, packets with a HAVIP as source that another port holds.',
    registry,
    () => source.guardDroppedFor().fence,
  );
}

function registerEips(registry: Registry, source: MetricsSource): void {
  const help = "Packets that were let in for an EIP or sent from one, by the kernel's own count.";
  byLabel(Counter, 'eip_packets_total', help, 'direction', registry, () => source.eipPackets());
  const errors = 'ICMP errors to or from an EIP that the agent readdressed, or that were over its budget and dropped.';
  byLabel(Counter, 'eip_icmp_errors_total', errors, 'result', registry, () => source.eipErrors());
}

function registerLedger(registry: Registry, source: MetricsSource): void {
  byLabel(Counter, 'claims_total', 'Accepted claims by what they did.', 'kind', registry, () => source.claims());
  byLabel(Gauge, 'bindings', 'HAVIPs by state.', 'state', registry, () => source.bindings());
  labelled(Counter, 'failovers_total', 'Failovers by cause.', ['cause'], registry, (set) => {
    const failovers = source.failovers();
    for (const cause of FAILOVER_CAUSES) set({ cause }, failovers[cause]);
  });
  single(Counter, 'migrations_total', 'Holders that went to another port of their own, which is no failover.', registry, () =>
    source.migrations(),
  );
  const outages = 'HAVIPs bound whose last holder had ended long before: no failover.';
  single(Counter, 'bound_after_outage_total', outages, registry, () => source.boundAfterOutage());
  const help = 'Times that the agent resigned in the name of a dead holder: on what, and whether it hastened the backups.';
  labelled(Counter, 'assisted_resigns_total', help, ['on', 'kind'], registry, (set) => {
    for (const [on, kinds] of Object.entries(source.assists()))
      for (const [kind, count] of Object.entries(kinds)) set({ on, kind }, count);
  });
  const silent = 'HAVIPs whose holder kept a pace and is not heard any more; at most five seconds old.';
  gaugeLater('holder_silent', silent, registry, () => source.silentHolders(), Gauge);
  single(Counter, 'binding_changes_total', 'Times that a HAVIP got another holder, or none.', registry, () =>
    source.bindingChanges(),
  );
  labelled(
    Gauge,
    'last_failover_timestamp_seconds',
    'When the last failover was; absent before the first.',
    [],
    registry,
    (set) => {
      const atMs = source.lastFailoverMs();
      if (atMs !== null) set({}, atMs / 1000);
    },
  );
  labelled(
    Gauge,
    'binding_info',
    'Always 1; who holds the HAVIP. Gone when nobody does.',
    ['havip', 'vpc', 'instance', 'host'],
    registry,
    (set) => {
      for (const { havip, vpc, instance, host } of source.holders()) set({ havip, vpc, instance, host }, 1);
    },
  );
  byLabel(Gauge, 'findings', "What is wrong with tenants' set-ups, by kind.", 'kind', registry, () => source.findings());
  labelled(
    Gauge,
    'service_up',
    '1 while the service of the HAVIP accepts connections (probe: { tcp }).',
    ['havip'],
    registry,
    (set) => {
      for (const { havip, up } of source.services()) set({ havip }, up ? 1 : 0);
    },
  );
  labelled(Gauge, 'probe_up', '1 while the HAVIP answers ICMP echo.', ['havip'], registry, (set) => {
    for (const { havip, up } of source.probes()) set({ havip }, up ? 1 : 0);
  });
  labelled(
    Gauge,
    'probe_rtt_seconds',
    'Round-trip time of the last answered ICMP echo to the HAVIP.',
    ['havip'],
    registry,
    (set) => {
      for (const { havip, rttSeconds } of source.probes()) if (rttSeconds !== null) set({ havip }, rttSeconds);
    },
  );
}

function registerSwitch(registry: Registry, source: MetricsSource): void {
  const byDriver = (name: string, help: string, count: 'attempts' | 'failures') =>
    labelled(Counter, name, help, ['driver'], registry, (set) => {
      const programming = source.programming();
      set({ driver: programming.driver }, programming[count]);
    });
  byDriver('programming_attempts_total', 'Commits tried.', 'attempts');
  byDriver('programming_failures_total', 'Commits that the virtual switch refused.', 'failures');
  single(Counter, 'resync_total', 'Full comparisons of the virtual switch with what it should hold.', registry, () =>
    source.resyncs(),
  );
  single(Counter, 'drift_repaired_total', 'Entries repaired that somebody else had changed.', registry, () =>
    source.driftRepaired(),
  );
}

function registerState(registry: Registry, source: MetricsSource, version: string): void {
  byLabel(Gauge, 'ports', 'Ports by state.', 'state', registry, () => source.ports());
  labelled(
    Gauge,
    'worker_turn_age_seconds',
    "Since each worker's last turn began; half a second at most while it turns.",
    ['worker'],
    registry,
    (set) => {
      for (const [worker, ageNs] of source.workerTurnAgesNs().entries()) set({ worker: String(worker) }, ageNs / 1e9);
    },
  );
  const beside = 'Interfaces on bridges of ports and uplinks that are named nowhere, and from which anything passes.';
  single(Gauge, 'unguarded_bridge_ports', beside, registry, () => source.unguardedBridgePorts());
  const bypassed = 'Ports on which the guard does not hold, since Open vSwitch forwards their frames before it sees them.';
  single(Gauge, 'guard_ineffective_ports', bypassed, registry, () => source.guardIneffectivePorts());
  single(
    Counter,
    'log_lines_dropped_total',
    'Lines of the log that nobody will read: their reader did not keep up, or the disk was full.',
    registry,
    () => source.logLinesDropped(),
  );
  single(Gauge, 'config_files_refused', 'Files in ports.d and havips.d that are left out for their mistakes.', registry, () =>
    source.filesRefused(),
  );
  single(Gauge, 'config_last_reload_successful', '1 when the last configuration read was accepted.', registry, () =>
    source.reload().successful ? 1 : 0,
  );
  single(
    Gauge,
    'config_last_reload_success_timestamp_seconds',
    'When a configuration was last accepted.',
    registry,
    () => source.reload().succeededAtMs / 1000,
  );
  labelled(Gauge, 'build_info', 'Always 1; the label says which version runs.', ['version'], registry, (set) =>
    set({ version }, 1),
  );
}
