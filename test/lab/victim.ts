/**
 * A victim of forged neighbour discovery and its attacker: guests `client` and `cvm-3` of a lab, the neighbour `cvm-1` in whose name is
 * lied. What the victim's kernel believes is read as it was before and after.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { icmpv6Sum, nd, sourceMac } from '../../native-fixtures/frames6.ts';
import type { Lab } from '../../native-fixtures/lab/lab.ts';
import { type AgentConfig, BRIDGES, GUESTS } from '../../native-fixtures/lab/topology.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { Wire } from '../../native-fixtures/lab/wire.ts';
import { must } from '../../src/base/assert.ts';
import { parseIpv6, readIpv6, writeIpv6 } from '../../src/base/ipv6.ts';

/** What the frames of nd-attacks.ts are about. */
export const NEIGHBOUR = 'fd00:16::7';
const NEIGHBOUR_MAC = '02:00:ac:11:10:07';
/** Longer than a frame takes from guest to guest and through the victim's stack. */
const SETTLE_MS = 15;

/**
 * `known`: the victim has the neighbour's entry. `none`: it has not. `resolving`: it has just asked. `detecting`: the address is the
 * victim's own, and it has just asked whether anybody has it. `routing`: as `none`, of a victim that is a router: it hears solicitations.
 */
export type State = 'known' | 'none' | 'resolving' | 'detecting' | 'routing';
export const STATES: readonly State[] = ['known', 'none', 'resolving', 'detecting', 'routing'];

/**
 * The attack with another address in the neighbour's place, and its checksum right if it was. The checksum of what hides behind other
 * headers stays as it is: the guard does not read it.
 */
export function about(frame: Uint8Array, address: string): Uint8Array {
  const group = (of: string) => hexOf(of).slice(-6);
  const hex = Buffer.from(frame)
    .toString('hex')
    .replaceAll(hexOf(NEIGHBOUR), hexOf(address))
    // Its solicited-node group and that one's MAC (RFC 4291, 2.7.1; RFC 2464, 7).
    .replaceAll(`01ff${group(NEIGHBOUR)}`, `01ff${group(address)}`)
    .replaceAll(`3333ff${group(NEIGHBOUR)}`, `3333ff${group(address)}`);
  const out = Buffer.from(hex, 'hex');
  const plain = out.length >= 62 && out.readUInt16BE(12) === 0x86dd && out[20] === 58;
  if (plain && Buffer.from(frame).readUInt16BE(56) === sumOf(frame)) out.writeUInt16BE(sumOf(out), 56);
  return out;
}

function sumOf(frame: Uint8Array): number {
  const message = Buffer.from(frame.slice(54, 54 + Buffer.from(frame).readUInt16BE(18)));
  message.writeUInt16BE(0, 2);
  return icmpv6Sum(readIpv6(frame, 22), readIpv6(frame, 38), message);
}

function hexOf(address: string): string {
  const bytes = Buffer.alloc(16);
  writeIpv6(bytes, 0, must(parseIpv6(address), address));
  return bytes.toString('hex');
}

interface Seen {
  /** Of the neighbour and of the router. */
  readonly entries: readonly string[];
  readonly routes: readonly string[];
  /** Of the victim's own addresses: those that are there, and whether somebody else seems to have one. */
  readonly addresses: readonly string[];
}

interface Neighbour {
  readonly dst: string;
  readonly lladdr?: string;
  readonly router?: null;
}
interface Route {
  readonly dst: string;
  readonly gateway?: string;
  readonly protocol?: string;
}
interface Link {
  readonly addr_info?: readonly { readonly local: string; readonly dadfailed?: boolean }[];
}

/** Lists the IPv6 addresses that guests of a lab have, and more. */
export function listing(more: Readonly<Record<string, readonly string[]>> = {}): (config: AgentConfig) => void {
  return (config) => {
    const [subnet] = config.vpcs[0]?.subnets ?? [];
    if (subnet) subnet['ipv6'] = { cidr: 'fd00:16::/64', gateway: 'fd00:16::1', routers: ['fe80::1'], addresses: 'listed' };
    for (const port of config.ports) {
      if (port.subnet !== 'subnet-a') continue;
      port.addresses.push(must(GUESTS.find(({ tap }) => tap === port.interface)?.address6, port.interface));
      port.addresses.push(...(more[port.instance] ?? []));
    }
  };
}

export class Victim {
  readonly #lab: Lab;
  readonly #attacker: Wire;
  readonly #router: Wire;

  /** With a default route that the router br1 advertised. */
  static async of(lab: Lab): Promise<Victim> {
    const victim = new Victim(lab);
    await victim.#lab.client.space.ip('route del default via fe80::1 dev eth0 proto boot');
    await victim.#learnRouter();
    return victim;
  }

  private constructor(lab: Lab) {
    this.#lab = lab;
    this.#attacker = lab.guest('cvm-3').openWire();
    this.#router = new Wire(lab.host.path, 'br1');
  }

  close(): void {
    this.#attacker.close();
    this.#router.close();
  }

  /** What the frames changed of what the victim, in this state about the address, believes; null when nothing. */
  async changedBy(frames: readonly Uint8Array[], state: State, address: string): Promise<string | null> {
    await this.#prepare(state, address);
    const before = await this.#seen(state, address);
    this.#attacker.sendAll(frames.map((frame) => about(frame, address)));
    await sleep(SETTLE_MS);
    const after = await this.#seen(state, address);
    if (state === 'detecting') await this.#lab.client.space.ip(`addr del ${address}/64 dev eth0`);
    const [was, is] = [JSON.stringify(before), JSON.stringify(after)];
    if (was !== is || state === 'routing') await this.#restore();
    return was === is ? null : `${state} ${address}: ${was} -> ${is}`;
  }

  async #prepare(state: State, address: string): Promise<void> {
    const { space } = this.#lab.client;
    const entry = `${address} dev eth0`;
    const bridge = must(BRIDGES[0], 'br1');
    await space.ip(
      `neigh replace fe80::1 dev eth0 lladdr ${bridge.mac} router nud reachable`,
      `neigh replace ${entry} lladdr ${NEIGHBOUR_MAC} nud reachable`,
      ...(state === 'known' ? [] : [`neigh del ${entry}`]),
      ...(state === 'detecting' ? [`addr add ${address}/64 dev eth0`] : []),
    );
    if (state === 'routing') await this.#routes(true);
    if (state === 'resolving') await this.#lab.client.exec(['bash', '-c', `echo > /dev/udp/${scoped(address)}/9`]);
  }

  async #routes(is: boolean): Promise<void> {
    await this.#lab.client.exec(['sysctl', '-q', '-w', `net.ipv6.conf.eth0.forwarding=${is ? 1 : 0}`]);
  }

  async #restore(): Promise<void> {
    await this.#routes(false);
    await this.#lab.client.space.ip('addr flush dev eth0 to 2001:db8:bad::/64');
    await this.#lab.client.exec(['sysctl', '-q', '-w', 'net.ipv6.route.flush=1']); // what redirects made
    await this.#learnRouter();
  }

  async #learnRouter(): Promise<void> {
    const source = must(BRIDGES[0], 'br1').mac;
    const { client } = this.#lab;
    await client.exec(['ip', '-6', 'route', 'flush', 'proto', 'ra', 'dev', 'eth0']);
    this.#router.send(nd({ icmpType: 134, source, ipSource: 'fe80::1', options: [sourceMac(source)] }));
    const learnt = async () => (await client.exec(['ip', '-6', 'route', 'show', 'default'])).includes('proto ra');
    await until('a default route by router advertisement', learnt);
  }

  async #seen(state: State, address: string): Promise<Seen> {
    const script = ['neigh show', 'route show', 'addr show', 'route show cache']
      .map((what) => `ip -6 -j ${what} dev eth0`)
      .join('\n');
    const [neighbours, routes, links, redirected] = (await this.#lab.client.exec(['sh', '-c', script]))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown) as [Neighbour[], Route[], Link[], Route[]];
    const looked = state === 'detecting' ? ['fe80::1'] : ['fe80::1', address];
    return {
      entries: neighbours.filter(({ dst }) => looked.includes(dst)).flatMap((one) => entryText(one) ?? []),
      routes: [...routes, ...redirected].map(({ dst, gateway, protocol }) => `${dst} ${gateway ?? ''} ${protocol ?? ''}`),
      addresses: links.flatMap((link) => link.addr_info ?? []).map(({ local, dadfailed }) => `${local} ${dadfailed ?? false}`),
    };
  }
}

function entryText({ dst, lladdr, router }: Neighbour): string | null {
  // What is true is no harm.
  return lladdr === undefined || lladdr === NEIGHBOUR_MAC ? null : `${dst} ${lladdr}${router === null ? ' router' : ''}`;
}

function scoped(address: string): string {
  return address.startsWith('fe80') ? `${address}%eth0` : address;
}
