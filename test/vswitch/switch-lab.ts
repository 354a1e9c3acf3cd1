/**
 * The seed's ports as veth pairs on one bridge, in a network namespace of the test's own, with a listener that is no port:
 *
 *     guest end g7 ---- tap7  --.
 *     guest end g13 --- tap13 --+-- br0 -- lis ---- hear
 *     ...                       '
 * A frame sent from a guest end arrives at `hear` if nothing dropped it: its destination is broadcast or nobody's.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '../../src/base/assert.ts';
import { formatMac } from '../../src/base/mac.ts';
import type { Network } from '../../src/base/network.ts';
import { Wire } from '../../native-fixtures/lab/wire.ts';
import { enterNewNamespace, ipBatch } from '../capture/netns.ts';
import { seedNetwork } from '../network.ts';

const HERE = '/proc/self/ns/net';
const SENTINEL_MAGIC = 0x5e17;
const WAIT_MS = 5000;

/** No noise; and where br_netfilter is loaded, the bridge must not drop malformed IP before the listener hears it. */
const SETTINGS = [
  ['ipv6/conf/all/disable_ipv6', '1'],
  ['ipv6/conf/default/disable_ipv6', '1'],
  ['bridge/bridge-nf-call-arptables', '0'],
  ['bridge/bridge-nf-call-iptables', '0'],
  ['bridge/bridge-nf-call-ip6tables', '0'],
] as const;

export class SwitchLab {
  readonly #leave = enterNewNamespace();
  readonly #guests = new Map<string, Wire>();
  readonly #macs = new Map<string, string>();
  readonly #ear: Wire;
  #sentinel = 0;

  constructor(network: Network = seedNetwork) {
    for (const [name, value] of SETTINGS) {
      const file = `/proc/sys/net/${name}`;
      if (existsSync(file)) writeFileSync(file, value);
    }
    const taps = network.ports.flatMap((port) => (port === null ? [] : [port.interface]));
    const pairs = [...taps.map((tap) => [tap, guestEnd(tap)] as const), ['lis', 'hear'] as const];
    ipBatch(['link add br0 type bridge mcast_snooping 0', 'link set br0 up', ...pairs.flatMap(([tap, end]) => plug(tap, end))]);
    for (const port of network.ports) if (port !== null) this.#macs.set(port.interface, formatMac(port.mac));
    for (const tap of taps) this.#guests.set(tap, new Wire(HERE, guestEnd(tap)));
    this.#ear = new Wire(HERE, 'hear');
  }

  /** Sends from a guest and returns what the listener heard of it; waits for a frame that follows it and always passes. */
  async send(tap: string, frame: Uint8Array): Promise<Buffer[]> {
    return this.#send(tap, frame, this.#ear);
  }

  /** As send(), heard at another guest. */
  async sendTo(tap: string, frame: Uint8Array, at: string): Promise<Buffer[]> {
    return this.#send(tap, frame, must(this.#guests.get(at), at));
  }

  async #send(tap: string, frame: Uint8Array, ear: Wire): Promise<Buffer[]> {
    const guest = must(this.#guests.get(tap), tap);
    const number = ++this.#sentinel;
    while (ear.receive() !== null); // what was flooded to it earlier
    guest.send(frame);
    guest.send(sentinel(must(this.#macs.get(tap), tap), number));
    const heard: Buffer[] = [];
    const end = await ear.expect((got) => {
      if (got.readUInt16BE(12) === 0x86dd && got.readUInt16BE(14) === SENTINEL_MAGIC) return got.readUInt32BE(16) === number;
      heard.push(got);
      return false;
    }, WAIT_MS);
    if (end === null) throw new Error(`the frame that always passes did not arrive from ${tap}`);
    return heard;
  }

  /** The next such frame at a guest; null when none comes. */
  hear(tap: string, predicate: (frame: Buffer) => boolean): Promise<Buffer | null> {
    return must(this.#guests.get(tap), tap).expect(predicate, WAIT_MS);
  }

  /** Resolves when the bridge forwards through all its ports: the kernel enables them some time after their carrier came. */
  async forwarding(): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const links = JSON.parse(execFileSync('bridge', ['-j', 'link'], { encoding: 'utf8' })) as {
        ifname: string;
        state: string;
      }[];
      const waiting = links.filter(({ state }) => state !== 'forwarding').map(({ ifname }) => ifname);
      if (waiting.length === 0) return;
      if (performance.now() > deadline) throw new Error(`the bridge does not forward through ${waiting.join(', ')}`);
      await sleep(2);
    }
  }

  /** The guest stops and starts: an interface of the same name and another index. */
  recreate(tap: string): void {
    must(this.#guests.get(tap), tap).close();
    ipBatch([`link delete ${tap}`, ...plug(tap, guestEnd(tap))]);
    this.#guests.set(tap, new Wire(HERE, guestEnd(tap)));
  }

  /** Takes the interface out of its bridge. */
  unbridge(tap: string): void {
    ipBatch([`link set ${tap} nomaster`]);
  }

  bridge(tap: string): void {
    ipBatch([`link set ${tap} master br0`]);
  }

  close(): void {
    for (const guest of this.#guests.values()) guest.close();
    this.#ear.close();
    this.#leave();
  }
}

function guestEnd(tap: string): string {
  return tap.replace('tap', 'g');
}

function plug(tap: string, end: string): string[] {
  return [`link add ${tap} type veth peer name ${end}`, `link set ${tap} master br0 up`, `link set ${end} up`];
}

/** IPv6 by EtherType and UDP by its next header, from the port's own MAC, to all: what the guard lets pass whatever is in it. */
function sentinel(mac: string, number: number): Buffer {
  const frame = Buffer.alloc(60);
  frame.fill(0xff, 0, 6);
  Buffer.from(mac.replaceAll(':', ''), 'hex').copy(frame, 6);
  frame.writeUInt16BE(0x86dd, 12);
  frame.writeUInt16BE(SENTINEL_MAGIC, 14);
  frame.writeUInt32BE(number, 16);
  frame[20] = 17;
  return frame;
}

/** A UDP-less IPv4 packet. */
export function ipv4(source: string, destination: string, from: string, to: string): Uint8Array {
  const frame = Buffer.alloc(60);
  Buffer.from(destination.replaceAll(':', ''), 'hex').copy(frame, 0);
  Buffer.from(source.replaceAll(':', ''), 'hex').copy(frame, 6);
  frame.writeUInt16BE(0x0800, 12);
  Buffer.from([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 253]).copy(frame, 14);
  Buffer.from(from.split('.').map(Number)).copy(frame, 26);
  Buffer.from(to.split('.').map(Number)).copy(frame, 30);
  return frame;
}
