/**
 * Errors of every kind, thrown where they are really thrown, row by row of the table error -> exit code; those of a worker thread on
 * their way through piscina, where an error loses its class and its fields.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listenOn } from '../../src/api/listen.ts';
import { SystemError } from '../../src/abi/libc.ts';
import { BrokenBelief } from '../../src/base/assert.ts';
import { failureOf, OperatingError, tellFailure, throwTold } from '../../src/base/failure.ts';
import { CommandError, readArgs } from '../../src/cli/command.ts';
import { Client } from '../../src/cli/client.ts';
import { explainFailure } from '../../src/cli/failure.ts';
import { closeCapture, openCapture } from '../../src/pcap/file.ts';
import { judgeAhead } from '../../src/replay/ahead.ts';
import { VSwitchError } from '../../src/vswitch/vswitch.ts';
import { CONFIG } from '../agent/hand.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { buildPortTables } from '../../src/replay/ports.ts';
import { seedNetwork } from '../network.ts';

const root = resolve(import.meta.dirname, '../..');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-failure-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function thrownBy(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('the table error -> exit code', () => {
  it.each<[string, number, string, () => unknown]>([
    ['wrong-use', 2, 'FILE is missing; see --help', () => readArgs([], {}, ['FILE'])],
    ['no-agent', 3, 'no agent answers at 127.0.0.1:1: connection refused', () => new Client('127.0.0.1:1').get('/')],
    ['capture-file', 2, '/nowhere.pcap: no such file', () => openCapture('/nowhere.pcap')],
    [
      'listen',
      3,
      'cannot listen on 192.0.2.1:9: this host has no such address',
      () => listenOn(createServer(), { host: '192.0.2.1', port: 9 }),
    ],
    ['virtual-switch', 3, 'nftables is missing', () => Promise.reject(new VSwitchError('unavailable', 'nftables is missing'))],
    ['system-call', 3, 'socket: Operation not permitted (EPERM)', () => Promise.reject(new SystemError('socket', 1))],
    ['system-call', 3, 'EISDIR: illegal operation on a directory, read', () => readFileSync('/')],
    ['refusal', 1, 'there is no HAVIP', () => Promise.reject(new CommandError('refusal', 'there is no HAVIP'))],
    ['no-privilege', 3, 'CAP_NET_RAW missing', () => Promise.reject(new CommandError('no-privilege', 'CAP_NET_RAW missing'))],
    [
      'taken',
      3,
      'another agent has table havip',
      () => Promise.reject(new OperatingError('taken', 'another agent has table havip')),
    ],
    ['no-package', 3, 'two lines', () => Promise.reject(new OperatingError('no-package', 'two\n  lines'))],
  ])('%s: %d', async (failure, exitCode, text, act) => {
    const error = await thrownBy(act);
    expect(failureOf(error)).toBe(failure);
    expect(explainFailure(error, false)).toEqual({ exitCode, text });
  });

  it.each<[unknown, string]>([
    [new BrokenBelief('a ring is\n full'), 'defect: a ring is full'],
    [new TypeError('x is undefined'), 'defect: TypeError: x is undefined'],
    [Object.assign(new Error('made up'), { failure: 'constructor' }), 'defect: Error: made up'],
    ['a text', 'defect: a text'],
  ])('%s: a defect', (error, text) => {
    expect(explainFailure(error, false)).toEqual({ exitCode: 70, text });
    expect(() => tellFailure(error)).toThrow();
  });
});

describe('a failure in a worker thread', () => {
  it('keeps its kind and its line on the way', () => {
    const told = structuredClone(tellFailure(new SystemError('epoll_create1', 24)));
    expect(() => throwTold(told)).toThrow(OperatingError);
    const error = (() => {
      try {
        return throwTold(told);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(explainFailure(error, false)).toEqual({ exitCode: 3, text: 'epoll_create1: Too many open files (EMFILE)' });
  });

  it('at the start of capture: cannot run, not a defect, and the workers can be stopped', () => {
    const script = `
      import { Workers } from ${JSON.stringify(join(root, 'dist/src/worker/crew.js'))};
      import { explainFailure } from ${JSON.stringify(join(root, 'dist/src/cli/failure.js'))};
      const workers = new Workers({ count: 2, source: 'ring', ringKib: 64, onTrouble: () => {} });
      workers.ended.catch(async (error) => {
        await workers.stop();
        console.log(JSON.stringify(explainFailure(error, false)));
        process.exit(0);
      });`;
    const program = [process.execPath, '--input-type=module', '-e', script];
    const [file = '', ...args] = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-all', ...program] : program;
    const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 20_000 });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ exitCode: 3, text: 'socket: Operation not permitted (EPERM)' });
  });

  it('in a replay', async () => {
    const path = join(root, 'native-fixtures/captures');
    const name = readdirSync(path).find((one) => one.endsWith('.pcapng') || one.endsWith('.pcap')) ?? '';
    const file = openCapture(join(path, name));
    const policy = compilePolicy(seedNetwork);
    const pool = new Piscina({
      filename: join(root, 'dist/src/replay/worker.js'),
      workerData: { policy: policy.words.buffer, held: policy.held.memory, ports: buildPortTables(seedNetwork) },
      minThreads: 1,
      maxThreads: 1,
    });
    const gone = { ...file, fd: 99_999 };
    const ahead = judgeAhead(pool, 1, gone, Float64Array.of(file.sizeBytes));
    const error = await thrownBy(() => ahead.take(0));
    await ahead.close();
    await pool.destroy();
    closeCapture(file);
    expect(explainFailure(error, false)).toMatchObject({ exitCode: 3, text: expect.stringMatching(/^EBADF: /) as string });
  });
});

/** dist/ as it is installed where the optional packages could not be built. */
function installWithoutCap(): string {
  const home = join(folder, 'installed');
  mkdirSync(join(home, 'node_modules'), { recursive: true });
  cpSync(join(root, 'dist/src'), join(home, 'dist/src'), { recursive: true });
  cpSync(join(root, 'package.json'), join(home, 'package.json'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== 'cap') symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
  }
  return join(home, 'dist/src/main.js');
}

it.runIf(process.getuid?.() === 0)('`source: libpcap` without cap: one line before anything is started, and exit 3', () => {
  const config = join(folder, 'havip.yaml');
  writeFileSync(config, `${CONFIG}capture: { source: libpcap }\nhttp: { listen: "unix:${join(folder, 'a.sock')}" }\n`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [installWithoutCap(), 'run', '--config', config], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 3,
    stdout: '',
    stderr: 'havip-agent: capture source libpcap needs the optional package cap (npm install cap, with libpcap-dev installed)\n',
  });
});
