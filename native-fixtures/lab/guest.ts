/**
 * A guest: a namespace whose eth0 is the other end of the host's tap. The tap is plugged and unplugged as a hypervisor would.
 */
import type { CommandOptions } from './command.ts';
import { Keepalived } from './keepalived.ts';
import type { KeepalivedOptions } from './keepalived.ts';
import { ipv6Settings, type Namespace } from './namespace.ts';
import { Ping } from './ping.ts';
import type { PingOptions } from './ping.ts';
import type { LabProcess } from './process.ts';
import type { GuestSpec } from './topology.ts';
import { until } from './until.ts';
import { Wire } from './wire.ts';

const DROP_OUT = 'add chain netdev hung out { type filter hook egress device eth0 priority 0; policy drop; }';
const DROP_IN = 'add chain netdev hung in { type filter hook ingress device eth0 priority 0; policy drop; }';

export class Guest {
  readonly spec: GuestSpec;
  readonly space: Namespace;
  readonly #host: Namespace;
  readonly #directory: string;

  constructor(spec: GuestSpec, space: Namespace, host: Namespace, directory: string) {
    this.spec = spec;
    this.space = space;
    this.#host = host;
    this.#directory = directory;
  }

  exec(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return this.space.exec(argv, options);
  }

  spawn(argv: readonly string[]): LabProcess {
    return this.space.spawn(argv);
  }

  /** Starts keepalived; one per guest at a time. */
  keepalived(options: KeepalivedOptions = {}): Promise<Keepalived> {
    return Keepalived.start(this.space, this.#directory, this.spec, options);
  }

  ping(address: string, options?: PingOptions): Ping {
    return new Ping(this.space, address, options);
  }

  /** A permanent neighbour entry: this guest hears no announcement any more. */
  async pinNeighbour(address: string, mac: string): Promise<void> {
    await this.space.ip(`neigh replace ${address} lladdr ${mac} dev eth0 nud permanent`);
  }

  async unpinNeighbour(address: string): Promise<void> {
    await this.space.ip(`neigh del ${address} dev eth0`);
  }

  /** Takes off an address that a killed keepalived left behind. */
  async forget(address: string): Promise<void> {
    await this.space.ip(`addr del ${address}/32 dev eth0`);
  }

  /** Creates the tap and brings both ends up. */
  async plug(): Promise<void> {
    const { tap, bridge, mac, address, gateway } = this.spec;
    const tapMac = mac.replace(/^../, 'fe'); // as libvirt does: the bridge never takes a guest's MAC for its own
    await this.#host.ip(
      `link add ${tap} address ${tapMac} type veth peer name eth0 address ${mac} netns ${this.space.name}`,
      `link set ${tap} master ${bridge} up`,
    );
    const route = gateway === null ? [] : [`route add default via ${gateway}`];
    await this.space.ip('link set lo up', 'link set eth0 up', `addr add ${address}/24 dev eth0`, ...route);
  }

  /** Its IPv6 address, the link-local one that the kernel makes of the MAC, and the router. */
  async addIpv6(): Promise<void> {
    await this.exec(['sysctl', '-q', '-p', '-'], { input: ipv6Settings(true, ['all', 'default', 'lo', 'eth0']) });
    const route = this.spec.gateway === null ? [] : ['route add default via fe80::1 dev eth0'];
    await this.space.ip(`addr add ${this.spec.address6}/64 dev eth0 nodad`, ...route);
  }

  /** Resolves when no address of eth0 is tentative any more. */
  async ipv6Settled(): Promise<void> {
    const settled = async () => {
      const text = await this.exec(['ip', '-6', 'addr', 'show', 'dev', 'eth0']);
      return text.includes('fe80::') && !text.includes('tentative');
    };
    await until(`IPv6 addresses of ${this.spec.instance}`, settled);
  }

  /** Deletes the tap, as when a virtual machine's process ends. */
  async unplug(): Promise<void> {
    await this.#host.ip(`link del ${this.spec.tap}`);
  }

  /** The guest's interface goes down: the tap loses its carrier. */
  async linkDown(): Promise<void> {
    await this.space.ip('link set eth0 down');
  }

  async linkUp(): Promise<void> {
    const { gateway } = this.spec;
    await this.space.ip('link set eth0 up', ...(gateway === null ? [] : [`route replace default via ${gateway}`]));
  }

  /** Its machine stops: the link stays up, nothing comes out of it and nothing gets in. */
  async hang(): Promise<void> {
    await this.space.exec(['nft', '-f', '-'], {
      input: `add table netdev hung\n${DROP_OUT}\n${DROP_IN}\n`,
    });
  }

  async wake(): Promise<void> {
    await this.space.exec(['nft', 'delete', 'table', 'netdev', 'hung']);
  }

  /** The host sets the tap down: the guest loses its carrier. */
  async tapDown(): Promise<void> {
    await this.#host.ip(`link set ${this.spec.tap} down`);
  }

  async tapUp(): Promise<void> {
    await this.#host.ip(`link set ${this.spec.tap} up`);
  }

  /** A raw socket on eth0; the caller closes it. */
  openWire(): Wire {
    return new Wire(this.space.path, 'eth0');
  }

  /** Sends one frame, as bytes or as hex digits with any white space or colons between them. */
  sendFrame(frame: Uint8Array | string): void {
    const wire = this.openWire();
    try {
      wire.send(typeof frame === 'string' ? Buffer.from(frame.replaceAll(/[\s:]/g, ''), 'hex') : frame);
    } finally {
      wire.close();
    }
  }
}
