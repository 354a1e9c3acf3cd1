/** Configuration in the store, as running agents take it: whole processes, a real etcd, and the switch that programs nothing. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HavipView, PortView, StatusView } from '../../src/api/types.ts';
import { Client } from '../../src/cli/client.ts';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const run = promisify(execFile);
const START = join(projectRoot(), 'dist/src/start.cjs');
const isRoot = process.getuid?.() === 0;

let etcd: Etcd;
let folder: string;
const path = (name: string) => join(folder, name);
const agents: ChildProcess[] = [];

const PORT = {
  interface: 'havip-none7',
  instance: 'cvm-1',
  subnet: 'subnet-a',
  vpc: 'vpc-s',
  mac: '02:00:ac:11:10:07',
  addresses: ['172.17.16.7'],
};
const FILE_VPC = {
  id: 'vpc-f',
  cidr: '10.0.0.0/16',
  subnets: [{ id: 'subnet-f', cidr: '10.0.1.0/24' }],
  havips: [{ id: 'of-file', subnet: 'subnet-f', address: '10.0.1.9' }],
};

function writeConfig(name: string, changes: object = {}): void {
  const config = {
    host: { id: name },
    vpcs: [FILE_VPC],
    ports: [PORT],
    uplinks: [{ interface: 'havip-noneup', vpc: 'vpc-s' }],
    vswitch: { driver: 'memory' },
    store: { endpoints: etcd.endpoints },
    http: { listen: `unix:${path(`${name}.sock`)}` },
    ...changes,
  };
  writeFileSync(path(`${name}.yaml`), JSON.stringify(config));
}

async function start(name: string): Promise<Client> {
  const child = spawn(process.execPath, [START, 'run', '--config', path(`${name}.yaml`)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  agents.push(child);
  const client = new Client(`unix:${path(`${name}.sock`)}`);
  await until('an answer', async () => {
    const reply = await client.get('/api/v1/status').catch(() => null);
    return reply?.status === 200;
  });
  return client;
}

async function stop(): Promise<void> {
  const running = agents.splice(0).filter(({ exitCode }) => exitCode === null);
  const ended = running.map((child) => once(child, 'exit'));
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(ended);
}

const operator = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, [START, ...args, '--config', path('operator.yaml')])).stdout;
const havips = async (client: Client) => (await client.json<HavipView[]>('/api/v1/havips')).map(({ id }) => id).toSorted();
const notes = async (client: Client) => (await client.json<StatusView>('/api/v1/status')).notes;

describe.skipIf(!isRoot)('configuration in the store', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    etcd = await Etcd.start();
    folder = mkdtempSync(join(tmpdir(), 'havip-hosted-'));
    writeFileSync(path('operator.yaml'), JSON.stringify({ host: { id: 'desk' }, store: { endpoints: etcd.endpoints } }));
    writeConfig('host-a');
    writeConfig('host-b', { ports: [] });
  }, 60_000);
  afterAll(async () => {
    await stop();
    await etcd.close();
    rmSync(folder, { recursive: true });
  });

  it('comes to the hosts as it is written, beside what stands in their files', async () => {
    const [a, b] = [await start('host-a'), await start('host-b')];
    expect(await havips(a)).toEqual(['of-file']);
    // Nothing is known of its subnet: it may speak for itself.
    expect(await a.json<PortView[]>('/api/v1/ports')).toMatchObject([{ instance: 'cvm-1', vpc: 'vpc-s', subnet: 'subnet-a' }]);
    await operator('vpc', 'add', 'vpc-s', '--cidr', '172.17.0.0/16', '--quota', '3');
    await operator('subnet', 'add', 'subnet-a', '--vpc', 'vpc-s', '--cidr', '172.17.16.0/24', '--gateway', '172.17.16.1');
    const said = await operator('havip', 'allocate', 'web', '--vpc', 'vpc-s', '--subnet', 'subnet-a', '--members', 'cvm-1,cvm-2');
    expect(said).toBe('web: 172.17.16.2 in subnet-a of vpc-s\n');
    for (const client of [a, b]) await until('web on both hosts', async () => (await havips(client)).join(' ') === 'of-file web');
    expect(await a.json('/api/v1/havips/web')).toMatchObject({
      vpc: 'vpc-s',
      subnet: 'subnet-a',
      address: '172.17.16.2',
      state: 'unbound',
    });
    expect(await operator('vpc', 'list')).toMatch(/vpc-s +172\.17\.0\.0\/16 +1 +1 of 3/);
    expect(await operator('subnet', 'list')).toMatch(/subnet-a +vpc-s +172\.17\.16\.0\/24 +172\.17\.16\.1/);
    expect(await operator('havip', 'list')).toMatch(/web +172\.17\.16\.2 +subnet-a +vpc-s +allocated/);
  });

  it('is written by way of an agent too, where its credentials may, and files stay files', async () => {
    const a = new Client(`unix:${path('host-a.sock')}`);
    const b = new Client(`unix:${path('host-b.sock')}`);
    expect(await a.write('POST', '/api/v1/havips', { id: 'db', subnet: 'subnet-a' })).toMatchObject({
      vpc: 'vpc-s',
      address: '172.17.16.3',
    });
    expect(await a.write('POST', '/api/v1/havips', { id: 'local', subnet: 'subnet-f' })).toMatchObject({
      vpc: 'vpc-f',
      address: '10.0.1.1',
    });
    expect(existsSync(path('havips.d/local.yaml'))).toBe(true);
    await until('db on the other host', async () => (await havips(b)).includes('db'));
    expect(await a.write('POST', '/api/v1/havips/db/unbind', undefined)).toEqual({ id: 'db', unbound: null });
    await a.write('DELETE', '/api/v1/havips/local', undefined);
    await b.write('DELETE', '/api/v1/havips/db', undefined);
    for (const client of [a, b]) await until('neither', async () => (await havips(client)).join(' ') === 'of-file web');
  });

  it('that breaks the rules is left out alone, and said', async () => {
    const a = new Client(`unix:${path('host-a.sock')}`);
    const havip = {
      subnet: 'subnet-a',
      address: '172.17.16.1',
      members: null,
      fence: true,
      assist: null,
      verify: false,
      probe: false,
    };
    await etcd.ctl(['put', '/havip/v1/config/vpc-s/havip/bad', JSON.stringify(havip)]);
    await etcd.ctl(['put', '/havip/v1/config/vpc-s/havip/good', JSON.stringify({ ...havip, address: '172.17.16.20' })]);
    await until('the good one', async () => (await havips(a)).join(' ') === 'good of-file web');
    expect(await notes(a)).toContainEqual(
      expect.stringMatching(/^HAVIP bad of VPC vpc-s in the store is left out: 172\.17\.16\.1 is the gateway/),
    );
    for (const id of ['bad', 'good']) await etcd.ctl(['del', `/havip/v1/config/vpc-s/havip/${id}`]);
    await until('neither', async () => (await havips(a)).join(' ') === 'of-file web');
  });

  it('of a VPC that stands in the file as well is a mistake, and the file’s is taken', async () => {
    const a = new Client(`unix:${path('host-a.sock')}`);
    writeConfig('host-b', { vpcs: [FILE_VPC, { id: 'vpc-s', cidr: '172.17.0.0/16' }], ports: [] });
    agents[1]?.kill('SIGHUP');
    const b = new Client(`unix:${path('host-b.sock')}`);
    await until('the mistake', async () =>
      (await notes(b)).some((note) => note.startsWith('VPC vpc-s stands in the file and in the store')),
    );
    expect([await havips(b), await havips(a)]).toEqual([['of-file'], ['of-file', 'web']]);
    writeConfig('host-b', { ports: [] });
    agents[1]?.kill('SIGHUP');
    await until('web again', async () => (await havips(b)).includes('web'));
    expect(await notes(b)).toEqual([]);
  });

  it('stands after a start without the store, by the copy of its last word', async () => {
    const host = new Client(`unix:${path('host-a.sock')}`);
    for (const what of ['allocate', 'release']) {
      const of = what === 'allocate' ? ['--subnet', 'subnet-a'] : [];
      await operator('havip', what, 'last', '--vpc', 'vpc-s', ...of);
      await until(what, async () => (await havips(host)).includes('last') === (what === 'allocate'));
    }
    // The copy is written behind what the agent goes by; what is not yet there is when it stops.
    await stop();
    const copy = readFileSync(path('.store-of-host-a.json'), 'utf8');
    expect(['web', 'db', 'last'].filter((id) => copy.includes(`/havip/${id}`))).toEqual(['web']);
    expect(statSync(path('.store-of-host-a.json')).mode & 0o777).toBe(0o600);
    await etcd.kill(0);
    const a = await start('host-a');
    expect(await havips(a)).toEqual(['of-file', 'web']);
    const reply = await until('an answer to a write', async () => {
      const { status, body } = await a.send('POST', '/api/v1/havips', JSON.stringify({ subnet: 'subnet-a' }));
      return body.toString().includes('starting') ? false : `${status} ${body.toString()}`;
    });
    expect(reply).toMatch(/^503 .*the store does not answer/);
    etcd.run(0);
    await etcd.healthy();
    await operator('havip', 'release', 'web', '--vpc', 'vpc-s');
    await until('released', async () => (await havips(a)).join(' ') === 'of-file');
  });

  it('of another store, or garbage, is no copy', async () => {
    await stop();
    const copy = readFileSync(path('.store-of-host-a.json'), 'utf8');
    for (const text of ['{', copy.replace('"/havip/v1"', '"/other"'), '[]']) {
      writeFileSync(path('.store-of-host-a.json'), text);
      const a = await start('host-a');
      expect(await havips(a)).toEqual(['of-file']);
      await stop();
    }
  });
});
