import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokenBelief } from '../../src/base/assert.ts';
import { whoRuns } from '../../src/base/user.ts';
import { command as check } from '../../src/cli/check.ts';
import { command as cleanup } from '../../src/cli/cleanup.ts';
import { command as explain } from '../../src/cli/explain.ts';
import { explainFailure } from '../../src/cli/failure.ts';
import { command as record } from '../../src/cli/record.ts';
import { command as run } from '../../src/cli/run.ts';
import { command as status } from '../../src/cli/status.ts';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import { HAVIP, STATUS, quiet, source } from '../api/source.ts';
import { runCommand } from './io.ts';

const CONFIG = `host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets:
      - { id: subnet-a, cidr: 172.17.16.0/24, gateway: 172.17.16.1 }
      - { id: subnet-b, cidr: 172.17.32.0/24 }
    havips:
      - { id: havip-1, subnet: subnet-a, address: 172.17.16.3, members: [cvm-1, cvm-2] }
      - { id: havip-2, subnet: subnet-b, address: 172.17.32.3 }
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.7] }
  - { interface: tap9, instance: cvm-3, subnet: subnet-a, mac: "02:00:ac:11:10:09", addresses: [172.17.16.9] }
vswitch: { driver: memory }
`;

let folder: string;
const path = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-cli-'));
  writeFileSync(path('good.yaml'), CONFIG);
  writeFileSync(path('bad.yaml'), CONFIG.replace('172.17.16.3,', '172.17.16.7,').replace('[172.17.16.9]', '[172.17.32.9]'));
});

afterAll(() => rmSync(folder, { recursive: true }));

const refused = (reason: 'not-havip' | 'mac-mismatch', agoMs: number, senderMac: string) => ({
  reason,
  at: '2026-01-01T00:00:00.000Z',
  agoMs,
  sourceMac: '02:00:ac:11:10:09',
  senderMac,
  address: '172.17.16.1',
  etherType: '0x0806',
  frame: 'ffff',
});

describe('check', () => {
  it('says that a file is right and what is in it', async () => {
    expect(await runCommand(check, path('good.yaml'))).toEqual({
      exitCode: 0,
      stdout: `${path('good.yaml')}: right. Host host-a: 1 VPC, 2 subnets, 2 HAVIPs, 2 ports, 0 uplinks; memory, enforce, 127.0.0.1:9712\n`,
      stderr: '',
    });
  });

  it('notes what is right and hardly meant', async () => {
    writeFileSync(path('nobody.yaml'), CONFIG.replace('members: [cvm-1, cvm-2]', 'members: []'));
    const { exitCode, stdout } = await runCommand(check, path('nobody.yaml'));
    expect([exitCode, stdout.split('\n')[1]]).toEqual([
      0,
      'note: havip-1: `members: []` lets no machine claim it; without `members` every machine of its subnet may',
    ]);
    writeFileSync(path('blind.yaml'), CONFIG.replace(/^ports:[^]*?(?=vswitch)/m, ''));
    expect((await runCommand(check, path('blind.yaml'))).stdout).toContain('note: no `ports`: this host guards nothing');
  });

  it('says every mistake, by line', async () => {
    const { exitCode, stdout, stderr } = await runCommand(check, path('bad.yaml'));
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr.split('\n').map((line) => line.replace(path('bad.yaml'), 'f'))).toEqual([
      'f:9:51: vpcs[0].havips[0].address: 172.17.16.7 already belongs to port tap7 of this VPC; choose a free address',
      'f:13:97: ports[1].addresses[0]: 172.17.32.9 is outside subnet-a (172.17.16.0/24); choose an address of that subnet',
      'f: 2 mistakes',
      '',
    ]);
  });

  it.each<[string[], string]>([
    [[], 'FILE is missing; see --help'],
    [['a', 'b'], '"b" is one argument too many; see --help'],
    [['--loud', 'a'], "Unknown option '--loud'; see --help"],
    [['/nowhere/havip.yaml'], 'cannot read /nowhere/havip.yaml: there is no such file'],
    [['/'], 'cannot read /: it is a directory'],
  ])('%j is wrong use', async (args, text) => {
    expect(await runCommand(check, ...args)).toEqual({ exitCode: 2, stdout: '', stderr: `havip-agent: ${text}\n` });
  });
});

describe('commands that need a right configuration', () => {
  it.each([
    ['run', run, []],
    ['cleanup', cleanup, []],
    ['explain', explain, ['--port', 'tap7', '--frame', '00']],
  ] as const)('%s refuses one with mistakes', async (_name, command, more) => {
    const { exitCode, stderr } = await runCommand(command, '--config', path('bad.yaml'), ...more);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/:9:51: .*\n.*:13:97: .*\nhavip-agent: .*bad\.yaml: 2 mistakes\n$/);
  });

  it('cleanup has nothing to do for the memory driver', async () => {
    expect((await runCommand(cleanup, '--config', path('good.yaml'))).exitCode).toBe(0);
  });
});

/** An ARP reply, broadcast, from the given MAC and address. */
function arp(mac: string, address: string): string {
  const sender =
    mac +
    address
      .split('.')
      .map((octet) => Number(octet).toString(16).padStart(2, '0'))
      .join('');
  return `ffffffffffff ${mac} 0806 0001 0800 06 04 0002 ${sender} ffffffffffff ${sender.slice(12)}`;
}

const ask = async (port: string, frame: string) => {
  const { stdout, exitCode, stderr } = await runCommand(
    explain,
    '--config',
    path('good.yaml'),
    '--port',
    port,
    '--frame',
    frame,
    '--json',
  );
  expect([exitCode, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
};

describe('explain', () => {
  const TAP7 = '0200ac111007';
  const TAP9 = '0200ac111009';

  it.each<[string, string, string, string[]]>([
    ['tap7', arp(TAP7, '172.17.16.7'), 'own-address', ['172.17.16.7 is one of the `addresses` of port tap7 (cvm-1)']],
    ['tap7', arp(TAP7, '172.17.16.3'), 'havip-claim', ["havip-1 is a HAVIP of the port's subnet, and cvm-1 may claim it"]],
    [
      'tap9',
      arp(TAP9, '172.17.16.3'),
      'not-member',
      ['members of havip-1 are cvm-1, cvm-2; port tap9 (cvm-3) is not among them'],
    ],
    ['tap7', arp(TAP7, '172.17.32.3'), 'foreign-subnet', ['havip-2 belongs to subnet-b, port tap7 (cvm-1) is in subnet-a']],
    ['tap7', arp(TAP7, '172.17.16.9'), 'not-havip', ['172.17.16.9 is the fixed address of port tap9 (cvm-3)']],
    ['tap7', arp(TAP7, '172.17.16.1'), 'not-havip', ['172.17.16.1 is the gateway of subnet-a']],
    [
      'tap7',
      arp(TAP7, '172.17.16.70'),
      'not-havip',
      ["172.17.16.70 is no HAVIP of vpc-1; the port's own addresses: 172.17.16.7"],
    ],
    ['tap7', arp(TAP9, '172.17.16.7'), 'mac-mismatch', ['the MAC of port tap7 (cvm-1) is 02:00:ac:11:10:07']],
    ['tap7', 'ffffffffffff0200ac1110078100', 'tagged', ['the EtherType is 0x8100, a VLAN tag']],
    ['eth5', arp(TAP7, '172.17.16.7'), 'unknown-port', []],
  ])('%s %s: %s', async (port, frame, reason, because) => {
    expect(await ask(port, frame)).toMatchObject({ port, reason, because });
  });

  it('is readable', async () => {
    const args = ['--config', path('good.yaml'), '--port', 'tap9', '--frame', arp(TAP9, '172.17.16.3')];
    expect((await runCommand(explain, ...args)).stdout).toBe(
      `verdict   drop: not-member
frame     ARP reply, sender 172.17.16.3 at 02:00:ac:11:10:09, target 172.17.16.3, Ethernet source 02:00:ac:11:10:09 from port tap9
rule      claim of a HAVIP whose members do not include this instance
because   members of havip-1 are cvm-1, cvm-2; port tap9 (cvm-3) is not among them
effect    the guard drops the frame in the kernel
opposite  Add the instance to the HAVIP’s \`members\`.
`,
    );
  });

  it('wants whole bytes', async () => {
    for (const frame of ['', 'f', 'xyz0']) {
      const { exitCode, stderr } = await runCommand(explain, '--config', path('good.yaml'), '--port', 'tap7', '--frame', frame);
      expect([exitCode, stderr]).toEqual([
        2,
        'havip-agent: --frame must be the bytes of one Ethernet frame, two hexadecimal digits each\n',
      ]);
    }
  });
});

describe('status and record ask a running agent', () => {
  let address: string;
  const servers: Server[] = [];
  const serve = async (name: string, changes: Parameters<typeof source>[0] = {}) => {
    const server = createHttp(() => source(changes), quiet);
    servers.push(server);
    return listenOn(server, { unix: path(name) });
  };

  beforeAll(async () => {
    address = await serve('a.sock');
  });

  afterAll(() => {
    for (const server of servers) server.close();
  });

  it('status shows who holds what, and what was dropped', async () => {
    const { exitCode, stdout } = await runCommand(status, '--http', address);
    expect(exitCode).toBe(0);
    expect(stdout.replace(/\b\d+ d\b/, 'AGE').replaceAll(/ {3,}/g, '  ')).toBe(
      `host-a: havip-agent 0.1.0, nftables, enforce, ready
HAVIP  ADDRESS  STATE  HOLDER  AGE  SEEN  NEXT  LAST FAILOVER
havip-1  172.17.16.3  bound  cvm-2 (tap13 on host-a)  AGE  0 s  -  cvm-1 -> cvm-2, silence, 3.69 s
ports: 1 captured, 1 absent (tap7)
uplinks: vx10 (vpc-1)
drops: malformed 12, not-havip 3; by the kernel's own count 15
findings:
  havip-1: no-refresh: announces once only
  subnet-a: nd-unlisted: nobody says whose IPv6 addresses are
note: the guard is re-made when an interface appears: this kernel has no hooks by name
`,
    );
  });

  it('status names what was refused last, newest first, as `explain` takes it', async () => {
    const [port] = [...source().ports()];
    const list = [refused('not-havip', 61_000, '02:00:ac:11:10:09'), refused('mac-mismatch', 2000, '02:00:ac:11:10:07')];
    const at = await serve('refused.sock', { ports: () => [{ ...port!, refused: list }] });
    const { stdout } = await runCommand(status, '--http', at);
    expect(stdout.split('\n').filter((line) => line.startsWith('refused: '))).toEqual([
      `refused: ${port!.interface}: mac-mismatch, 2 s ago: 172.17.16.1, 02:00:ac:11:10:07, 02:00:ac:11:10:09, 0x0806; explain --port ${port!.interface} --frame ffff`,
      `refused: ${port!.interface}: not-havip, 1 min ago: 172.17.16.1, 02:00:ac:11:10:09, 0x0806; explain --port ${port!.interface} --frame ffff`,
    ]);
  });

  it('status --json is one document', async () => {
    const { stdout } = await runCommand(status, '--json', '--http', address);
    expect(JSON.parse(stdout)).toMatchObject({
      ...STATUS,
      havips: [HAVIP],
      ports: [{ state: 'captured' }, { state: 'absent' }],
    });
  });

  it('status of an agent that is not ready: 1 and why', async () => {
    const waiting = await serve('b.sock', { status: () => ({ ...STATUS, ready: false, reason: 'the switch is not in sync' }) });
    expect(await runCommand(status, '--http', waiting)).toMatchObject({
      exitCode: 1,
      stderr: 'not ready: the switch is not in sync\n',
    });
  });

  it.each([
    [200, '<html>', 'what answers at HOST is no havip-agent: it does not speak JSON'],
    [404, '{ "error": 7 }', '/api/v1/havips/havip-1/record: HTTP status 404'],
    [502, '{ cut sho', '/api/v1/havips/havip-1/record: HTTP status 502'],
  ])('somebody else who listens there: %d %s', async (code, body, text) => {
    const server = createServer((_asked, reply) => reply.writeHead(code).end(body)).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const command =
      code === 200
        ? runCommand(status, '--http', `127.0.0.1:${port}`)
        : runCommand(record, 'havip-1', '--http', `127.0.0.1:${port}`);
    expect(await command).toEqual({
      exitCode: code === 200 ? 3 : 1,
      stdout: '',
      stderr: `havip-agent: ${text.replace('HOST', `127.0.0.1:${port}`)}\n`,
    });
  });

  it('record writes the bytes', async () => {
    expect(await runCommand(record, 'havip-1', '--http', address)).toEqual({ exitCode: 0, stdout: '\n\r\r\n', stderr: '' });
  });

  it.each<[string[], number, string]>([
    [['havip-9', '--http', 'unix:SOCKET'], 1, 'there is no HAVIP "havip-9"'],
    [['havip-9', '--http', 'unix:/nowhere.sock'], 3, 'no agent answers at unix:/nowhere.sock: there is no such socket'],
    [
      ['havip-9', '--http', 'unix:/nowhere/agent.sock'],
      3,
      'no agent answers at unix:/nowhere/agent.sock: there is no directory /nowhere',
    ],
    [['havip-9', '--http', 'unix:/etc/passwd/a'], 3, 'no agent answers at unix:/etc/passwd/a: /etc/passwd is not a directory'],
    [['havip-9', '--http', '127.0.0.1:1'], 3, 'no agent answers at 127.0.0.1:1: connection refused'],
    [['havip-9', '--http', 'nonsense'], 2, '"nonsense" is not an address; write HOST:PORT or unix:/path'],
    [[], 2, 'HAVIP is missing; see --help'],
  ])('record %j: %d', async (args, exitCode, text) => {
    const outcome = await runCommand(record, ...args.map((arg) => arg.replace('unix:SOCKET', address)));
    expect(outcome).toEqual({ exitCode, stdout: '', stderr: `havip-agent: ${text}\n` });
  });
});

describe('failures', () => {
  it('show the stack of a defect only to who asks', () => {
    expect(explainFailure(new BrokenBelief('x'), true).text).toMatch(/^defect: x\nBrokenBelief: x\n +at /);
  });
});

const havip = (...args: string[]) => {
  const { status: exitCode, stdout, stderr } = spawnSync(process.execPath, ['dist/src/main.js', ...args], { encoding: 'utf8' });
  return { exitCode, stdout, stderr };
};

describe('the program', () => {
  it('answers in one line, never with a stack trace', () => {
    expect(havip('--version')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^havip-agent \d+\.\d+\.\d+\n$/) as string,
    });
    expect(havip('fly')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'havip-agent: there is no command "fly"; one of run, check, status, events, ports, port, vpc, subnet, havip, console, record, replay, explain, cleanup, help\n',
    });
    expect(havip('check', '/nowhere.yaml')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'havip-agent: cannot read /nowhere.yaml: there is no such file\n',
    });
    expect(havip('status', '--help').stdout).toMatch(/^usage: havip-agent status /);
  });

  it.each([
    ['run', `CAP_NET_RAW missing for ${whoRuns()}: run as root, or grant it`],
    ['cleanup', `nftables needs CAP_NET_ADMIN, which ${whoRuns()} does not have here (run as root)`],
  ])('%s without privilege says what is missing', (name, text) => {
    const config = path(`${name}.yaml`);
    writeFileSync(config, name === 'run' ? CONFIG : CONFIG.replace('driver: memory', 'driver: nftables'));
    const program = [process.execPath, 'dist/src/main.js', name, '--config', config];
    const [file = '', ...args] = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-all', ...program] : program;
    const { status: exitCode, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 3, stdout: '', stderr: `havip-agent: ${text}\n` });
  });
});
