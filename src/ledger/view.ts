/** What people and scripts see of one HAVIP: the shapes of `GET /api/v1/havips`. Main thread, pure, JSON without further ado. */
import { formatIpv4 } from '../base/address.ts';
import { UNKNOWN } from '../base/binding.ts';
import { interfaceAt } from '../base/elsewhere.ts';
import { formatMac } from '../base/mac.ts';
import type { Havip, Network } from '../base/network.ts';
import { whyNotReady } from './assist.ts';
import type { Book } from './book.ts';
import { isSustained, lastSignNs, type Claimant, type Elsewhere } from './claimant.ts';
import type { Failover, Cause } from './effects.ts';
import { compareElected, hasResigned, isMaster, type Speaker } from './evidence.ts';
import { findingsOf, type Finding } from './findings.ts';
import type { Evidence } from './evidence.ts';
import { NEVER, NS_PER_MS } from './limits.ts';
import type { Links } from './links.ts';
import type { HavipRecord } from './record.ts';

export interface EvidenceView {
  readonly instance: string;
  readonly interface: string | null;
  readonly vrid: number;
  readonly family: 'ipv4' | 'ipv6';
  readonly state: 'master' | 'resigned' | 'silent';
  readonly version: 2 | 3;
  readonly priority: number;
  readonly source: string;
  readonly intervalMs: number;
  readonly checksum: string;
  readonly auth: string;
  readonly unicast: boolean;
  /** HAVIPs that its adverts list. */
  readonly havips: readonly string[];
  readonly lastAdvertAgoMs: number | null;
}

export interface HavipView {
  readonly id: string;
  readonly vpc: string;
  readonly subnet: string;
  readonly address: string;
  readonly state: 'bound' | 'unbound';
  /** `host` null: another one, and nobody told which. */
  readonly holder: {
    readonly instance: string;
    readonly interface: string;
    readonly mac: string;
    readonly host: string | null;
  } | null;
  /** Since the holder's last claim or advert; null: none was seen, or nobody holds it. */
  readonly lastSeenAgoMs: number | null;
  /** Something is wrong with the holder and a member may be on another host: the switch does not point at it now. */
  readonly letGo: boolean;
  /** Of the last change of the binding; null: there was none yet. */
  readonly since: string | null;
  readonly epoch: number;
  readonly failovers: number;
  readonly lastFailover: (Pick<Failover, 'at' | 'from' | 'to' | 'phasesMs' | 'advice'> & { cause: Cause }) | null;
  readonly contested: boolean;
  /** While contested: what each side says. */
  readonly sides: readonly string[];
  readonly pending: string | null;
  readonly evidence: readonly EvidenceView[];
  /** Who is expected to take over, as far as anybody can know: VRRP backups are silent. */
  readonly successor: string | null;
  /** Present with `assist`: `ready`, or why it is impossible now. */
  readonly assist: string | null;
  readonly findings: readonly Finding[];
}

export interface ViewContext extends Pick<Book, 'look' | 'pulses'> {
  readonly network: Network;
  readonly evidence: Evidence;
  readonly links: Links;
  readonly host: string;
}

export function viewOf(record: HavipRecord, context: ViewContext, atNs: number): HavipView {
  const { havip, holder, binding, contest } = record;
  const { network } = context;
  const contested = contest !== null && contest.contestedNs !== NEVER;
  return {
    id: havip.id,
    vpc: network.vpcs[havip.vpc]?.id ?? '',
    subnet: network.subnets[havip.subnet]?.id ?? '',
    address: formatIpv4(havip.address),
    state: holder === null ? 'unbound' : 'bound',
    holder:
      holder === null || binding === null
        ? null
        : {
            instance: binding.instance,
            interface: binding.interface,
            mac: formatMac(binding.mac),
            host: binding.host === UNKNOWN ? null : (binding.host ?? context.host),
          },
    lastSeenAgoMs: holder === null || lastSignNs(holder) === NEVER ? null : agoMs(lastSignNs(holder), atNs),
    letGo: record.letGo,
    since: record.epoch === 0 ? null : new Date(record.sinceMs).toISOString(),
    epoch: record.epoch,
    failovers: record.failovers,
    lastFailover: record.lastFailover === null ? null : failoverView(record.lastFailover),
    contested,
    sides: contested ? sidesOf(record, context, atNs) : [],
    pending: contest?.pending?.instance ?? null,
    evidence: record.claimants.flatMap(({ speaker }) => (speaker === null ? [] : [evidenceView(speaker, network, atNs)])),
    successor: successorOf(record, context)?.instance ?? null,
    assist: havip.assist === null ? null : (whyNotReady(record, context) ?? 'ready'),
    findings: findingsOf(record, context, atNs),
  };
}

export function failoverView({ at, from, to, cause, phasesMs, advice }: Failover): NonNullable<HavipView['lastFailover']> {
  return { at, from, to, cause, phasesMs: { ...phasesMs }, advice };
}

/** Of IPv6 the end is known. */
function sourceText({ family, source }: Speaker['facts']): string {
  if (family === undefined) return formatIpv4(source);
  return `IPv6, ending in ${(source >>> 16).toString(16)}:${(source & 0xffff).toString(16)}`;
}

function evidenceView(speaker: Speaker, network: Network, atNs: number): EvidenceView {
  const { facts } = speaker;
  return {
    instance: speaker.instance,
    interface: interfaceAt(network, speaker.port),
    vrid: facts.vrid,
    family: facts.family ?? 'ipv4',
    state: hasResigned(speaker) ? 'resigned' : isMaster(speaker, atNs) ? 'master' : 'silent',
    version: facts.version,
    priority: speaker.priority,
    source: sourceText(facts),
    intervalMs: facts.intervalMs,
    checksum: facts.checksum,
    auth: facts.auth,
    unicast: facts.unicast,
    havips: [...speaker.havips].map((index) => network.havips[index]?.id ?? `#${index}`),
    lastAdvertAgoMs: speaker.lastNs === NEVER ? null : agoMs(speaker.lastNs, atNs),
  };
}

/** One line for each instance that was heard of, the holder first. */
export function sidesOf(record: HavipRecord, { network, links }: ViewContext, atNs: number): string[] {
  const sides = record.claimants.filter((claimant) => lastSignNs(claimant) !== NEVER);
  sides.sort((a, b) => Number(b === record.holder) - Number(a === record.holder));
  return sides.map((claimant) => {
    const parts = [`${claimant.instance} on ${placeOf(claimant, network)}`];
    if (claimant === record.holder) parts.push('holds it');
    if (!links.isUp(claimant.port)) parts.push('link down');
    parts.push(claimText(claimant, atNs), ...advertText(claimant.speaker, atNs));
    return parts.join(', ');
  });
}

function placeOf({ port, elsewhere }: Claimant, network: Network): string {
  return elsewhere === null ? (network.ports[port]?.interface ?? 'a port that is gone') : beyond(elsewhere);
}

function beyond({ host, uplink }: Elsewhere): string {
  return host === UNKNOWN ? `another host, beyond ${uplink}` : `host ${host}`;
}

function claimText(claimant: Claimant, atNs: number): string {
  if (claimant.lastNs === NEVER) return 'never announced it';
  const pace = isSustained(claimant) ? `announces each ${Math.round(claimant.periodMs)} ms, ` : '';
  return `${pace}last announced ${agoMs(claimant.lastNs, atNs)} ms ago`;
}

function advertText(speaker: Speaker | null, atNs: number): string[] {
  if (speaker === null) return ['no VRRP'];
  const says = hasResigned(speaker) ? 'resigned' : isMaster(speaker, atNs) ? 'says it is master' : 'adverts stopped';
  return [`VRRP ${says}`, `priority ${speaker.priority}`, `address ${sourceText(speaker.facts)}`];
}

/** The best known rival by VRRP election, else the one unicast peer of the holder's adverts. */
function successorOf(record: HavipRecord, { network, links }: ViewContext): { instance: string } | null {
  const speaker = record.holder?.speaker ?? null;
  if (speaker === null) return null;
  let best: Speaker | null = null;
  for (const claimant of record.claimants) {
    const rival = claimant.speaker;
    if (rival === null || claimant === record.holder || !links.isUp(claimant.port)) continue;
    if (best === null || compareElected(rival, best) > 0) best = rival;
  }
  return best ?? (speaker.facts.unicast ? ownerOf(record.havip, network, speaker.facts.destination) : null);
}

function ownerOf(havip: Havip, network: Network, address: number): { instance: string } | null {
  const owns = network.ports.find((port) => port !== null && port.vpc === havip.vpc && port.addresses.includes(address));
  return owns ?? null;
}

function agoMs(thenNs: number, atNs: number): number {
  return Math.max(0, Math.round((atNs - thenNs) / NS_PER_MS));
}
