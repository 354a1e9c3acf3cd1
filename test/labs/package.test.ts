/**
 * The Debian packages on a Debian with systemd as process 1: what an administrator does to them in the life of a host. Each test goes on where
 * the one before it ended.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePackages, packages as made } from '../../native-fixtures/lab/packages.ts';
import { SystemdRoot, whyNoSystemd } from '../../native-fixtures/lab/systemd-root.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const LIMIT_MS = 240_000;
const CONFFILE = '/etc/havip-agent/agent.yaml';
const HAVIP = '172.17.16.3';
/** Of the same clone, and newer by its number alone. */
const NEXT = '999.0.0';

const wanting = whyNoSystemd() ?? whyNoPackages();
if (wanting !== null) console.warn(`the packages: skipped, ${wanting}`);

function whyNoPackages(): string | null {
  if (spawnSync('dpkg-deb', ['--version']).error !== undefined) return 'this is no Debian';
  const registry = spawnSync('npm', ['view', '--fetch-retries=0', 'koffi@3.3.4', 'version'], { timeout: 20_000 });
  return registry.status === 0 ? null : 'no package registry answers';
}

/** What the conffile becomes when its examples are taken. */
const EDIT = `sed -i -e 's/^# \\(vpcs:\\|ports:\\|  \\)/\\1/' -e 's/^mode: audit/mode: enforce/' ${CONFFILE}`;
/** Two guests: network namespaces whose interfaces are the ports of the conffile's example. */
const GUESTS = `ip link add br0 type bridge; ip link set br0 up
for guest in 7:07 13:0d; do
  tap=tap\${guest%:*}; name=g\${guest%:*}
  ip netns add $name
  ip link add $tap type veth peer name eth0 address 02:00:ac:11:10:\${guest#*:} netns $name
  ip link set $tap master br0 up
  ip -n $name addr add 172.17.16.\${guest%:*}/24 dev eth0
  ip -n $name link set eth0 up
done`;
/** It has the address as well, and answers for it: a holder is asked whenever an agent starts. */
const announce = (guest: string) =>
  `ip -n ${guest} addr add ${HAVIP}/32 dev eth0; ip netns exec ${guest} arping -U -c 2 -w 3 -I eth0 -s ${HAVIP} ${HAVIP} >/dev/null || true`;

interface View {
  readonly state: string;
  readonly holder: { readonly instance: string } | null;
  readonly epoch: number;
  readonly since: string;
}

const rest = (text: string) => text.replaceAll(/\n\t\telements = \{ (?:ip|arp)[^}]*timeout[^}]*\}/g, '');

describe.skipIf(wanting !== null)('the packages on a host with systemd', () => {
  let packages: string[];
  let next: string;
  let root: SystemdRoot;

  const status = () => root.exec(['havip-agent', 'status']);
  const view = async (): Promise<View> => {
    const document = JSON.parse(await root.exec(['havip-agent', 'status', 'havip-1', '--json'])) as { havips: View[] };
    return document.havips[0]!;
  };
  /** Without what runs down by itself, and is set again while an agent lives. */
  const rulesetOf = async () => (await root.exec(['nft', '--stateless', 'list', 'ruleset'])).replaceAll(/ expires \w+/g, '');
  /** What must outlive the agent: holder, epoch and since, and the ruleset to the byte. */
  const lasting = async () => {
    const { holder, epoch, since } = await view();
    const ruleset = await rulesetOf();
    expect(ruleset).toContain(HAVIP);
    return { holder, epoch, since, ruleset: createHash('sha256').update(ruleset).digest('hex') };
  };
  const ready = (limit = 20) => root.exec(['havip-agent', 'status', `--wait=${limit}`], (limit + 5) * 1000);

  beforeAll(async () => {
    [next] = makePackages('agent', NEXT) as [string];
    packages = made();
    root = await SystemdRoot.boot();
    // What the packages bring along; and what in a container's image keeps packages from starting services.
    await root.exec(['rm', '-f', '/usr/sbin/policy-rc.d']);
    await root.shell('for tool in node npm npx tsc; do while path=$(command -v $tool); do rm "$path"; done; done');
  }, LIMIT_MS);

  afterAll(() => root?.[Symbol.asyncDispose]());

  it('have no mistake that lintian knows', { timeout: LIMIT_MS }, () => {
    for (const file of packages) {
      const { error, status: exitCode, stdout } = spawnSync('lintian', ['--fail-on', 'error', file], { encoding: 'utf8' });
      if (error !== undefined) return console.warn('lintian is not installed');
      expect([exitCode, stdout.match(/^E:.*/gm)]).toEqual([0, null]);
    }
  });

  it('install, and touch nothing', async () => {
    const said = await root.exec(['dpkg', '-i', ...packages], LIMIT_MS);
    expect(said).toContain('edit /etc/havip-agent/agent.yaml, then: systemctl start havip-agent');
    expect(await root.exec(['havip-agent', '--version'])).toMatch(/^havip-agent \d/);
    expect(await root.exec(['systemctl', 'is-enabled', 'havip-agent'])).toBe('enabled\n');
    expect(await root.property('ActiveState')).toBe('inactive');
    expect(await root.exec(['nft', 'list', 'ruleset'])).toBe('');
    expect(await root.exec(['stat', '-c', '%a %U:%G', CONFFILE])).toBe('640 root:havip\n');
    expect(await root.exec(['havip-agent', 'check', CONFFILE])).toContain(': right. Host this-host');
    expect(await root.exec(['dpkg', '--verify', 'havip-agent'])).toBe('');
  });

  it('run after one edit of the conffile and a start: ready, in their sandbox, on their Node.js', async () => {
    await root.shell(GUESTS);
    await root.shell(EDIT);
    await root.exec(['systemctl', 'start', 'havip-agent']);
    expect(await status()).toMatch(/^this-host: .* enforce, ready\nHAVIP[^]*havip-1 +172\.17\.16\.3 +unbound/);
    expect(await root.property('StatusText')).toBe('0 bound, 0 contested');
    const pid = await root.property('MainPID');
    expect(await root.exec(['readlink', `/proc/${pid}/exe`])).toBe('/usr/lib/havip-agent-node/bin/node\n');
    expect(await root.exec(['cat', `/proc/${pid}/comm`])).toBe('havip-agent\n');
    const process = await root.exec(['cat', `/proc/${pid}/status`]);
    expect(process).toMatch(/^NoNewPrivs:\t1$/m);
    expect(process).toMatch(/^Seccomp:\t2$/m);
    // CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF
    expect(process).toMatch(/^CapEff:\t0000008000003000$/m);
    expect(await root.exec(['journalctl', '-u', 'havip-agent', '-p', 'err', '-q'])).toBe('');
  });

  it('bind whom they hear', async () => {
    await root.shell(announce('g7'));
    expect(await view()).toMatchObject({ state: 'bound', holder: { instance: 'cvm-1' } });
    await until('the status line', async () => (await root.property('StatusText')) === '1 bound, 0 contested');
    const events = await root.exec(['havip-agent', 'events', 'havip-1']);
    expect(events).toMatch(/ bound +havip-1: /);
  });

  it('reload a good file, and fail visibly with a bad one, which changes nothing', async () => {
    await root.shell(`cp ${CONFFILE} /root/good; sed -i 's/^vpcs:/log: { level: debug }\\nvpcs:/' ${CONFFILE}`);
    await root.exec(['systemctl', 'reload', 'havip-agent']);
    expect(await root.exec(['journalctl', '-u', 'havip-agent', '-q'])).toContain('configuration reloaded');
    const before = await lasting();
    await root.shell(`sed -i 's/172.17.16.3,/172.17.99.3,/' ${CONFFILE}`);
    await expect(root.exec(['systemctl', 'reload', 'havip-agent'])).rejects.toThrow(/Job for havip-agent.service failed/);
    expect(await root.property('ActiveState')).toBe('active');
    expect(await root.exec(['journalctl', '-u', 'havip-agent', '-p', 'err', '-q'])).toMatch(/agent\.yaml:\d+:\d+: vpcs\[0\]/);
    expect(await lasting()).toEqual(before);
    await root.shell(`cp /root/good ${CONFFILE}`);
    await root.exec(['systemctl', 'reload', 'havip-agent']);
    expect(await lasting()).toEqual(before);
  });

  it('allocate for root and the group havip-admin, in the folder of their state', async () => {
    expect(await root.exec(['havip-agent', 'havip', 'allocate', 'web', '--subnet', 'subnet-a'])).toContain(
      'web: 172.17.16.1 in subnet-a of vpc-1',
    );
    expect(await root.exec(['ls', '/var/lib/havip-agent/havips.d'])).toContain('web.yaml');
    const asGuest = 'setpriv --reuid=guest --regid=havip --init-groups havip-agent havip release web 2>&1 || true';
    expect(await root.shell(`useradd -G havip guest; ${asGuest}`)).toContain(
      'may not release: that is for root and members of the group havip-admin',
    );
    expect(await root.shell(`gpasswd -a guest havip-admin >/dev/null; ${asGuest}`)).toContain('web is released');
    expect(await root.exec(['journalctl', '-u', 'havip-agent', '-o', 'cat'])).toMatch(/guest \(uid \d+\) released web/);
  });

  it('are started anew after kill -9, and adopt what the kernel holds', async () => {
    const before = await lasting();
    const pid = await root.property('MainPID');
    await root.exec(['kill', '-9', pid]);
    await until('another process', async () => !['0', pid].includes(await root.property('MainPID')), 20_000);
    await ready();
    expect(await lasting()).toEqual(before);
    expect(await root.exec(['havip-agent', 'events', 'havip-1'])).toContain('adopted');
  });

  it('are upgraded with holder, epoch, since and ruleset as they were', async () => {
    const before = await lasting();
    const pid = await root.property('MainPID');
    await root.exec(['dpkg', '-i', next], LIMIT_MS);
    await ready();
    expect(await status()).toContain(`havip-agent ${NEXT}`);
    expect(await root.property('MainPID')).not.toBe(pid);
    expect(await lasting()).toEqual(before);
    expect(await root.exec(['systemctl', 'is-enabled', 'havip-agent'])).toBe('enabled\n');
    expect(await root.shell(`diff /root/good ${CONFFILE} && echo same`)).toBe('same\n');
  });

  it('are started anew by the watchdog when they hang, within 15 s', async () => {
    const before = await lasting();
    const pid = await root.property('MainPID');
    const startedMs = performance.now();
    await root.exec(['kill', '-STOP', pid]);
    await until('another process', async () => !['0', pid].includes(await root.property('MainPID')), 30_000);
    const tookMs = performance.now() - startedMs;
    console.log(`stopped to started anew: ${(tookMs / 1000).toFixed(1)} s`);
    expect(tookMs).toBeLessThan(15_000);
    await ready();
    // Silent for as long, the agent had the switch let go of what pins traffic (failsafeSeconds); it is back when the holder has answered.
    await until('what it held', async () => isDeepStrictEqual(await lasting(), before), 20_000);
  });

  it('open to addresses by the drop-in, with hardly more to be attacked', async () => {
    const folder = '/etc/systemd/system/havip-agent.service.d';
    /** With what stands beside the unit. */
    const exposure = () =>
      root.exec(['systemd-analyze', 'security', '--offline=true', '--threshold=22', '--no-pager', 'havip-agent.service']);
    expect(await exposure()).toMatch(/only localhost entries[^]*level .*: 2\.[0-2] OK/);
    expect(await root.property('IPAddressAllow')).not.toContain('0.0.0.0/0');
    await root.shell(`install -D -m 644 /usr/share/havip-agent/addresses.conf ${folder}/addresses.conf; systemctl daemon-reload`);
    expect(await root.property('IPAddressAllow')).toContain('0.0.0.0/0');
    expect(await exposure()).toMatch(/with non-localhost entries[^]*level .*: 2\.[0-2] OK/);
    await root.exec(['systemctl', 'restart', 'havip-agent']);
    await ready();
  });

  it('are removed and purged with the guard as it stands, and say how it goes', async () => {
    const before = await lasting();
    await root.exec(['systemctl', 'stop', 'havip-agent']);
    const ruleset = await rulesetOf();
    expect(createHash('sha256').update(ruleset).digest('hex')).toBe(before.ruleset);
    await root.exec(['dpkg', '--remove', 'havip-agent']);
    expect(await root.exec(['sh', '-c', 'systemctl is-active havip-agent || true'])).toBe('inactive\n');
    expect(await root.exec(['dpkg', '--purge', 'havip-agent'])).toContain('nft delete table netdev havip');
    // What pins traffic to holders may have let go meanwhile: of that nobody renews anything.
    expect(rest(await rulesetOf())).toBe(rest(ruleset));
    await root.shell('nft delete table netdev havip');
    expect(await rulesetOf()).toBe('');
    expect(
      await root.exec(['sh', '-c', 'ls -d /etc/havip-agent /var/lib/havip-agent /usr/lib/havip-agent 2>/dev/null || true']),
    ).toBe('');
  });
});
