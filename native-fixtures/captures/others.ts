/** Senders other than keepalived: arping, Linux itself, ucarp (a stranger on protocol 112), FRR's vrrpd. */
import { Frr } from '../lab/frr.ts';
import type { Lab } from '../lab/lab.ts';
import { HAVIP } from '../lab/topology.ts';
import type { Expected } from './capture.ts';
import { UNMOVED } from './scenario.ts';
import type { Scenario } from './scenario.ts';

const CLAIMED: Expected = { holders: ['cvm-1'], failovers: UNMOVED, drops: [] };
const NOTHING: Expected = { holders: [], failovers: UNMOVED, drops: [] };
const VIRTUAL_MAC = '00:00:5e:00:01:33';

export const otherScenarios: readonly Scenario[] = [
  arping('arping-u', 'three gratuitous requests for the HAVIP', CLAIMED, 'cvm-1', ['-U', '-c3', '-s', HAVIP, HAVIP]),
  arping('arping-a', 'three gratuitous replies for the HAVIP', CLAIMED, 'cvm-1', ['-A', '-c3', '-s', HAVIP, HAVIP]),
  arping('arping-d', 'address probes for the HAVIP (RFC 5227): no claim', NOTHING, 'cvm-1', ['-D', '-c2', HAVIP]),
  arping('spoof-not-member', 'a machine of the subnet that is no member claims the HAVIP', drop('not-member'), 'cvm-3', [
    '-U',
    '-c3',
    '-s',
    HAVIP,
    HAVIP,
  ]),
  arping('spoof-neighbour', 'a machine claims its neighbour’s address', drop('not-havip'), 'cvm-3', [
    '-A',
    '-c3',
    '-s',
    '172.17.16.7',
    '172.17.16.7',
  ]),
  arping('spoof-foreign-subnet', 'a machine claims a HAVIP of another subnet', drop('foreign-subnet'), 'cvm-4', [
    '-U',
    '-c3',
    '-s',
    HAVIP,
    HAVIP,
  ]),
  {
    file: 'linux-arp-notify.pcap',
    shows: 'Linux announces all addresses of an interface that comes up (arp_notify), the HAVIP among them',
    program: 'linux',
    command: `sysctl net.ipv4.conf.eth0.arp_notify=1; ip addr add ${HAVIP}/32 dev eth0; ip link set eth0 down; ip link set eth0 up`,
    interfaces: ['tap7'],
    expected: CLAIMED,
    async act(lab, pause) {
      const guest = lab.guest('cvm-1');
      await guest.exec(['sysctl', '-qw', 'net.ipv4.conf.eth0.arp_notify=1']);
      await guest.space.ip(`addr add ${HAVIP}/32 dev eth0`);
      await guest.linkDown();
      await guest.linkUp();
      await pause(1_000);
    },
  },
  {
    file: 'ucarp.pcap',
    shows: 'CARP, also protocol 112 to 224.0.0.18 but not VRRP, from a virtual MAC of its own; and its announcements',
    program: 'ucarp',
    command: `ucarp --interface=eth0 --srcip=172.17.16.7 --vhid=51 --pass=1111 --addr=${HAVIP} (empty up and down scripts)`,
    interfaces: ['tap7'],
    expected: { ...CLAIMED, drops: ['mac-mismatch'] },
    async act(lab, pause) {
      const flags = ['--interface=eth0', '--srcip=172.17.16.7', '--vhid=51', '--pass=1111', `--addr=${HAVIP}`];
      const process = lab.guest('cvm-1').spawn(['ucarp', ...flags, '--upscript=/bin/true', '--downscript=/bin/true']);
      await process.line(/MASTER/);
      await pause(4_000);
      await process.stop();
    },
  },
  frr(2),
  frr(3),
];

function drop(reason: string): Expected {
  return { ...NOTHING, drops: [reason] };
}

function arping(name: string, shows: string, expected: Expected, instance: string, args: readonly string[]): Scenario {
  const tap = { 'cvm-1': 'tap7', 'cvm-3': 'tap9', 'cvm-4': 'tap5' }[instance] ?? '';
  return {
    file: `${name}.pcap`,
    shows,
    program: 'arping',
    command: `${instance}: arping -I eth0 ${args.join(' ')}`,
    interfaces: [tap],
    expected,
    async act(lab) {
      const guest = lab.guest(instance);
      const source = args[args.indexOf('-s') + 1];
      if (args.includes('-s')) await guest.space.ip(`addr add ${source}/32 dev eth0`); // arping sends only from what the guest has
      await guest.spawn(['arping', '-I', 'eth0', ...args]).exited; // its exit code tells whether anybody answered
    },
  };
}

/** zebra and vrrpd as FRR's manual has it: the virtual MAC is a macvlan that the administrator makes. */
function frr(version: 2 | 3): Scenario {
  return {
    file: `frr-v${version}.pcap`,
    shows: `FRR’s vrrpd, version ${version}: the virtual MAC as sender of announcements`,
    program: 'frr',
    command: `zebra and vrrpd: interface eth0, vrrp 51 version ${version}, vrrp 51 ip ${HAVIP}; macvlan with ${VIRTUAL_MAC}`,
    interfaces: ['tap7'],
    expected: CLAIMED,
    act: (lab, pause) => runFrr(lab, version, pause),
  };
}

async function runFrr(lab: Lab, version: 2 | 3, pause: (ms: number) => Promise<void>): Promise<void> {
  const frr = await Frr.start(lab.guest('cvm-1'), lab.directory, version);
  await frr.becomesMaster();
  await pause(4_000);
  await frr.stop();
}
