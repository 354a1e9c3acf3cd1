/** What a real guest's machine is made of. Two of the same command are the same machine to QEMU: what one saved, the other goes on from. */
import type { GuestSpec } from '../lab/topology.ts';

/** image.ts makes it. */
export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  readonly folder: string;
}

export type Card = 'virtio_net' | 'e1000';

export interface Devices {
  readonly image: GuestImage;
  readonly spec: GuestSpec;
  /** The one whose tap has the guest's name. */
  readonly card: Card;
  /** Of its sockets and its console. */
  readonly path: (name: string) => string;
  readonly from: string | undefined;
}

const MACHINE = '-M q35 -accel tcg,tb-size=128 -cpu qemu64 -m 224 -display none -nodefaults -no-user-config';
const APPEND = 'console=ttyS0 quiet nokaslr tsc=reliable mitigations=off panic=-1';

export function qemuCommand({ image, spec, card, path, from }: Devices): string[] {
  const socket = (name: string) => `unix:${path(name)},server=on,wait=off`;
  const netdev = (id: Card) => `tap,id=${id},ifname=${id === card ? spec.tap : `x${spec.tap}`},script=no,downscript=no`;
  const nic = (id: Card, model: string) => ['-netdev', netdev(id), '-device', `${model},netdev=${id},mac=${spec.mac},romfile=`];
  const lines = ['-serial', `file:${path('console')}`, '-serial', socket('shell'), '-qmp', socket('monitor')];
  const kernel = ['-kernel', image.kernel, '-initrd', image.initrd, '-append', APPEND];
  const source = from === 'migration' ? `unix:${path('migration')}` : `exec:cat '${from}'`;
  return [
    'qemu-system-x86_64',
    ...MACHINE.split(' '),
    ...lines,
    ...kernel,
    ...nic('virtio_net', 'virtio-net-pci'),
    ...nic('e1000', 'e1000'),
    ...(from === undefined ? [] : ['-incoming', source]),
  ];
}
