/**
 * Lint of the tenant's set-up, computed when somebody asks: nothing here costs the path of a claim more than a time stamp.
 * Main thread, pure.
 *
 * A backup is silent in VRRP, so "only one member ever seen" means: one instance claimed or advertised, and no other instance
 * that may claim has a living port on this host or is known on another one.
 */
import { formatIpv4 } from '../base/address.ts';
import { interfaceAt, peersOf, uplinksOf } from '../base/elsewhere.ts';
import { formatMac, vridOf } from '../base/mac.ts';
import type { Havip, Network, Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { portsOf } from '../base/sorted.ts';
import { reasonOf, VERDICTS, type Reason } from '../base/verdict.ts';
import { slowSkew } from './advice.ts';
import type { Claimant } from './claimant.ts';
import { compareElected, isMaster, type Evidence, type Group, type Speaker } from './evidence.ts';
import { LIMITS, NEVER, NS_PER_MS } from './limits.ts';
import type { Links } from './links.ts';
import { announcersText, mastersText } from './overlap.ts';
import type { HavipRecord, RefusedClaim } from './record.ts';

const FINDING_KINDS = [
  'no-refresh',
  'vrid-shared',
  'interval-mismatch',
  'slow-skew',
  'long-interval',
  'vrrp-from-havip',
  'two-masters',
  'two-announcers',
  'master-not-announced',
  'two-macs',
  'holder-mute',
  'single-member',
  'one-host',
  'announced-after-release',
  'claim-refused',
  'foreign-vrrp',
  'vmac-conflict',
  'vmac-evpn',
  'fenced',
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  readonly kind: FindingKind;
  /** Id of the HAVIP. */
  readonly havip: string;
  /** What was seen and what to change. */
  readonly text: string;
}

export type FindingCounts = Record<FindingKind, number>;

/** keepalived's own default. */
const LONG_INTERVAL_MS = 1000;
const MOST_REFUSALS = 32;
/** keepalived before 2.0 announced first and advertised after that. */
const ANNOUNCED_FIRST_NS = 1000 * NS_PER_MS;
const WINDOW_NS = 3600e3 * NS_PER_MS;
/** Of another cluster's HAVIPs. */
const MOST_NAMED = 8;
/** Two clusters share a VRID if both advertised within this time. */
const SHARED_NS = 60e3 * NS_PER_MS;
/** keepalived's first announcements are over after garp_master_delay (5 s by default); a refresh comes after that, if ever. */
const FIRST_ANNOUNCEMENTS_NS = 10e3 * NS_PER_MS;
const NO_REFRESH_NS = 60e3 * NS_PER_MS;
/** A guest's kernel may answer for the address until keepalived has removed it. */
const CLEARED_NS = 100 * NS_PER_MS;
const FIXABLE: ReadonlySet<Reason> = new Set([
  'not-member',
  'foreign-subnet',
  'mac-mismatch',
  'vrrp-source',
  'vrrp-checksum',
  'vrrp-ttl',
  'source',
  'probe-taken',
  'foreign-vrrp',
  'vmac-held',
  'fence',
]);
/** Refusals that are an attack on the HAVIP, or look like one, rather than its own member's mistake. */
const KINDS: ReadonlyMap<Reason, FindingKind> = new Map([
  ['foreign-vrrp', 'foreign-vrrp'],
  ['vmac-held', 'vmac-conflict'],
  ['fence', 'fenced'],
]);

export interface FindingContext {
  readonly network: Network;
  readonly evidence: Evidence;
  readonly links: Links;
}

export function noteRefusal(record: HavipRecord, port: Port, verdict: number, fromHavip: boolean, atNs: number): void {
  const { instance, interface: name } = port;
  if (!FIXABLE.has(reasonOf(verdict))) return;
  const refusals = (record.refusals ??= []);
  const known = refusals.find((one) => one.interface === name && one.verdict === verdict && one.fromHavip === fromHavip);
  if (known !== undefined) known.atNs = atNs;
  else refusals.push({ instance, interface: name, verdict, fromHavip, atNs });
  if (refusals.length > MOST_REFUSALS) refusals.shift();
}

export function findingsOf(record: HavipRecord, { network, evidence, links }: FindingContext, atNs: number): Finding[] {
  const found: Finding[] = [];
  const add = (kind: FindingKind, text: string | null): void => {
    if (text !== null) found.push({ kind, havip: record.havip.id, text });
  };
  add('no-refresh', noRefresh(record, atNs));
  for (const group of groupsOf(record, evidence)) {
    add('vrid-shared', vridShared(record, group, network, atNs));
    add('interval-mismatch', intervalMismatch(record, group, atNs));
  }
  add('slow-skew', bestBackupsSkew(record, evidence));
  add('long-interval', longInterval(record));
  add('vrrp-from-havip', vrrpFromHavip(record, atNs));
  const masters = mastersText(record, atNs);
  add('two-masters', masters);
  if (masters === null) add('two-announcers', announcersText(record, formatIpv4(record.havip.address), atNs));
  add('holder-mute', holderMute(record, atNs));
  for (const claimant of record.claimants) {
    add('master-not-announced', notAnnounced(record, claimant, network, atNs));
    add('two-macs', twoMacs(record, claimant, atNs));
  }
  for (const text of placement(record.havip, record, network, links)) add(text.kind, text.text);
  add('announced-after-release', afterResign(record, atNs));
  add('vmac-evpn', virtualOverEvpn(record, network));
  for (const refusal of record.refusals ?? []) add(kindOfRefusal(refusal), refused(refusal, atNs));
  return found;
}

function groupsOf(record: HavipRecord, evidence: Evidence): Group[] {
  const groups = record.claimants.flatMap(({ speaker }) =>
    speaker === null ? [] : (evidence.group(record.havip.vpc, speaker.facts) ?? []),
  );
  return [...new Set(groups)];
}

function noRefresh(record: HavipRecord, atNs: number): string | null {
  const { holder, sinceNs } = record;
  if (holder === null || sinceNs === NEVER || atNs - sinceNs < NO_REFRESH_NS) return null;
  if (holder.lastNs - sinceNs > FIRST_ANNOUNCEMENTS_NS) return null;
  return `${holder.instance} has not announced the address again since it took over; an announcement that is lost then is lost for good: set garp_master_refresh`;
}

function vridShared(record: HavipRecord, group: Group, network: Network, atNs: number): string | null {
  const fresh = group.speakers.filter((speaker) => atNs - speaker.lastNs < SHARED_NS);
  const own = fresh.filter((speaker) => speaker.havips.has(record.havip.index));
  const other = fresh.find(
    (speaker) => own.length > 0 && speaker.havips.size > 0 && !own.some((one) => shareOne(one.havips, speaker.havips)),
  );
  if (other === undefined) return null;
  const some = [...other.havips].slice(0, MOST_NAMED).map((index) => network.havips[index]?.id ?? `#${index}`);
  const left = other.havips.size - some.length;
  const theirs = some.join(', ') + (left > 0 ? ` and ${left} more` : '');
  return `virtual_router_id ${group.vrid} is also used by ${other.instance} for ${theirs} in the same VPC; give each cluster its own`;
}

function shareOne(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const one of a) if (b.has(one)) return true;
  return false;
}

function intervalMismatch(record: HavipRecord, group: Group, atNs: number): string | null {
  const own = group.speakers.filter((speaker) => speaker.havips.has(record.havip.index) && atNs - speaker.lastNs < WINDOW_NS);
  const first = own[0];
  const other = own.find((speaker) => speaker.facts.intervalMs !== first?.facts.intervalMs);
  if (first === undefined || other === undefined) return null;
  return `${pace(first)}, ${pace(other)}: set the same advert_int on all members`;
}

/** Of the best backup whose priority is known, as far as anybody can know: backups are silent in VRRP. */
function bestBackupsSkew({ havip, holder }: HavipRecord, evidence: Evidence): string | null {
  const speaker = holder?.speaker ?? null;
  if (speaker === null) return null;
  let best: Speaker | null = null;
  for (const rival of evidence.group(havip.vpc, speaker.facts)?.speakers ?? []) {
    if (rival === speaker || rival.instance === speaker.instance || rival.priority === 0) continue;
    if (best === null || compareElected(rival, best) > 0) best = rival;
  }
  return best === null ? null : slowSkew(speaker, best, LIMITS);
}

function longInterval({ holder }: HavipRecord): string | null {
  const speaker = holder?.speaker ?? null;
  if (speaker === null || speaker.facts.intervalMs <= LONG_INTERVAL_MS) return null;
  const { intervalMs } = speaker.facts;
  return `${pace(speaker)}: a death that nobody tells of is noticed after three of them, ${(3 * intervalMs) / 1000} s and more; advert_int 1 makes it 3 s`;
}

function pace({ instance, facts }: Speaker): string {
  return `${instance} advertises each ${facts.intervalMs} ms`;
}

function vrrpFromHavip(record: HavipRecord, atNs: number): string | null {
  const refusal = record.refusals?.find((one) => one.fromHavip && atNs - one.atNs < WINDOW_NS);
  const claimant = record.claimants.find(({ speaker }) => speaker !== null && speaker.facts.source === record.havip.address);
  const instance = refusal?.instance ?? claimant?.instance;
  if (instance === undefined) return null;
  return `${instance} sends VRRP from the HAVIP ${formatIpv4(record.havip.address)} itself; set unicast_src_ip or mcast_src_ip to its own address`;
}

/** A master for two intervals: a third advert without an announcement. keepalived announces within milliseconds. */
function notAnnounced(record: HavipRecord, claimant: Claimant, network: Network, atNs: number): string | null {
  const { speaker } = claimant;
  if (speaker === null || claimant === record.holder || !isMaster(speaker, atNs)) return null;
  if (!speaker.havips.has(record.havip.index) || claimant.lastNs >= speaker.startNs - ANNOUNCED_FIRST_NS) return null;
  if (speaker.lastNs - speaker.startNs < 1.9 * speaker.facts.intervalMs * NS_PER_MS) return null;
  const name = interfaceAt(network, speaker.port) ?? 'a port that is gone';
  const seconds = Math.round((atNs - speaker.startNs) / 1e9);
  const address = formatIpv4(record.havip.address);
  return `${speaker.instance} on ${name} advertises as master for ${seconds} s, and no ARP for ${address} was seen from it: look whether it announces by another interface, or whether its ARP is filtered`;
}

function holderMute({ holder, round, havip }: HavipRecord, atNs: number): string | null {
  if (holder === null || round === null || round.muteNs === NEVER || holder.lastNs > round.muteNs) return null;
  const seconds = Math.round((atNs - round.muteNs) / 1e9);
  return `${holder.instance} goes on talking, and ${seconds} s ago it left three questions for ${formatIpv4(havip.address)} unanswered: look whether the address is still on its interface`;
}

function twoMacs(record: HavipRecord, { instance, mac, otherMac, otherMacNs }: Claimant, atNs: number): string | null {
  if (atNs - otherMacNs > WINDOW_NS) return null;
  const address = formatIpv4(record.havip.address);
  return `${instance} announces ${address} with ${formatMac(mac)} and answers for it with ${formatMac(otherMac)}: set net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2 in it`;
}

function placement(havip: Havip, record: HavipRecord, network: Network, links: Links): { kind: FindingKind; text: string }[] {
  const seen = new Set(record.claimants.map(({ instance }) => instance));
  if (seen.size === 0) return [];
  const here = new Set<string>();
  for (const port of portsOf(network, havip.subnet)) if (mayClaim(port, havip) && links.isUp(port.index)) here.add(port.instance);
  const expected = havip.members ?? [...seen];
  const all = new Set([...seen, ...here, ...peersOf(network, havip).map(({ instance }) => instance)]);
  if (all.size === 1) {
    return [
      {
        kind: 'single-member',
        text: `only ${[...all].join()} was ever seen: nobody takes over when it dies; start a second member`,
      },
    ];
  }
  if (expected.length < 2 || !expected.every((instance) => here.has(instance))) return [];
  return [{ kind: 'one-host', text: 'all members run on this host: spread them over hosts, or one failure takes all' }];
}

function afterResign(record: HavipRecord, atNs: number): string | null {
  const claimant = record.claimants.find(
    ({ speaker, afterResignNs }) =>
      speaker !== null && afterResignNs - speaker.resignedNs > CLEARED_NS && atNs - afterResignNs < WINDOW_NS,
  );
  if (claimant === undefined) return null;
  return `${claimant.instance} went on claiming the address after it had resigned (VRRP priority 0): remove the address from its interface`;
}

/** EVPN has no order between two that send from one MAC: each frame of either moves it, on all hosts. */
function virtualOverEvpn({ havip, binding, holder }: HavipRecord, network: Network): string | null {
  if (holder === null || binding === null || vridOf(binding.mac) === 0) return null;
  const uplink = uplinksOf(network, havip.vpc).find(({ fdb }) => fdb === 'evpn');
  if (uplink === undefined) return null;
  return `${holder.instance} holds it under ${formatMac(binding.mac)}, which EVPN moves with each frame of a member, and ${uplink.interface} has \`fdb: evpn\`: do without use_vmac there`;
}

function kindOfRefusal({ verdict }: RefusedClaim): FindingKind {
  return KINDS.get(reasonOf(verdict)) ?? 'claim-refused';
}

function refused(refusal: RefusedClaim, atNs: number): string | null {
  const reason = reasonOf(refusal.verdict);
  const row = VERDICTS[refusal.verdict];
  if (row === undefined || atNs - refusal.atNs > WINDOW_NS) return null;
  const who = KINDS.has(reason) ? `${refusal.instance} (${refusal.interface})` : refusal.instance;
  return `${who} is refused (${reason}): ${row.means}. ${row.opposite}`;
}

/** Records looked at in one call: half a millisecond's work. */
const RECORDS_PER_CALL = 512;
/** Places for records that nobody has spoken of yet cost next to nothing. */
const PLACES_PER_CALL = 16_384;

/** How many findings of each kind there are, counted a few records at a time: 100,000 at once would hold up the main thread for 0.1 s. */
export class Census {
  #counts = none();
  #counting = none();
  #place = 0;

  /** Of the last full round. */
  get counts(): Readonly<FindingCounts> {
    return this.#counts;
  }

  /** Counts on from where the last call stopped. */
  advance(records: readonly (HavipRecord | null)[], findings: (record: HavipRecord) => readonly Finding[]): void {
    const untilPlace = this.#place + PLACES_PER_CALL;
    for (let left = RECORDS_PER_CALL; this.#place < records.length && this.#place < untilPlace && left > 0; this.#place++) {
      const record = records[this.#place];
      if (record === null || record === undefined) continue;
      left--;
      for (const { kind } of findings(record)) this.#counting[kind]++;
    }
    if (this.#place >= records.length) {
      this.#counts = this.#counting;
      this.#counting = none();
      this.#place = 0;
    }
  }
}

function none(): FindingCounts {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.fromEntries forgets its keys
  return Object.fromEntries(FINDING_KINDS.map((kind) => [kind, 0])) as FindingCounts;
}
