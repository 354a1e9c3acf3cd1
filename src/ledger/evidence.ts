/**
 * What VRRP adverts say, per (VPC, VRID, address family): who speaks as master, with what priority and interval, since when.
 * Adverts are evidence, ARP is the claim: `virtual_ipaddress_excluded` announces addresses that no advert lists, so a speaker
 * is also found by its instance. Backups are silent in VRRP; they are known only from a time when they were master.
 *
 * RFC 9568, 6.1: Skew_Time = ((256 - priority) * interval) / 256; keepalived's v2 takes (256 - priority) / 256 s whatever the
 * interval. Main thread, called once per advert: no allocation for a known speaker.
 */
import { randomInt } from 'node:crypto';
import type { Claim, VrrpFacts } from '../lane/claim.ts';
import { NEVER, NS_PER_MS } from './limits.ts';

/** One receiver's advert as it was on the wire, for an assisted resign. May hold a password: never in a view, event or record. */
export interface RawAdvert {
  readonly destination: number;
  frame: Uint8Array;
}

export interface Speaker {
  readonly instance: string;
  port: number;
  facts: VrrpFacts;
  /** First advert since it last was silent, resigned or lost its link: the start of its mastership. */
  startNs: number;
  /** Last advert with a priority above 0. */
  lastNs: number;
  /** Longest time between two adverts of this mastership, capped at twice the interval it states. */
  gapMs: number;
  /** Last advert with priority 0. */
  resignedNs: number;
  /** Priority before it resigned. */
  priority: number;
  /** Of its password and of the addresses that it lists, to be compared with another's in this process alone; 0: none was seen. */
  passwordMark: number;
  listMark: number;
  /** When the agent resigned in its name; once per death. */
  assistedNs: number;
  /** HAVIPs that its adverts list. */
  readonly havips: Set<number>;
  /** When the frame was captured that was noted last, and what it was. */
  notedNs: number;
  noted: Claim['kind'];
  /** Only where some HAVIP asks for `assist: resign`; one per unicast peer, at most MAX_PEERS. */
  readonly raw: RawAdvert[];
}

export interface Group {
  readonly vpc: number;
  readonly vrid: number;
  readonly family: 'ipv4' | 'ipv6';
  readonly speakers: Speaker[];
}

type Router = Pick<VrrpFacts, 'vrid' | 'family'>;

function keyOf(vpc: number, { vrid, family }: Router): number {
  return vpc * 512 + (family === undefined ? 0 : 256) + vrid;
}

const MAX_SPEAKERS = 16;
const MAX_PEERS = 10;
/** An advert lists 255 at most; who lists others in each keeps those that it listed first. */
const MOST_HAVIPS = 1024;
/** A stalled hypervisor must not look like a dead guest, however short the interval. */
const LEAST_SILENCE_MS = 400;

/** Time without adverts after which this master counts as silent: its own Master_Down_Interval, at least 400 ms. */
export function silenceMs(speaker: Speaker): number {
  const intervalMs = Math.max(speaker.facts.intervalMs, speaker.gapMs);
  const skewMs = ((256 - speaker.priority) / 256) * (speaker.facts.version === 2 ? 1000 : intervalMs);
  return Math.max(3 * intervalMs + skewMs, LEAST_SILENCE_MS);
}

export function hasResigned(speaker: Speaker): boolean {
  return speaker.resignedNs !== NEVER && speaker.resignedNs >= speaker.lastNs;
}

/** Speaks as master at this time, as far as adverts tell; the link is not looked at. */
export function isMaster(speaker: Speaker, atNs: number): boolean {
  return !hasResigned(speaker) && atNs - speaker.lastNs <= silenceMs(speaker) * NS_PER_MS;
}

/** VRRP's election: higher priority, then higher primary address. Above 0 when `a` wins. */
export function compareElected(a: Speaker, b: Speaker): number {
  return a.priority - b.priority || a.facts.source - b.facts.source;
}

export class Evidence {
  readonly #groups = new Map<number, Group>();
  /** By VPC and instance, for HAVIPs that are announced but not listed in any advert. */
  readonly #byInstance = new Map<number, Map<string, Speaker[]>>();

  /** Of a virtual router: VRIDs of IPv4 and IPv6 are apart. */
  group(vpc: number, router: Router): Group | null {
    return this.#groups.get(keyOf(vpc, router)) ?? null;
  }

  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  /**
   * The one speaker of this instance, if its adverts name a single virtual router: then all it announces belongs to that. One over IPv6
   * is that only where there is none over IPv4.
   */
  soleSpeaker(vpc: number, instance: string): Speaker | null {
    const all = this.#byInstance.get(vpc)?.get(instance) ?? [];
    const over4 = all.filter(({ facts }) => facts.family === undefined);
    const speakers = over4.length > 0 ? over4 : all;
    return speakers.length === 1 ? (speakers[0] ?? null) : null;
  }

  /**
   * Notes an advert or a resignation.
   * @param lostNs when the sender's link was last lost: what came before belongs to an earlier mastership
   */
  note(claim: Claim, facts: VrrpFacts, vpc: number, instance: string, lostNs: number, keepRaw: boolean): Speaker {
    const speaker = this.#speaker(vpc, facts, instance, claim);
    const atNs = claim.capturedNs;
    if (claim.havip >= 0 && speaker.havips.size < MOST_HAVIPS) speaker.havips.add(claim.havip);
    // One of several HAVIPs that the same frame lists: all else is noted.
    if (speaker.notedNs === atNs && speaker.noted === claim.kind && speaker.port === claim.port && !keepRaw) return speaker;
    [speaker.notedNs, speaker.noted] = [atNs, claim.kind];
    if (claim.kind === 'resign') {
      speaker.resignedNs = Math.max(speaker.resignedNs, atNs);
    } else if (atNs > speaker.lastNs) {
      const goesOn = isMaster(speaker, atNs) && lostNs <= speaker.lastNs;
      if (goesOn) speaker.gapMs = Math.max(speaker.gapMs, Math.min((atNs - speaker.lastNs) / NS_PER_MS, 2 * facts.intervalMs));
      else [speaker.startNs, speaker.gapMs] = [atNs, 0];
      speaker.lastNs = atNs;
      speaker.priority = facts.priority;
    }
    speaker.port = claim.port;
    speaker.facts = facts;
    if (claim.kind === 'advert' && speaker.startNs === atNs) markMessage(speaker, claim.rawFrame ?? claim.frame);
    if (keepRaw && claim.kind === 'advert') keepFrame(speaker, facts, claim.rawFrame ?? claim.frame);
    return speaker;
  }

  /** Forgets speakers that name a HAVIP or port which is no more. */
  retain(keeps: (speaker: Speaker) => boolean): void {
    for (const [key, group] of this.#groups) {
      removeUnless(group.speakers, keeps);
      if (group.speakers.length === 0) this.#groups.delete(key);
    }
    for (const [vpc, instances] of this.#byInstance) {
      for (const [instance, speakers] of instances) {
        removeUnless(speakers, keeps);
        if (speakers.length === 0) instances.delete(instance);
      }
      if (instances.size === 0) this.#byInstance.delete(vpc);
    }
  }

  #speaker(vpc: number, facts: VrrpFacts, instance: string, claim: Claim): Speaker {
    const key = keyOf(vpc, facts);
    let group = this.#groups.get(key);
    if (group === undefined)
      this.#groups.set(key, (group = { vpc, vrid: facts.vrid, family: facts.family ?? 'ipv4', speakers: [] }));
    const known = group.speakers.find((speaker) => speaker.instance === instance);
    if (known !== undefined) return known;
    const speaker: Speaker = {
      instance,
      port: claim.port,
      facts,
      startNs: NEVER,
      lastNs: NEVER,
      gapMs: 0,
      resignedNs: NEVER,
      priority: facts.priority,
      passwordMark: 0,
      listMark: 0,
      assistedNs: NEVER,
      havips: new Set(),
      notedNs: NEVER,
      noted: 'refused',
      raw: [],
    };
    this.#of(vpc, instance).push(speaker);
    if (group.speakers.length >= MAX_SPEAKERS) this.#forget(quietest(group.speakers), group);
    group.speakers.push(speaker);
    return speaker;
  }

  #forget(speaker: Speaker, group: Group): void {
    const others = (one: Speaker): boolean => one !== speaker;
    removeUnless(group.speakers, others);
    removeUnless(this.#of(group.vpc, speaker.instance), others);
  }

  #of(vpc: number, instance: string): Speaker[] {
    let instances = this.#byInstance.get(vpc);
    if (instances === undefined) this.#byInstance.set(vpc, (instances = new Map()));
    let speakers = instances.get(instance);
    if (speakers === undefined) instances.set(instance, (speakers = []));
    return speakers;
  }
}

/** Differs with every start of the process, so that a mark says nothing of what it was made of. */
const SALT = randomInt(1, 2 ** 31);

/** The list and the password of a version 2 or 3 message over IPv4, 0 where the frame is cut. */
function markMessage(speaker: Speaker, frame: Uint8Array): void {
  if (speaker.facts.family !== undefined) return;
  const signed = frame[23] === 51;
  const message = 14 + ((frame[14] ?? 0) & 15) * 4 + (signed ? 24 : 0);
  const listEnd = message + 8 + 4 * (frame[message + 3] ?? 0);
  speaker.listMark = markOf(frame, message + 8, listEnd);
  speaker.passwordMark = speaker.facts.auth === 'pass' ? markOf(frame, listEnd, listEnd + 8) : 0;
}

function markOf(frame: Uint8Array, from: number, to: number): number {
  if (to > frame.length) return 0;
  let mark = SALT;
  for (let i = from; i < to; i++) mark = Math.imul(mark ^ (frame[i] ?? 0), 0x0100_0193);
  return mark;
}

function keepFrame(speaker: Speaker, facts: VrrpFacts, frame: Uint8Array): void {
  const known = speaker.raw.find((advert) => advert.destination === facts.destination);
  if (known !== undefined) known.frame = frame;
  else if (speaker.raw.length < MAX_PEERS) speaker.raw.push({ destination: facts.destination, frame });
}

function quietest(speakers: readonly Speaker[]): Speaker {
  return speakers.reduce((quiet, speaker) => (speaker.lastNs < quiet.lastNs ? speaker : quiet));
}

function removeUnless<T>(list: T[], keeps: (item: T) => boolean): void {
  let kept = 0;
  for (const item of list) if (keeps(item)) list[kept++] = item;
  list.length = kept;
}
