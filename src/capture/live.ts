/**
 * Live capture of many ports in one thread: one tap per interface, and one epoll for all taps, rtnetlink and a wake-up, so that a
 * host with a thousand idle ports costs nothing. What a tap is (kernel ring, libpcap child) is the caller's choice.
 *
 * Fairness is epoll's own: level-triggered, a port with frames left over goes behind all other ready ones, and one wait() reports
 * a limited number. A list of leftovers kept here was tried and lost: it served floods before the newly ready.
 */
import { Epoll } from '../abi/epoll.ts';
import * as libc from '../abi/libc.ts';
import type { Link } from '../abi/rtnetlink.ts';
import { assert } from '../base/assert.ts';
import { type LinkState, MAX_PORTS } from '../base/network.ts';
import { PROTOCOLS } from '../base/verdict.ts';
import { PortLinks } from './links.ts';
import type { FrameSink, FrameSource, LinkSink } from './source.ts';
import type { Tap, TapKind } from './tap.ts';

export interface LiveOptions {
  /** An eventfd that wakes wait(); it stays the caller's. Without it the source makes one. */
  readonly wakeFd?: number;
  /** A port could not be opened, for the log: one line. The source tries again by itself. */
  readonly onTrouble?: (port: number, message: string) => void;
}

interface Slot<T> {
  readonly port: number;
  readonly name: string;
  ifindex: number;
  state: LinkState;
  /** As lostCarriers() says. */
  carriers: number;
  /** Its first state has been told, or is about to be. */
  reported: boolean;
  tap: T | null;
  /** Lost and policed (by protocol) by taps that are closed already. */
  closedDrops: number;
  readonly closedPoliced: number[];
  /** Openings that failed in a row, and when to try again. */
  failures: number;
  retryAtMs: number;
}

const READY_MOST = 256;
const WAKE = -1;
const LINKS = -2;
/** What is drained before a change: more than any ring holds, yet a flood cannot hold the change up. */
const LAST_FRAMES = 65_536;
const RETRY_FIRST_MS = 100;
const RETRY_MOST_MS = 5_000;

export class LiveSource<T extends Tap> implements FrameSource {
  /** An eventfd: signalEvent() on it ends a wait(), from any thread. */
  readonly wakeFd: number;
  readonly #kind: TapKind<T>;
  readonly #options: LiveOptions;
  readonly #epoll = new Epoll(READY_MOST);
  readonly #links = new PortLinks();
  readonly #slots: (Slot<T> | null)[] = [];
  /** Ports attached since the last drain(), whose state is still to be told. */
  readonly #unreported = new Set<Slot<T>>();
  readonly #broken = new Set<Slot<T>>();
  /** Wanted, but their tap is not to be had yet. */
  readonly #waiting = new Set<Slot<T>>();
  readonly #wakeCount = new BigUint64Array(1);
  /** Ready descriptors that the last wait() found; -1 once drained. */
  #ready = -1;
  #onUplinkFrame: FrameSink = () => {};

  constructor(kind: TapKind<T>, options: LiveOptions = {}) {
    this.#kind = kind;
    this.#options = options;
    this.wakeFd = options.wakeFd ?? libc.eventfd();
    this.#epoll.add(this.wakeFd, WAKE);
    this.#epoll.add(this.#links.fd, LINKS);
  }

  attach(port: number, name: string): void {
    assert((this.#slots[port] ?? null) === null, `port ${port} is attached once`);
    while (this.#slots.length < port) this.#slots.push(null);
    const slot: Slot<T> = {
      port,
      name,
      ifindex: 0,
      state: 'absent',
      carriers: -1,
      reported: false,
      tap: null,
      ...newLosses(),
      failures: 0,
      retryAtMs: 0,
    };
    this.#slots[port] = slot;
    const link = this.#links.follow(port, name);
    slot.ifindex = link?.index ?? 0;
    slot.state = stateOf(link);
    slot.carriers = lostCarriers(link);
    if (this.#wanted(slot)) this.#openTap(slot);
    this.#report(slot);
  }

  /** A port counts as attached when it is heard. */
  #report(slot: Slot<T>): void {
    if (!slot.reported && !this.#waiting.has(slot)) this.#unreported.add(slot);
    slot.reported ||= this.#unreported.has(slot);
  }

  /** How many taps are wanted that open() could not give yet. */
  protected get waiting(): number {
    return this.#waiting.size;
  }

  /** Tries these again. */
  protected openWaiting(): void {
    for (const slot of this.#waiting) {
      this.#openTap(slot);
      if (this.#waiting.has(slot)) return;
      this.#report(slot);
    }
  }

  detach(port: number): void {
    const slot = this.#slots[port];
    if (slot === null || slot === undefined) return;
    this.#links.unfollow(slot.name);
    this.#closeTap(slot);
    this.#unreported.delete(slot);
    this.#slots[port] = null;
  }

  wait(timeoutMs: number): void {
    this.#ready = this.#epoll.wait(this.#unreported.size > 0 ? 0 : this.#untilRetryMs(timeoutMs));
  }

  drain(onFrame: FrameSink, onLink: LinkSink, budgetPerPort: number, onUplinkFrame = onFrame): number {
    this.#onUplinkFrame = onUplinkFrame;
    const ready = this.#ready >= 0 ? this.#ready : this.#epoll.wait(0);
    this.#ready = -1;
    let frames = this.#reportChanges(ready, onFrame, onLink);
    for (let i = 0; i < ready; i++) {
      const port = this.#epoll.ready(i);
      const slot = port >= 0 ? this.#slots[port] : null;
      if (slot?.tap === null || slot?.tap === undefined) continue;
      frames += slot.tap.drain(port, this.#sinkOf(slot, onFrame), budgetPerPort);
      if (slot.tap.broken !== null) this.#fail(slot, slot.tap.broken);
      else slot.failures = 0;
    }
    return frames;
  }

  #sinkOf(slot: Slot<T>, onFrame: FrameSink): FrameSink {
    return slot.port >= MAX_PORTS ? this.#onUplinkFrame : onFrame;
  }

  #reportChanges(ready: number, onFrame: FrameSink, onLink: LinkSink): number {
    let frames = 0;
    for (const slot of this.#unreported) onLink(slot.port, slot.state, slot.ifindex, slot.carriers);
    this.#unreported.clear();
    for (let i = 0; i < ready; i++) {
      const data = this.#epoll.ready(i);
      if (data === WAKE) libc.read(this.wakeFd, this.#wakeCount);
      if (data === LINKS) {
        this.#links.drain((port, link) => {
          const slot = this.#slots[port];
          if (slot !== null && slot !== undefined) frames += this.#change(slot, link, onFrame, onLink);
        });
      }
    }
    if (this.#broken.size > 0) this.#retry();
    return frames;
  }

  /** Frames that wait were sent before the change, and are handed over before it: a claim must not seem to come from a dead port. */
  #change(slot: Slot<T>, link: Link | null, onFrame: FrameSink, onLink: LinkSink): number {
    const ifindex = link?.index ?? 0;
    const state = stateOf(link);
    if (ifindex === slot.ifindex && state === slot.state) return 0;
    const frames = slot.tap?.drain(slot.port, this.#sinkOf(slot, onFrame), LAST_FRAMES) ?? 0;
    if (ifindex !== slot.ifindex || (state !== 'up' && !this.#kind.whileDown)) this.#closeTap(slot);
    slot.ifindex = ifindex;
    slot.state = state;
    slot.carriers = lostCarriers(link);
    if (slot.tap === null && this.#wanted(slot)) {
      slot.failures = 0;
      this.#openTap(slot);
    }
    slot.reported = true;
    onLink(slot.port, state, ifindex, slot.carriers);
    return frames;
  }

  #wanted(slot: Slot<T>): boolean {
    return slot.state === 'up' || (slot.state === 'down' && this.#kind.whileDown);
  }

  #openTap(slot: Slot<T>): void {
    this.#broken.delete(slot);
    this.#waiting.delete(slot);
    try {
      slot.tap = this.#kind.open(slot.ifindex, slot.name, slot.port >= MAX_PORTS);
      if (slot.tap === null) this.#waiting.add(slot);
      else this.#epoll.add(slot.tap.fd, slot.port);
    } catch (error) {
      if (!(error instanceof libc.SystemError)) throw error;
      this.#fail(slot, error.message);
    }
  }

  #closeTap(slot: Slot<T>): void {
    this.#broken.delete(slot);
    this.#waiting.delete(slot);
    if (slot.tap === null) return;
    slot.closedDrops += slot.tap.drops();
    for (const protocol of PROTOCOLS.keys()) slot.closedPoliced[protocol]! += slot.tap.policed(protocol);
    this.#epoll.remove(slot.tap.fd);
    this.#kind.close(slot.tap);
    slot.tap = null;
  }

  /** Most first failures are an interface on its way out, of which rtnetlink tells in a moment; the second in a row is trouble. */
  #fail(slot: Slot<T>, message: string): void {
    this.#closeTap(slot);
    if (slot.failures === 1) this.#options.onTrouble?.(slot.port, `${slot.name}: ${message}`);
    slot.retryAtMs = performance.now() + Math.min(RETRY_FIRST_MS * 2 ** slot.failures, RETRY_MOST_MS);
    slot.failures++;
    this.#broken.add(slot);
  }

  #retry(): void {
    const nowMs = performance.now();
    for (const slot of this.#broken) if (slot.retryAtMs <= nowMs) this.#openTap(slot);
  }

  #untilRetryMs(timeoutMs: number): number {
    let untilMs = timeoutMs < 0 ? Infinity : timeoutMs;
    for (const slot of this.#broken) untilMs = Math.min(untilMs, Math.max(0, Math.ceil(slot.retryAtMs - performance.now())));
    return untilMs === Infinity ? -1 : untilMs;
  }

  drops(port: number): number {
    const slot = this.#slots[port];
    return slot === null || slot === undefined ? 0 : slot.closedDrops + (slot.tap?.drops() ?? 0);
  }

  policed(port: number, protocol: number): number {
    const slot = this.#slots[port];
    return slot === null || slot === undefined ? 0 : slot.closedPoliced[protocol]! + (slot.tap?.policed(protocol) ?? 0);
  }

  close(): void {
    for (const slot of this.#slots) if (slot !== null) this.detach(slot.port);
    this.#links.close();
    this.#epoll.close();
    if (this.#options.wakeFd === undefined) libc.close(this.wakeFd);
  }
}

function newLosses(): Pick<Slot<Tap>, 'closedDrops' | 'closedPoliced'> {
  return { closedDrops: 0, closedPoliced: PROTOCOLS.map(() => 0) };
}

function stateOf(link: Link | null): LinkState {
  if (link === null) return 'absent';
  return link.up && link.carrier ? 'up' : 'down';
}

/** How often an interface that lacks nothing but a carrier has had one; else -1. */
function lostCarriers(link: Link | null): number {
  return link?.up === true && !link.carrier ? link.carriers : -1;
}
