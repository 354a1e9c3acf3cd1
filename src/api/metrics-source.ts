/** The agent as Prometheus sees it: counters are read where they are kept, when a scrape asks. Main thread. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { cachedFor } from './cached.ts';
import { portFindingCounts } from './findings.ts';
import { newGlance } from '../ledger/glance.ts';
import { ABSORBED, KERNEL_DROPS } from '../lane/lane.ts';
import type { Agent } from '../agent/agent.ts';
import type { MetricsSource } from './metrics.ts';
import type { PortState } from './types.ts';
import { guardDroppedFor, stateOf } from './views.ts';

/** Walking all of them costs some milliseconds of 100,000, so seldom and in slices. */
const SILENT_MS = 5000;
const SLICE = 1000;

async function silentHolders({ network, ledger, clock }: Agent): Promise<number> {
  let silent = 0;
  const { havips } = network;
  const glance = newGlance();
  const nowNs = clock.nowNs();
  for (const [i, havip] of havips.entries()) {
    if (i % SLICE === SLICE - 1) await nextTurn();
    if (havip === null) continue;
    ledger.glance(havip.index, nowNs, glance);
    if (glance.silent) silent++;
  }
  return silent;
}

export function metricsSource(agent: Agent): Omit<MetricsSource, 'logLinesDropped' | 'notifications'> {
  const { ledger, reconciler, vswitch } = agent;
  return {
    frames: () => agent.workers?.framesByProtocol() ?? [],
    verdicts: () => agent.workers?.verdicts() ?? [],
    captureDrops: () => agent.workers?.tallies()[KERNEL_DROPS] ?? 0,
    eipPackets: () => ({ in: vswitch.eipPackets('in'), out: vswitch.eipPackets('out') }),
    eipErrors: () => agent.upkeep.outside?.errors ?? { readdressed: 0, 'over-budget': 0 },
    guardDropped: () => vswitch.guardDropped(),
    guardDroppedFor: () => guardDroppedFor(vswitch),
    claims: () => {
      const { takeover, refresh, resign, deferred } = ledger.counters.claims;
      return { takeover, refresh: refresh + (agent.workers?.tallies()[ABSORBED] ?? 0), release: resign, deferred };
    },
    bindings: () => ({
      ...ledger.bindingsByState(),
      ...(agent.sharing !== null && { provisional: agent.sharing.status.pending }),
    }),
    failovers: () => ledger.counters.failovers,
    silentHolders: cachedFor(SILENT_MS, () => silentHolders(agent)),
    bindingChanges: () => agent.outbox.changes,
    lastFailoverMs: () => agent.outbox.lastFailoverMs,
    holders: () => holdersOf(agent),
    migrations: () => ledger.counters.migrations,
    boundAfterOutage: () => ledger.counters.boundAfterOutage,
    assists: () => ledger.counters.assists,
    ports: () => countBy(agent.network.ports, (port) => (port === null ? null : stateOf(agent, port))),
    filesRefused: () => agent.refusedFiles.length,
    workerTurnAgesNs: () => agent.workers?.turnAgesNs() ?? [],
    programming: () => ({ driver: vswitch.name, attempts: reconciler.counters.attempts, failures: reconciler.counters.failures }),
    resyncs: () => reconciler.counters.resyncs,
    driftRepaired: () => reconciler.counters.driftRepaired,
    unguardedBridgePorts: () => agent.upkeep.strangers.unguarded,
    guardIneffectivePorts: () => agent.upkeep.bypasses.ports,
    reload: () => agent.reload,
    findings: () => ({ ...ledger.findingCounts, ...portFindingCounts(agent) }),
    store: () => {
      const { sharing } = agent;
      if (sharing === null) return null;
      const { state, pending, refusals, hosts } = sharing.status;
      const { transactions, relists, gaps, badValues, dbBytes } = sharing.fabric.counters;
      return {
        connected: state === 'synced',
        pending,
        transactions,
        relists,
        gaps,
        badValues,
        refusedBindings: refusals,
        dbBytes,
        hosts,
      };
    },
    services: () => agent.probing.services(agent.network),
    probes: () => agent.probing.results(agent.network),
  };
}

/** A series per HAVIP is for who has few. */
const HOLDERS_MOST = 1000;

function* holdersOf({ config, ledger, network, clock }: Agent) {
  if (!config.metrics.bindings || network.havips.length > HOLDERS_MOST) return;
  const nowNs = clock.nowNs();
  for (const havip of network.havips) {
    const view = havip === null ? null : ledger.view(havip.index, nowNs);
    if (view?.holder)
      yield { havip: view.id, vpc: view.vpc, instance: view.holder.instance, host: view.holder.host ?? 'unknown' };
  }
}

function countBy<T>(things: readonly T[], stateOfThing: (thing: T) => PortState | null): Record<PortState, number> {
  const counts: Record<PortState, number> = { captured: 0, down: 0, absent: 0, unknown: 0 };
  for (const thing of things) {
    const state = stateOfThing(thing);
    if (state !== null) counts[state]++;
  }
  return counts;
}
