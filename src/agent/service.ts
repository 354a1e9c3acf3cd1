/**
 * Does a HAVIP's service answer? A TCP connection from the gateway's interface four times a second, closed at once; the health check
 * inside the guest may take seconds before keepalived resigns, and no frame of VRRP tells of that part of an outage. Main thread; it
 * asks only HAVIPs with `probe: { tcp: PORT }`, never waits, and decides nothing.
 *
 * A service counts as silent when one attempt was refused, or was not answered within the time between two; then from its last answer
 * on. So what is said of it is at most that time too long, never too short. Of one that never answered nothing is said.
 */
import * as libc from '../abi/libc.ts';
import type { Clock } from '../base/clock.ts';
import type { Ipv4 } from '../base/address.ts';
import { messageOf } from '../base/failure.ts';
import type { Network } from '../base/network.ts';

const ASK_EACH_MS = 250;
/** A refusal comes within a fraction of it, on one network; what has not come is looked for again with the next attempt. */
const LOOK_AFTER_MS = 10;
const SO_BINDTODEVICE = 25;
const SO_ERROR = 4;
const EINPROGRESS = 115;

/** Opens a connection without waiting. Throws what socket(2) and setsockopt(2) refuse. */
export type OpenAttempt = (device: string, address: Ipv4, port: number) => Attempt;

export interface Attempt {
  /** null: no answer yet. */
  answer(): 'accepted' | 'refused' | null;
  close(): void;
}

export interface ServiceOptions {
  readonly open: OpenAttempt;
  readonly clock: Clock;
  /** It answered last at the first time, and was found silent at the second. */
  readonly onSilent: (havip: number, lastNs: number, foundNs: number) => void;
  readonly onAnswer: (havip: number) => void;
  /** null: works again. */
  readonly onTrouble: (message: string | null) => void;
}

interface Target {
  readonly havip: number;
  readonly device: string;
  readonly address: Ipv4;
  readonly port: number;
  /** null: it has not answered yet. */
  answeredNs: number | null;
  silent: boolean;
  sentNs: number;
  pending: Attempt | null;
}

export class ServiceProber {
  readonly #o: ServiceOptions;
  readonly #targets = new Map<number, Target>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ServiceOptions) {
    this.#o = options;
  }

  /** Asks the HAVIPs that want it, each from its gateway's interface; without one there is nowhere to ask from. */
  configure(network: Network, interfaceOf: (subnet: number) => string | null): void {
    const wanted = new Set<number>();
    for (const havip of network.havips) {
      if (havip === null || typeof havip.probe !== 'object') continue;
      const device = interfaceOf(havip.subnet);
      if (device === null) continue;
      const [address, port] = [havip.address, havip.probe.tcp];
      wanted.add(havip.index);
      const known = this.#targets.get(havip.index);
      if (known?.address === address && known.port === port && known.device === device) continue;
      this.#forget(havip.index);
      const none = { answeredNs: null, silent: false, sentNs: 0, pending: null };
      this.#targets.set(havip.index, { havip: havip.index, device, address, port, ...none });
    }
    for (const havip of this.#targets.keys()) if (!wanted.has(havip)) this.#forget(havip);
    if (this.#targets.size > 0) this.#timer ??= setTimeout(() => this.#ask(), ASK_EACH_MS).unref();
  }

  *results(): Iterable<{ havip: number; up: boolean }> {
    for (const { havip, answeredNs, silent } of this.#targets.values()) yield { havip, up: answeredNs !== null && !silent };
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const { pending } of this.#targets.values()) pending?.close();
    this.#targets.clear();
  }

  #forget(havip: number): void {
    const target = this.#targets.get(havip);
    if (target === undefined) return;
    target.pending?.close();
    this.#targets.delete(havip);
    if (target.silent) this.#o.onAnswer(havip);
  }

  #ask(): void {
    this.#timer = null;
    if (this.#targets.size === 0) return;
    for (const target of this.#targets.values()) {
      this.#look(target, true);
      this.#open(target);
    }
    setTimeout(() => this.#lookAtAll(), LOOK_AFTER_MS).unref();
    this.#timer = setTimeout(() => this.#ask(), ASK_EACH_MS).unref();
  }

  #lookAtAll(): void {
    for (const target of this.#targets.values()) this.#look(target, false);
  }

  #open(target: Target): void {
    target.sentNs = this.#o.clock.nowNs();
    try {
      target.pending = this.#o.open(target.device, target.address, target.port);
      this.#o.onTrouble(null);
    } catch (error) {
      this.#o.onTrouble(`probe of a service on ${target.device}: ${messageOf(error)}`);
    }
  }

  #look(target: Target, isLast: boolean): void {
    const { pending } = target;
    if (pending === null) return;
    const answer = pending.answer();
    if (answer === null && !isLast) return;
    pending.close();
    target.pending = null;
    if (answer === 'accepted') {
      target.answeredNs = target.sentNs;
      if (target.silent) this.#o.onAnswer(target.havip);
      target.silent = false;
    } else if (target.answeredNs !== null && !target.silent) {
      target.silent = true;
      // Refused: it was silent by then. Not answered: for all of the time since.
      const foundNs = answer === 'refused' ? target.sentNs : this.#o.clock.nowNs();
      this.#o.onSilent(target.havip, target.answeredNs, foundNs);
    }
  }
}

/** By the kernel's own calls: Node.js binds no socket to an interface, and VPCs may overlap. */
export function openConnection(device: string, address: Ipv4, port: number): Attempt {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_STREAM | libc.SOCK_NONBLOCK, 0);
  try {
    libc.setsockopt(fd, libc.SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    // sockaddr_in: family, port, address.
    const to = Buffer.alloc(16);
    to.writeUInt16LE(libc.AF_INET, 0);
    to.writeUInt16BE(port, 2);
    to.writeUInt32BE(address, 4);
    const begun = libc.connect(fd, to);
    if (begun < 0 && begun !== -EINPROGRESS) {
      libc.close(fd);
      return { answer: () => 'refused', close: () => {} };
    }
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return {
    answer: () => {
      if (!libc.pollWritable(fd, 0)) return null;
      const error = new Int32Array(1);
      libc.getsockopt(fd, libc.SOL_SOCKET, SO_ERROR, error);
      return error[0] === 0 ? 'accepted' : 'refused';
    },
    close: () => libc.close(fd),
  };
}
