/** What is between the hosts of a lab: cables, tunnels, a switch, and a store. */
import { Etcd } from './etcd.ts';
import type { Guest } from './guest.ts';
import type { Namespace } from './namespace.ts';

/** One hypervisor. */
export interface Host {
  readonly id: string;
  readonly space: Namespace;
  /** Its cable, on the switch's side. */
  readonly cable: string;
  /** The interface that stands in the configuration's `uplinks`. */
  readonly uplink: string;
  /** Its address in the underlay. */
  readonly vtep: string;
  guests: Guest[];
}

const STORE_ADDRESS = '10.98.0.254';

/** A host's bridge, and its way to the others. */
export async function connect(
  fabric: Namespace,
  hosts: readonly Host[],
  host: Host,
  { uplink = 'plain', noLearning = false }: { readonly uplink?: 'plain' | 'vxlan'; readonly noLearning?: boolean },
): Promise<void> {
  const { space, cable, vtep } = host;
  const overlay = uplink === 'vxlan';
  const wire = overlay ? 'un0' : 'up0';
  await fabric.ip(`link add ${cable} type veth peer name ${wire} netns ${space.name}`, `link set ${cable} master fab up`);
  await space.ip(
    `link add br1 address 02:00:ac:11:10:f${hosts.indexOf(host)} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    'link set br1 up',
    'link set lo up',
    overlay ? `addr add ${vtep}/24 dev un0` : `link set up0 master br1`,
    `link set ${wire} up`,
  );
  if (!overlay) return;
  const learning = noLearning ? 'nolearning' : 'learning';
  await space.ip(`link add vx10 type vxlan id 10 local ${vtep} dstport 4789 ${learning}`, 'link set vx10 master br1 up');
  for (const other of hosts)
    if (other !== host) await space.exec(`bridge fdb append 00:00:00:00:00:00 dev vx10 dst ${other.vtep}`.split(' '));
}

export async function startStore(
  fabric: Namespace,
  hosts: readonly Host[],
  { members = 1, below }: { readonly members?: number; readonly below?: string },
): Promise<Etcd> {
  await fabric.ip(
    'link set lo up',
    'link add mgmt type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    `addr add ${STORE_ADDRESS}/24 dev mgmt`,
    'link set mgmt up',
  );
  for (const [i, { space, cable }] of hosts.entries()) {
    await fabric.ip(`link add mg-${cable} type veth peer name mg0 netns ${space.name}`, `link set mg-${cable} master mgmt up`);
    await space.ip(`addr add 10.98.0.${i + 1}/24 dev mg0`, 'link set mg0 up');
  }
  const at = { space: fabric, address: STORE_ADDRESS };
  return Etcd.start({ members, at, ...(below !== undefined && { below }) });
}

export async function forwards({ space, guests, uplink }: Host): Promise<boolean> {
  const links = JSON.parse(await space.exec(['bridge', '-j', 'link'])) as { ifname: string; state: string }[];
  const wanted = [uplink, ...guests.map(({ spec }) => spec.tap)];
  return wanted.every((name) => links.some(({ ifname, state }) => ifname === name && state === 'forwarding'));
}
