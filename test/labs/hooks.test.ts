/** The hooks for Proxmox, Open vSwitch and plain QEMU, called as each calls them, beside an agent that runs. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentCommand } from '../../native-fixtures/lab/agent.ts';
import { command } from '../../native-fixtures/lab/command.ts';
import { LabProcess } from '../../native-fixtures/lab/process.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const ROOT = process.getuid?.() === 0;
if (!ROOT) console.warn('hooks: skipped, they need root');
const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

const AGENT = (socket: string) => `host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }]
    havips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.3 }]
http: { listen: 'unix:${socket}' }
`;

/** Machine 107 as Proxmox writes it, with a note and a snapshot that had another MAC. */
const PROXMOX = `#havip net0%3Dsubnet-a
boot: order=scsi0
ipconfig0: ip=172.17.16.7/24,gw=172.17.16.1
name: cvm-1
net0: virtio=02:00:AC:11:10:07,bridge=vmbr0,firewall=1
net1: virtio=02:00:AC:11:20:07,bridge=vmbr1

[before]
net0: virtio=02:00:AC:11:10:99,bridge=vmbr0
`;

const hook = (name: string) => join(projectRoot(), 'packaging/hooks', name);

describe.skipIf(!ROOT)('a hook', () => {
  let folder: string;
  let agent: LabProcess;
  let environment: NodeJS.ProcessEnv;
  const path = (name: string) => join(folder, name);

  /** In the agent's network namespace, with what a hook finds in its environment. */
  const run = (argv: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    const variables = Object.entries({ ...environment, ...more }).map(([name, value]) => `${name}=${value ?? ''}`);
    return command(['nsenter', `--net=/proc/${agent.pid}/ns/net`, 'env', ...variables, ...argv], { limitMs: 60_000 });
  };
  const ports = async () => JSON.parse(await run([path('havip-agent'), 'ports', '--json'])) as Record<string, unknown>[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'havip-hooks-'));
    mkdirSync(path('pve'));
    writeFileSync(path('agent.yaml'), AGENT(path('agent.sock')));
    writeFileSync(path('pve/107.conf'), PROXMOX);
    const [node = '', ...words] = agentCommand();
    writeFileSync(path('havip-agent'), `#!/bin/sh\nexec ${[node, ...words].map((word) => `'${word}'`).join(' ')} "$@"\n`);
    chmodSync(path('havip-agent'), 0o755);
    environment = {
      PATH: process.env['PATH'],
      HAVIP_AGENT: path('havip-agent'),
      HAVIP_CONFIG: path('agent.yaml'),
      HAVIP_HTTP: `unix:${path('agent.sock')}`,
      HAVIP_PVE_FOLDER: path('pve'),
    };
    agent = new LabProcess('agent', ['unshare', '--net', ...agentCommand('run', '--config', path('agent.yaml'))]);
    await agent.line(/havip-agent runs/, 30_000);
  });

  afterAll(async () => {
    await agent?.stop();
    rmSync(folder, { recursive: true });
  });

  it('of Proxmox adds the ports of a machine before it starts, and removes them after it ended', async () => {
    await run([hook('proxmox'), '107', 'pre-start']);
    expect(await ports()).toMatchObject([
      { interface: 'tap107i0', instance: '107', mac: '02:00:ac:11:10:07', addresses: ['172.17.16.7'], state: 'absent' },
    ]);
    expect(await run(['nft', 'list', 'ruleset'])).toContain('"tap107i0"');
    for (const phase of ['post-start', 'pre-stop']) await run([hook('proxmox'), '107', phase]);
    expect(await ports()).toHaveLength(1);
    await run([hook('proxmox'), '107', 'post-stop']);
    await until('no port', async () => (await ports()).length === 0);
  });

  it('of Proxmox keeps a machine from starting whose port is refused', async () => {
    writeFileSync(path('pve/108.conf'), PROXMOX.replace('subnet-a', 'none'));
    await expect(run([hook('proxmox'), '108', 'pre-start'])).rejects.toThrow(/tap108i0\.yaml:1:/);
    expect(readdirSync(path('ports.d'))).toEqual([]);
  });

  it.skipIf(!has('qemu-system-x86_64'))('of QEMU puts the guard before the interface is in the bridge', async () => {
    for (const name of ['qemu-ifup', 'qemu-ifdown']) symlinkSync(hook('qemu-ifup'), path(name));
    await run(['ip', 'link', 'add', 'br0', 'type', 'bridge']);
    const machine = { HAVIP_INSTANCE: 'cvm-9', HAVIP_SUBNET: 'subnet-a', HAVIP_MAC: '02:00:ac:11:10:09', HAVIP_BRIDGE: 'br0' };
    const variables = Object.entries({ ...environment, ...machine, HAVIP_ADDRESSES: '172.17.16.9' }).map(
      ([name, value]) => `${name}=${value ?? ''}`,
    );
    const netdev = `tap,id=n0,ifname=tap9,script=${path('qemu-ifup')},downscript=${path('qemu-ifdown')}`;
    const device = 'virtio-net-pci,netdev=n0,mac=02:00:ac:11:10:09,romfile=';
    const qemu = [
      'qemu-system-x86_64',
      '-M',
      'q35',
      '-accel',
      'tcg',
      '-m',
      '64',
      '-display',
      'none',
      '-nodefaults',
      '-netdev',
      netdev,
      '-device',
      device,
      '-monitor',
      'stdio',
    ];
    const guest = new LabProcess('qemu', ['nsenter', `--net=/proc/${agent.pid}/ns/net`, 'env', ...variables, ...qemu]);
    try {
      await until('the port', async () => (await ports())[0]?.['state'] === 'captured', 60_000);
      expect(await ports()).toMatchObject([{ interface: 'tap9', instance: 'cvm-9', addresses: ['172.17.16.9'] }]);
      expect(await run(['ip', 'link', 'show', 'master', 'br0'])).toContain('tap9');
      guest.write('quit\n');
      await guest.exited;
      await until('no port', async () => (await ports()).length === 0);
    } finally {
      await guest.stop('SIGKILL');
    }
  });

  it.skipIf(!has('ovs-vsctl'))('of Open vSwitch follows what its database says, and leaves others’ ports alone', async () => {
    const database = path('conf.db');
    const socket = path('db.sock');
    await command(['ovsdb-tool', 'create', database, '/usr/share/openvswitch/vswitch.ovsschema']);
    const server = new LabProcess('ovsdb', [
      'ovsdb-server',
      database,
      `--remote=punix:${socket}`,
      `--unixctl=${path('ovsdb.ctl')}`,
    ]);
    const vsctl = (...words: string[]) => command(['ovs-vsctl', `--db=unix:${socket}`, '--no-wait', ...words]);
    writeFileSync(path('ovs-vsctl'), `#!/bin/sh\nexec /usr/bin/ovs-vsctl --db=unix:${socket} "$@"\n`, { mode: 0o755 });
    writeFileSync(
      path('ovsdb-client'),
      `#!/bin/sh\n[ "$1" = monitor ] && shift && exec /usr/bin/ovsdb-client monitor unix:${socket} "$@"\n`,
      { mode: 0o755 },
    );
    const more = { PATH: `${folder}:${process.env['PATH']}`, HAVIP_OVS_STATE: path('ovs.ports') };
    let hooked: LabProcess | null = null;
    try {
      await until('the database', () =>
        vsctl('init').then(
          () => true,
          () => false,
        ),
      );
      await vsctl('add-br', 'br-int', '--', 'add-port', 'br-int', 'tap7');
      const ids = [
        'iface-id=p1',
        'attached-mac=02:00:AC:11:10:07',
        'vm-uuid=cvm-1',
        'havip-subnet=subnet-a',
        'havip-addresses=172.17.16.7',
      ];
      await vsctl('set', 'Interface', 'tap7', ...ids.map((id) => `external_ids:${id}`));
      const variables = Object.entries({ ...environment, ...more }).map(([name, value]) => `${name}=${value ?? ''}`);
      hooked = new LabProcess('hook', ['nsenter', `--net=/proc/${agent.pid}/ns/net`, 'env', ...variables, hook('openvswitch')]);
      await until('the port', async () => (await ports()).length === 1, 30_000);
      expect(await ports()).toMatchObject([{ interface: 'tap7', instance: 'cvm-1', mac: '02:00:ac:11:10:07' }]);
      await run([
        path('havip-agent'),
        'port',
        'add',
        'tap8',
        '--config',
        path('agent.yaml'),
        '--instance',
        'x',
        '--subnet',
        'subnet-a',
        '--mac',
        '02:00:ac:11:10:08',
        '--wait',
      ]);
      await vsctl('del-port', 'br-int', 'tap7');
      await until('tap8 alone', async () => (await ports()).map((port) => port['interface']).join() === 'tap8', 30_000);
    } finally {
      await hooked?.stop();
      await server.stop();
    }
  });
});
