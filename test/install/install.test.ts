/**
 * The README's "On a real host", line by line: the package is built in a clean copy of what git knows, and installed in a root of its
 * own from which compilers are gone. Then the agent runs there as the unit says: its user, its capabilities, its configuration.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from '../../native-fixtures/lab/command.ts';
import { OverlayRoot } from '../../native-fixtures/lab/overlay-root.ts';
import { LabProcess } from '../../native-fixtures/lab/process.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const LIMIT_MS = 180_000;
const CONFIG = '/etc/havip-agent/agent.yaml';
const CAPTURES = ['keepalived-crash.pcapng', 'keepalived-two-masters.pcapng', 'spoof-neighbour.pcap'];
/** What the host is said not to need. */
const TOOLS = ['gcc', 'g++', 'cc', 'c++', 'make', 'python3', 'tsc'];

const wanting = whatIsWanting();
if (wanting !== null) console.warn(`the installation of the README: skipped, ${wanting}`);

function whatIsWanting(): string | null {
  if (process.getuid?.() !== 0) return 'it needs root, for a root directory of its own';
  if (!/\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))) return 'this kernel has no overlayfs';
  if (spawnSync('git', ['rev-parse'], { cwd: projectRoot() }).status !== 0)
    return 'this is no clone, and git says what a clean copy is';
  const registry = spawnSync('npm', ['view', '--fetch-retries=0', 'koffi@3.3.4', 'version'], { cwd: tmpdir(), timeout: 20_000 });
  return registry.status === 0 ? null : 'no package registry answers';
}

/** The shell blocks of a section of the README, in their order. */
function shellOf(heading: string): string[] {
  const readme = readFileSync(join(projectRoot(), 'README.md'), 'utf8');
  const section = readme.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text);
}

function cleanCopy(to: string): void {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: projectRoot(), encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) {
    mkdirSync(join(to, dirname(file)), { recursive: true });
    cpSync(join(projectRoot(), file), join(to, file), { verbatimSymlinks: true });
  }
}

/** `Name=value` lines of the unit. */
function unit(name: string): string[] {
  const text = readFileSync(join(projectRoot(), 'packaging/havip-agent.service'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}=`))
    .map((line) => line.slice(name.length + 1));
}

/** What systemd does for the unit before it starts the program: user, groups, and no capability but those named. */
function asUnit(...argv: readonly string[]): string[] {
  const [user = ''] = unit('User');
  const names = (unit('AmbientCapabilities')[0] ?? '').split(' ').map((name) => `+${name.slice('CAP_'.length).toLowerCase()}`);
  const capabilities = ['--inh-caps', '--ambient-caps', '--bounding-set'].map((option) => `${option}=-all,${names.join(',')}`);
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--no-new-privs', ...capabilities, ...argv];
}

describe.skipIf(wanting !== null)('the README’s installation', () => {
  const [build = '', install = ''] = shellOf('On a real host');
  let folder: string;
  let root: OverlayRoot;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'havip-install-'));
    cleanCopy(folder);
    await command(['bash', '-euc', `cd ${folder}\n${build}`], { limitMs: LIMIT_MS });
    root = await OverlayRoot.create();
    for (const tool of TOOLS) await root.exec(['sh', '-c', `while tool=$(command -v ${tool}); do rm "$tool"; done`]);
    // Beside the package and nothing else: the copy is not there.
    await command([
      'bash',
      '-c',
      `cat ${folder}/havip-agent-*.tgz | ${shell(root.argv('sh', '-c', 'cat > /root/havip-agent-0.tgz'))}`,
    ]);
    // No systemd runs there; what it would start, a test below starts.
    const lines = install.replace('systemctl enable --now ', 'systemctl enable ');
    expect(lines).not.toBe(install);
    await root.exec(['bash', '--norc', '-euc', `cd /root\n${lines}`], LIMIT_MS);
    // As somebody edits it: the rules in it are comments.
    await root.exec(['sed', '-i', '/^# vpcs:/,$ s/^# //', CONFIG]);
    // The unit's RuntimeDirectory.
    await root.exec(['install', '-d', '-o', 'havip', '-g', 'havip', '/run/havip-agent']);
  }, 2 * LIMIT_MS);

  afterAll(async () => {
    await root?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('packs what runs, and neither sources nor tests', () => {
    const packed = readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? '';
    const names = execFileSync('tar', ['tzf', join(folder, packed)], { encoding: 'utf8' }).split('\n');
    expect(names).toEqual(
      expect.arrayContaining(['package/dist/src/start.cjs', 'package/dist/src/main.js', 'package/README.md']),
    );
    expect(names.filter((name) => /\.map$|\.(ts|cts)$|\/test\/|\/bench\/|native-fixtures/.test(name))).toEqual([]);
  });

  it('puts havip-agent on the PATH of a host without compilers', async () => {
    expect(await root.exec(['sh', '-c', 'havip-agent --version'])).toMatch(/^havip-agent \d/);
    for (const tool of TOOLS) expect(await root.exec(['sh', '-c', `command -v ${tool} || echo none`])).toBe('none\n');
  });

  it('lets the unit’s user read the configuration, and nobody else', async () => {
    expect(await root.exec(asUnit('havip-agent', 'check', CONFIG))).toContain(`${CONFIG}: right. `);
    await expect(root.exec(['setpriv', '--reuid=nobody', '--clear-groups', 'havip-agent', 'check', CONFIG])).rejects.toThrow(
      /permission denied/,
    );
  });

  it.each(CAPTURES)('replays %s as the checkout does', async (capture) => {
    const file = join(projectRoot(), 'native-fixtures/captures', capture);
    const replay = ['replay', file, '--config', join(projectRoot(), 'examples/smallest.yaml'), '--json'];
    const here = await command([process.execPath, join(projectRoot(), 'dist/src/start.cjs'), ...replay], { limitMs: 30_000 });
    expect(JSON.parse(here)).toMatchObject({ problem: null });
    expect(await root.exec(['havip-agent', ...replay])).toBe(here);
  });

  it('installs a unit that systemd understands, with little to be attacked', async () => {
    const security = ['systemd-analyze', 'security', '--offline=true', '--threshold=22', '--no-pager'];
    expect(await root.exec([...security, '/etc/systemd/system/havip-agent.service'])).toMatch(/exposure level .*: 2\.[0-2] OK/);
    expect(await root.exec(['sh', '-c', 'systemd-analyze verify havip-agent.service 2>&1 | grep havip || true'])).toBe('');
    expect(await root.exec(['systemctl', 'is-enabled', 'havip-agent'])).toBe('enabled\n');
  });

  it('runs as the unit says, programs the kernel, is ready and reloads', async () => {
    const [start = ''] = unit('ExecStart');
    const agent = new LabProcess('agent', ['unshare', '--net', ...root.argv(...asUnit(...start.split(' ')))]);
    try {
      await agent.line(/havip-agent runs/, 30_000);
      const inside = (...argv: string[]) => command(['nsenter', `--net=/proc/${agent.pid}/ns/net`, ...root.argv(...argv)]);
      await inside('ip', 'link', 'set', 'lo', 'up');
      const status = await until(
        'the agent is ready',
        async () => inside('havip-agent', 'status').catch(() => undefined),
        10_000,
      );
      expect(status).toMatch(/havip-1 +172\.17\.16\.3 +unbound/);
      expect(await inside('nft', 'list', 'tables')).toBe('table netdev havip\n');
      await root.exec(['rm', '-f', '/bin/kill']); // a small Debian has none
      const reload = unit('ExecReload').map((line) => line.replaceAll('$$', '$'));
      await root.exec(['env', `MAINPID=${agent.pid}`, 'sh', '-euc', reload.join('\n')]);
      await agent.line(/configuration reloaded/);
    } finally {
      await agent.stop();
    }
  });
});

function shell(argv: readonly string[]): string {
  return argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
