/**
 * The agent as the API shows it: read-only, built when somebody asks. Main thread.
 */
import type { Refusal } from '../agent/refusals.ts';
import { formatIpv4 } from '../base/address.ts';
import { formatMac } from '../base/mac.ts';
import type { Havip, Port } from '../base/network.ts';
import { eipOf } from '../base/sorted.ts';
import { V, VERDICTS } from '../base/verdict.ts';
import type { Agent } from '../agent/agent.ts';
import { explainFrame } from '../filter/explain.ts';
import { failoverView } from '../ledger/view.ts';
import { Lists } from './list.ts';
import { Streams } from './stream.ts';
import { portFindings } from './findings.ts';
import { eipsOf, hostsOf, uplinksOf } from './surroundings.ts';
import type { HavipView, PortState, PortView, RefusalView, StatusView } from './types.ts';
import type { Metrics } from './metrics.ts';
import { recordingOf } from './recording.ts';
import type { HttpSource } from './routes.ts';
import { VERSION } from '../agent/version.ts';
import { COUNTED_REASONS, type CountedReason, type VSwitch } from '../vswitch/vswitch.ts';

/** @param notes what an operator should know beside what the agent says */
export function httpSource(agent: Agent, metrics: Metrics, notes: () => readonly string[] = () => []): HttpSource {
  const lists = listsOf(agent);
  const havip = (id: string) => {
    const named = lists.named(id);
    return named === null ? null : viewOf(agent, named, agent.clock.nowNs());
  };
  const streams = new Streams({
    havip,
    events: () => agent.outbox.events,
    onEvent: (listener) => agent.outbox.onEvent(listener),
  });
  return {
    healthy: () => agent.health.isTurning(),
    readiness: () => {
      const reason = agent.health.notReady();
      return reason === null ? { ready: true } : { ready: false, reason };
    },
    status: () => statusOf(agent, notes()),
    havips: () => havipsOf(agent),
    page: (query) => lists.page(query),
    havip,
    failovers: (id) => (lists.named(id) === null ? null : agent.outbox.history.of(id).map(failoverView)),
    ports: () => portsOf(agent),
    uplinks: () => uplinksOf(agent),
    eips: () => eipsOf(agent),
    hosts: () => hostsOf(agent),
    events: () => agent.outbox.events,
    explain: (name, frame, length) => {
      const port = agent.network.ports.find((one) => one?.interface === name) ?? null;
      const policy = agent.policy ?? undefined;
      return { port: name, ...explainFrame(agent.network, port, frame, { length, away: false }, policy) };
    },
    stream: (lastId) => streams.open(lastId),
    recording: (id) => {
      const named = lists.named(id);
      return named === null ? null : recordingOf(agent, named.index);
    },
    metrics: async () => ({ type: metrics.contentType, text: await metrics.scrape() }),
  };
}

function listsOf(agent: Agent): Lists {
  const { clock, ledger } = agent;
  return new Lists({
    network: () => agent.network,
    counts: () => ledger.bindingsByState(),
    look: (havip, nowNs, glance) => ledger.glance(havip, nowNs, glance),
    drawn: (havip) => (agent.network.havips[havip.index]?.id === havip.id ? viewOf(agent, havip, clock.nowNs()) : null),
    nowNs: () => clock.nowNs(),
  });
}

function statusOf(agent: Agent, notes: readonly string[]): StatusView {
  const reason = agent.health.notReady();
  return {
    host: agent.config.host.id,
    version: VERSION,
    mode: agent.config.mode,
    driver: agent.vswitch.name,
    ready: reason === null,
    reason,
    drops: dropsOf(agent),
    guardDropped: agent.vswitch.guardDropped(),
    uplinks: agent.config.uplinks.map(({ interface: name, vpc }) => ({ interface: name, vpc })),
    findings: portFindings(agent),
    ...(agent.sharing !== null && { store: storeOf(agent.sharing.status) }),
    notes: [
      ...agent.refusedFiles.map((file) => `${file} is refused for its mistakes; see \`havip-agent check\` and the log`),
      ...agent.leftOut,
      ...agent.waitsForRestart.map((key) => `a change of \`${key}\` waits for a restart`),
      ...cutNote(agent),
      ...agent.upkeep.notes,
      ...agent.vswitch.notes,
      ...(agent.workers?.notes ?? []),
      ...notes,
    ],
  };
}

/** What is longer than what capture keeps of a frame is not the guest's fault. */
function cutNote({ workers }: Agent): string[] {
  const cut = workers?.verdicts()[V.cut] ?? 0;
  if (cut === 0) return [];
  return [
    `${cut} ${cut === 1 ? 'frame was' : 'frames were'} longer than the part that capture keeps (504 bytes), and what decides was behind it: not judged, and no drop; list fewer addresses in each VRRP instance`,
  ];
}

function viewOf({ ledger, sharing, network }: Agent, havip: Havip, nowNs: number): HavipView | null {
  const drawn = ledger.view(havip.index, nowNs);
  const eip = eipOf(network, havip.index);
  const view = drawn === null || eip === null ? drawn : { ...drawn, eip: formatIpv4(eip.address) };
  if (view === null || sharing === null) return view;
  const { revision = 0, provisional = false } = sharing.view(havip) ?? {};
  return { ...view, revision, provisional: provisional || (view.holder !== null && revision === 0) };
}

/** Of redirects the agent sees those of IPv6; of no port is also what comes from one that was taken out of the configuration. */
const SEEN_BY_BOTH: ReadonlySet<string> = new Set(['redirect', 'unknown-port']);

/** Where the kernel alone sees what is dropped, its count stands for the agent's. */
function dropsOf(agent: Agent): Record<string, number> {
  const drops = nonZero(agent.workers?.verdicts() ?? [], false);
  for (const [reason, frames] of Object.entries(guardDroppedFor(agent.vswitch)))
    if (frames > 0) drops[reason] = frames + (SEEN_BY_BOTH.has(reason) ? (drops[reason] ?? 0) : 0);
  return drops;
}

export function guardDroppedFor(vswitch: VSwitch): Record<CountedReason, number> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.fromEntries forgets its keys
  return Object.fromEntries(COUNTED_REASONS.map((reason) => [reason, vswitch.droppedFor(reason)])) as Record<
    CountedReason,
    number
  >;
}

function* havipsOf(agent: Agent): Iterable<HavipView> {
  const nowNs = agent.clock.nowNs();
  for (const havip of agent.network.havips) {
    const view = havip === null ? null : viewOf(agent, havip, nowNs);
    if (view !== null) yield view;
  }
}

function* portsOf(agent: Agent): Iterable<PortView> {
  for (const port of agent.network.ports) {
    if (port === null) continue;
    yield {
      interface: port.interface,
      instance: port.instance,
      vpc: agent.network.vpcs[port.vpc]?.id ?? '',
      subnet: agent.network.subnets[port.subnet]?.id ?? '',
      mac: formatMac(port.mac),
      addresses: [...port.addresses.map(formatIpv4), ...port.addresses6],
      state: stateOf(agent, port),
      verdicts: nonZero(agent.workers?.verdictsOf(port.index) ?? [], null),
      refused: agent.outbox.refusals.of(port.index).map((one) => aged(one, agent.clock.wallMs())),
    };
  }
}

function storeOf({
  state,
  why,
  pending,
  hosts,
  revision,
}: NonNullable<Agent['sharing']>['status']): NonNullable<StatusView['store']> {
  return { state, why, pending, hosts, revision };
}

export function stateOf(agent: Agent, port: Port): PortState {
  const state = agent.ledger.linkState(port.index);
  return state === 'up' ? 'captured' : (state ?? 'unknown');
}

/** Counts by reason: drops only (false), accepts only (true), or all (null). */
function nonZero(counts: ArrayLike<number>, pass: boolean | null): Record<string, number> {
  const byReason: Record<string, number> = {};
  for (const [i, row] of VERDICTS.entries()) {
    const count = counts[i] ?? 0;
    if (count > 0 && (pass === null || row.pass === pass)) byReason[row.name] = count;
  }
  return byReason;
}

function aged(refusal: Refusal, nowMs: number): RefusalView {
  return { ...refusal, agoMs: Math.max(0, nowMs - Date.parse(refusal.at)) };
}
