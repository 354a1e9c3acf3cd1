/**
 * A network namespace of the test's own: the calling thread moves into it, so everything it opens or spawns lives there, and the
 * kernel removes it, with all interfaces, after the thread has left.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { open, setns } from '../../native-fixtures/lab/libc.ts';
import * as libc from '../../src/abi/libc.ts';
import { openLibrary } from '../../src/abi/native.ts';

const CLONE_NEWNET = 0x4000_0000;

/** Returns the way back. */
export function enterNewNamespace(): () => void {
  const home = open('/proc/thread-self/ns/net');
  const unshare = openLibrary('libc.so.6').bind<(flags: number) => number>('int unshare(int flags)');
  if (unshare(CLONE_NEWNET) !== 0) throw new Error('unshare: no new network namespace');
  // Its solicitations would be noise in counts of what an interface received.
  for (const which of ['all', 'default']) writeFileSync(`/proc/sys/net/ipv6/conf/${which}/disable_ipv6`, '1');
  return () => {
    setns(home);
    libc.close(home);
  };
}

/** `ip('link set va up')`; throws with ip's own words. */
export function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Many commands in one run of ip. */
export function ipBatch(commands: readonly string[]): void {
  execFileSync('ip', ['-batch', '-'], { input: commands.join('\n'), stdio: ['pipe', 'ignore', 'pipe'] });
}

/** A veth pair, both ends up; frames sent on the second are received on the first. */
export function vethPair(first: string, second: string): void {
  ip(`link add ${first} type veth peer name ${second}`);
  ip(`link set ${second} up`);
  ip(`link set ${first} up`);
}

/** Frames that the interface received, by its own count; those that the host lost on their way to it are not among them. */
export function receivedBy(name: string): number {
  const text = execFileSync('ip', ['-json', '-statistics', 'link', 'show', 'dev', name], { encoding: 'utf8' });
  return (JSON.parse(text) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx.packets;
}

export interface Neighbour {
  readonly dst: string;
  readonly lladdr: string;
  /** `STALE`, `REACHABLE`, `PERMANENT`, ... */
  readonly state: readonly string[];
}

/** IPv4 neighbours of an interface, as iproute2 reads them. */
export function neighboursOf(name: string): Neighbour[] {
  const text = execFileSync('ip', ['-4', '-json', 'neighbour', 'show', 'dev', name], { encoding: 'utf8' });
  return (JSON.parse(text) as Neighbour[]).map(({ dst, lladdr, state }) => ({ dst, lladdr, state }));
}

const SOL_PACKET = 263;
const PACKET_QDISC_BYPASS = 20;

/**
 * Sends whole frames out of one interface. Past its queue: that of an interface which just came up swallows frames until the kernel
 * gets round to activating it.
 */
export class FrameSender {
  readonly #fd: number;
  constructor(name: string) {
    this.#fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0);
    libc.setsockopt(this.#fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(libc.AF_PACKET, 0);
    address.writeInt32LE(libc.ifNametoindex(name), 4);
    libc.bind(this.#fd, address);
  }
  send(frame: Uint8Array): void {
    const sent = libc.send(this.#fd, frame);
    if (sent !== frame.length) throw new libc.SystemError('send', -sent);
  }
  close(): void {
    libc.close(this.#fd);
  }
}
