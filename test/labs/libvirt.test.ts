/**
 * The hook for libvirt, on real libvirt with real QEMU: a machine is started and ended many times; its port comes before it does and goes with
 * it. The machine has no system: what is looked at is before its first frame.
 */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packages } from '../../native-fixtures/lab/packages.ts';
import { SystemdRoot, whyNoSystemd } from '../../native-fixtures/lab/systemd-root.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const LIMIT_MS = 300_000;
const TIMES = 50;
const MISSING = ['/usr/sbin/libvirtd', '/usr/bin/virsh', '/usr/bin/qemu-system-x86_64'].find((path) => !existsSync(path));

const wanting = whyNoSystemd() ?? (MISSING === undefined ? null : `${MISSING} is not installed`);
if (wanting !== null) console.warn(`libvirt: skipped, ${wanting}`);

const AGENT = `host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }]
    havips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.3 }]
http: { listen: 'unix:/run/havip-agent/agent.sock' }
`;

const domain = (name: string, mac: string, tap: string, port: string) => `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <metadata><havip:ports xmlns:havip='urn:havip-agent'><havip:port ${port}/></havip:ports></metadata>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='bridge'>
      <mac address='${mac}'/><source bridge='br0'/><target dev='${tap}'/><model type='virtio'/><rom enabled='no'/>
    </interface>
    <memballoon model='none'/>
  </devices>
</domain>
`;

/** Runs behind the hook at each operation: says whether the guard knows the interface, and whether there is one yet. */
const WITNESS = `#!/bin/sh
[ "$2" = prepare ] || exit 0
guard=$(nft list ruleset | grep -c '"tap7"')
echo "guard=$([ "$guard" -gt 0 ] && echo yes || echo no) interface=$([ -e /sys/class/net/tap7 ] && echo yes || echo no)" >>/run/witness
`;

describe.skipIf(wanting !== null)('a machine of libvirt', () => {
  let root: SystemdRoot;
  const put = (path: string, text: string, mode = '644') =>
    root.shell(`mkdir -p "$(dirname ${path})"; cat > ${path} <<'END'\n${text}END\nchmod ${mode} ${path}`);

  /** All that it says, in one line, when it fails. */
  const virsh = (words: string) => root.shell(`virsh -q ${words} >/run/said 2>&1 || { tr '\\n' ' ' </run/said >&2; exit 1; }`);

  beforeAll(async () => {
    const made = packages();
    root = await SystemdRoot.boot();
    await root.exec(['dpkg', '-i', ...made], LIMIT_MS);
    await put('/etc/havip-agent/agent.yaml', AGENT, '640');
    await root.shell('chown root:havip /etc/havip-agent/agent.yaml; ip link add br0 type bridge; ip link set br0 up');
    await root.shell('install -D -m 755 /usr/share/havip-agent/hooks/libvirt-qemu /etc/libvirt/hooks/qemu.d/havip-agent');
    await put('/etc/libvirt/hooks/qemu.d/zz-witness', WITNESS, '755');
    // No control groups of this machine's, no daemon of logs, no user of its own: what a host has and namespaces do not.
    const qemu =
      'cgroup_controllers = []\nsecurity_driver = "none"\nuser = "root"\ngroup = "root"\nnamespaces = []\nremember_owner = 0\nstdio_handler = "file"\n';
    await put('/etc/libvirt/qemu.conf', qemu);
    await root.exec(['systemctl', 'start', 'havip-agent']);
    // It would use control groups that it finds, and those of a namespace have no controllers.
    await root.shell(`unshare --mount sh -ec 'umount --recursive --lazy /sys/fs/cgroup; /usr/sbin/libvirtd -d'`);
    await until(
      'libvirt answers',
      () =>
        root.exec(['virsh', '-q', 'list']).then(
          () => true,
          () => false,
        ),
      30_000,
    );
  }, LIMIT_MS);

  afterAll(() => root?.[Symbol.asyncDispose]());

  it(
    `has its guard before its interface, ${TIMES} times of ${TIMES}, and leaves no port behind`,
    async () => {
      const mac = '02:00:ac:11:10:07';
      await put('/root/cvm-1.xml', domain('cvm-1', mac, 'tap7', `mac='${mac}' subnet='subnet-a' addresses='172.17.16.7'`));
      await virsh('define /root/cvm-1.xml');
      for (let i = 0; i < TIMES; i++) {
        await virsh('start cvm-1');
        if (i === 0)
          expect(await root.exec(['havip-agent', 'ports'])).toMatch(
            /^tap7 +cvm-1 +subnet-a +02:00:ac:11:10:07 +172\.17\.16\.7 +captured/m,
          );
        await virsh('destroy cvm-1');
      }
      const witnessed = (await root.exec(['cat', '/run/witness'])).trim().split('\n');
      expect(witnessed).toEqual(Array.from({ length: TIMES }, () => 'guard=yes interface=no'));
      await until('no port', async () => !(await root.exec(['havip-agent', 'ports'])).includes('tap7'));
      expect(await root.exec(['ls', '/etc/havip-agent/ports.d'])).toBe('');
      expect(await root.exec(['nft', 'list', 'ruleset'])).not.toContain('"tap7"');
      expect(await root.exec(['havip-agent', 'status'])).toContain('ready');
    },
    LIMIT_MS,
  );

  it.each([
    ['its port would be refused', "mac='02:00:ac:11:10:08' subnet='none'", /subnet/],
    [
      'no interface has the MAC of its port',
      "mac='02:00:ac:11:10:99' subnet='subnet-a'",
      /no interface with a target has the MAC/,
    ],
  ])('is not started when %s', async (_why, port, said) => {
    await put('/root/cvm-2.xml', domain('cvm-2', '02:00:ac:11:10:08', 'tap8', port));
    const refused = await virsh('create /root/cvm-2.xml').catch((error: Error) => error.message);
    expect(refused).toMatch(/[Hh]ook script execution failed/);
    expect(refused).toMatch(said);
    expect(await root.exec(['ls', '/etc/havip-agent/ports.d'])).toBe('');
  });

  it('without a word of ports is none of ours', async () => {
    const xml = domain('cvm-3', '02:00:ac:11:10:09', 'tap9', '').replace(/<metadata>.*<\/metadata>/, '');
    await put('/root/cvm-3.xml', xml);
    await virsh('create /root/cvm-3.xml');
    expect(await root.exec(['ls', '/etc/havip-agent/ports.d'])).toBe('');
    await virsh('destroy cvm-3');
  });
});
