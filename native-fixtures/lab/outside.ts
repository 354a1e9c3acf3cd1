/**
 * What is beyond a lab's hypervisors: a router behind the ext0 of each, all in one network, and a client behind that, over a link that takes less
 * than others.
 *
 *     host ext0 -- in0 203.0.113.1 router 198.51.100.1 -- MTU 1300 -- 198.51.100.9 client
 */
import { createNamespaces, Namespace, removeNamespaces } from './namespace.ts';
import type { AgentConfig } from './topology.ts';

export const EIP = '203.0.113.10';
export const CLIENT = '198.51.100.9';

/** HAVIP 1 with an address outside. */
export function withEip(config: AgentConfig): void {
  config.eips = [{ id: 'eip-1', address: EIP, havip: 'havip-1' }];
  config.external = { interface: 'ext0', gateway: '203.0.113.1' };
}

export class Outside implements AsyncDisposable {
  readonly router: Namespace;
  readonly client: Namespace;

  private constructor(name: string) {
    this.router = new Namespace(`${name}.router`);
    this.client = new Namespace(`${name}.far`);
  }

  /** @param name of the lab */
  static async build(name: string, hosts: readonly Namespace[]): Promise<Outside> {
    const outside = new Outside(name);
    const { router, client } = outside;
    await createNamespaces([router, client]);
    await router.ip('link add in0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0');
    for (const [i, host] of hosts.entries()) {
      await host.ip(`link add ext0 type veth peer name to${i} netns ${router.name}`, 'link set ext0 up');
      await router.ip(`link set to${i} master in0 up`);
    }
    await router.ip(
      `link add out0 type veth peer name eth0 netns ${client.name}`,
      'link set lo up',
      'link set in0 up',
      'link set out0 mtu 1300 up',
      'addr add 203.0.113.1/24 dev in0',
      'addr add 198.51.100.1/24 dev out0',
    );
    await router.exec(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0']);
    await client.ip(
      'link set lo up',
      'link set eth0 mtu 1300 up',
      `addr add ${CLIENT}/24 dev eth0`,
      'route add default via 198.51.100.1',
    );
    return outside;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    removeNamespaces([this.router, this.client]);
  }
}
