/**
 * Reachability: ICMP echo from the gateway's interface to a HAVIP. The proof that traffic flows, not only that tables agree. Main
 * thread. The sockets are echo.ts's.
 *
 * A heartbeat each second; right after a change a burst every 2 ms until the first reply, whose arrival ends the failover's
 * `reachable` phase. A reply counts for a burst only when its echo was sent after the burst began: an old holder's late answer
 * proves nothing.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { formatIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { messageOf } from '../base/failure.ts';
import type { Network } from '../base/network.ts';
import type { EchoSocket, OpenEcho } from './echo.ts';

const HEARTBEAT_MS = 1000;
const BURST_INTERVAL_MS = 2;
const BURST_MS = 5000;
/** Heartbeats without an answer until a HAVIP counts as down. */
const MISSES = 3;

const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
/** ICMP header (RFC 792), HAVIP index, sequence as 32 bits: the header's own 16 bits wrap within a burst's minute. */
const PACKET_BYTES = 16;

export interface ProberOptions {
  readonly open: OpenEcho;
  readonly clock: Clock;
  /** The first reply of a burst. */
  readonly onReachable: (havip: number, atNs: number) => void;
  /** A socket or an echo failed (null: works again): one line, for a log that says it once. */
  readonly onTrouble: (message: string | null) => void;
}

interface Target {
  readonly havip: number;
  readonly address: string;
  readonly socket: EchoSocket;
  readonly sentNs: Float64Array;
  sequence: number;
  answered: number;
  rttSeconds: number | null;
  burstFromSequence: number | null;
  burstUntilNs: number;
}

/** Sending times kept per target, by sequence. */
const REMEMBERED = 256;

export class Prober {
  readonly #options: ProberOptions;
  readonly #identifier = randomInt(0x1_0000);
  readonly #sockets = new Map<string, EchoSocket>();
  readonly #targets = new Map<number, Target>();
  readonly #heartbeat: NodeJS.Timeout;
  #burst: NodeJS.Timeout | null = null;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** Probes the HAVIPs that ask for it, each from its gateway's interface; without one there is nowhere to probe from. */
  configure(network: Network, interfaceOf: (subnet: number) => string | null): void {
    const wanted = new Set<number>();
    for (const havip of network.havips) {
      const device = havip !== null && havip !== undefined && havip.probe !== false ? interfaceOf(havip.subnet) : null;
      if (!havip || device === null) continue;
      const address = formatIpv4(havip.address);
      wanted.add(havip.index);
      if (this.#targets.get(havip.index)?.address === address) continue;
      const socket = this.#socketOn(device);
      if (socket !== null) this.#targets.set(havip.index, newTarget(havip.index, address, socket));
    }
    for (const havip of this.#targets.keys()) if (!wanted.has(havip)) this.#targets.delete(havip);
  }

  /** The HAVIP has moved: find out when it answers. False when it is not probed. */
  burst(havip: number): boolean {
    const target = this.#targets.get(havip);
    if (target === undefined) return false;
    target.burstFromSequence = target.sequence + 1;
    target.burstUntilNs = this.#options.clock.nowNs() + BURST_MS * 1e6;
    this.#send(target);
    this.#burst ??= setInterval(() => this.#continueBursts(), BURST_INTERVAL_MS);
    return true;
  }

  *results(): Iterable<{ havip: number; up: boolean; rttSeconds: number | null }> {
    for (const target of this.#targets.values()) {
      const up = target.answered > 0 && target.sequence - target.answered < MISSES;
      yield { havip: target.havip, up, rttSeconds: target.rttSeconds };
    }
  }

  close(): void {
    clearInterval(this.#heartbeat);
    if (this.#burst !== null) clearInterval(this.#burst);
    for (const socket of this.#sockets.values()) socket.close();
  }

  #beat(): void {
    for (const target of this.#targets.values()) if (target.burstFromSequence === null) this.#send(target);
  }

  #continueBursts(): void {
    const nowNs = this.#options.clock.nowNs();
    let any = false;
    for (const target of this.#targets.values()) {
      if (target.burstFromSequence === null) continue;
      if (nowNs > target.burstUntilNs) target.burstFromSequence = null;
      else this.#send(target);
      any = true;
    }
    if (any || this.#burst === null) return;
    clearInterval(this.#burst);
    this.#burst = null;
  }

  #socketOn(device: string): EchoSocket | null {
    const known = this.#sockets.get(device);
    if (known !== undefined) return known;
    try {
      const socket = this.#options.open(device, {
        onMessage: (packet, source, atNs) => this.#receive(packet, source, atNs),
        onTrouble: (message) => this.#options.onTrouble(`probe on ${device}: ${message}`),
      });
      this.#sockets.set(device, socket);
      return socket;
    } catch (error) {
      this.#options.onTrouble(`probe on ${device}: ${messageOf(error)}`);
      return null;
    }
  }

  #send(target: Target): void {
    const packet = Buffer.alloc(PACKET_BYTES);
    target.sequence++;
    target.sentNs[target.sequence % REMEMBERED] = this.#options.clock.nowNs();
    packet.writeUInt8(ECHO_REQUEST, 0);
    packet.writeUInt16BE(this.#identifier, 4);
    packet.writeUInt16BE(target.sequence & 0xffff, 6);
    packet.writeUInt32BE(target.havip, 8);
    packet.writeUInt32BE(target.sequence, 12);
    packet.writeUInt16BE(internetChecksum(packet), 2);
    // EHOSTUNREACH while nobody answers ARP is what is being measured; the missing reply says it.
    target.socket.send(packet, target.address, (trouble) =>
      this.#options.onTrouble(trouble === null ? null : `probe: ${trouble}`),
    );
  }

  /** A raw ICMP socket hears every ICMP packet of its interface, with the IP header in front. */
  #receive(packet: Buffer, source: string, nowNs: number): void {
    const at = ((packet[0] ?? 0) & 15) * 4;
    if (packet.length < at + PACKET_BYTES || packet[at] !== ECHO_REPLY || packet.readUInt16BE(at + 4) !== this.#identifier)
      return;
    const target = this.#targets.get(packet.readUInt32BE(at + 8));
    const sequence = packet.readUInt32BE(at + 12);
    if (
      target === undefined ||
      target.address !== source ||
      sequence > target.sequence ||
      sequence + REMEMBERED <= target.sequence
    )
      return;
    target.rttSeconds = (nowNs - must(target.sentNs[sequence % REMEMBERED], 'the times of the last echoes are kept')) / 1e9;
    target.answered = Math.max(target.answered, sequence);
    if (target.burstFromSequence === null || sequence < target.burstFromSequence) return;
    target.burstFromSequence = null;
    this.#options.onReachable(target.havip, nowNs);
  }
}

function newTarget(havip: number, address: string, socket: EchoSocket): Target {
  return {
    havip,
    address,
    socket,
    sentNs: new Float64Array(REMEMBERED),
    sequence: 0,
    answered: 0,
    rttSeconds: null,
    burstFromSequence: null,
    burstUntilNs: 0,
  };
}

/** RFC 1071. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
