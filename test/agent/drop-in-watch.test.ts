/** Files beside the configuration come and go while an agent runs: each is taken by itself, without a word from anybody. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DropInWatch } from '../../src/agent/drop-in-watch.ts';
import { parseInThread } from '../../src/agent/parser.ts';
import { Reloads } from '../../src/agent/reload.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import { httpSource } from '../../src/api/views.ts';
import { type PortsWish, Writes } from '../../src/api/writes.ts';
import { command as check } from '../../src/cli/check.ts';
import { command as port } from '../../src/cli/port.ts';
import { ConfigFile } from '../../src/config/file.ts';
import { checkForDriver } from '../../src/vswitch/drivers.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { runCommand } from '../cli/io.ts';
import { CONFIG, handAgent } from './hand.ts';

let folder: string;
let watch: DropInWatch | null = null;
const path = (name: string) => join(folder, name);
const PORT = { subnet: 'subnet-a', mac: '02:00:ac:11:10:20', addresses: ['172.17.16.32'] };
const text = (name: string, changes = {}) =>
  JSON.stringify({ ports: [{ interface: name, instance: 'cvm-9', ...PORT, ...changes }] });

/** As a hook should: whole or not at all. */
function write(file: string, content: string): void {
  writeFileSync(path('made'), content);
  renameSync(path('made'), path(file));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-watch-'));
  writeFileSync(path('agent.yaml'), CONFIG);
});

afterEach(() => {
  watch?.close();
  rmSync(folder, { recursive: true });
});

function start() {
  const hand = handAgent({ config: CONFIG });
  const file = new ConfigFile(path('agent.yaml'), checkForDriver);
  file.read();
  const reloads = new Reloads(file, hand.agent, hand.agent.log, parseInThread('memory'));
  const troubles: string[] = [];
  watch = new DropInWatch(
    file.path,
    () => void reloads.wish('beside'),
    (trouble) => troubles.push(trouble),
  );
  const metrics = createMetrics({ ...metricsSource(hand.agent), logLinesDropped: () => 0 }, '1.2.3', false);
  const source = httpSource(hand.agent, metrics);
  const names = () => [...source.ports()].map((one) => one.interface);
  const has = (name: string, wanted = true) => until(`${name}: ${wanted}`, () => names().includes(name) === wanted);
  return { ...hand, file, reloads, troubles, source, names, has };
}

describe('a running agent', () => {
  it('takes ports that come and lets go of those that leave, also where the folder comes later', async () => {
    const { names, has, vswitch, troubles } = start();
    mkdirSync(path('ports.d'));
    write('ports.d/tap32.yaml', text('tap32'));
    await has('tap32');
    expect(JSON.stringify(vswitch.list())).toContain('172.17.16.32');
    rmSync(path('ports.d/tap32.yaml'));
    await has('tap32', false);
    expect(JSON.stringify(vswitch.list())).not.toContain('172.17.16.32');
    rmSync(path('ports.d'), { recursive: true });
    mkdirSync(path('ports.d'));
    write('ports.d/tap33.yaml', text('tap33'));
    await has('tap33');
    expect(names()).toHaveLength(3);
    expect(troubles).toEqual([]);
  });

  it('leaves out a file with a mistake, says so once, and takes the others', async () => {
    mkdirSync(path('ports.d'));
    const { has, lines, source, agent, names } = start();
    write('ports.d/bad.yaml', text('tap40', { subnet: 'none' }));
    await until('the file is refused', () => agent.refusedFiles.length === 1);
    write('ports.d/tap32.yaml', text('tap32'));
    await has('tap32');
    write('ports.d/tap33.yaml', text('tap33', { mac: '02:00:ac:11:10:21', addresses: [] }));
    await has('tap33');
    expect(names()).not.toContain('tap40');
    expect(lines.filter(({ message }) => message.includes('bad.yaml:1:')).length).toBe(1);
    expect(source.status().notes).toContainEqual(expect.stringContaining('ports.d/bad.yaml is refused for its mistakes'));
    expect((await source.metrics()).text).toMatch(/^havip_config_files_refused 1$/m);
    expect((await source.metrics()).text).toMatch(/^havip_config_last_reload_successful 1$/m);
    write('ports.d/bad.yaml', text('tap40', { mac: '02:00:ac:11:10:40', addresses: [] }));
    await has('tap40');
    expect(agent.refusedFiles).toEqual([]);
  });

  it('does not take what somebody is writing into the main file, and a port all the same', async () => {
    mkdirSync(path('ports.d'));
    const { has, names, agent, reloads } = start();
    writeFileSync(path('agent.yaml'), `${CONFIG}mode: audit\nvpcs:`);
    write('ports.d/tap32.yaml', text('tap32'));
    await has('tap32');
    expect([agent.config.mode, agent.reload.successful]).toEqual(['enforce', true]);
    writeFileSync(path('agent.yaml'), `${CONFIG}mode: audit\n`);
    await reloads.wish();
    expect([agent.config.mode, names()]).toEqual(['audit', ['tap7', 'tap13', 'tap32']]);
  });

  it('heeds no file that is being written, and many at once as one', async () => {
    mkdirSync(path('ports.d'));
    const { has, lines } = start();
    writeFileSync(path('ports.d/.tap40.yaml'), text('tap40'));
    writeFileSync(path('ports.d/readme'), 'x');
    await setTimeout(200);
    expect(lines).toEqual([]);
    for (let i = 0; i < 20; i++) write(`ports.d/p${i}.yaml`, text(`p${i}`, { mac: `02:00:ac:11:20:${10 + i}`, addresses: [] }));
    for (let i = 0; i < 20; i++) await has(`p${i}`);
    expect(lines.filter(({ message }) => message === 'configuration reloaded').length).toBeLessThan(10);
  });
});

const never = () => expect.fail('a port writes nothing there');

const add = (name: string, ...more: string[]) =>
  runCommand(port, 'add', name, '--config', path('agent.yaml'), '--instance', 'cvm-9', '--subnet', 'subnet-a', ...more);

describe('port', () => {
  it('adds a file that is right, puts a new one in its place, and removes it', async () => {
    const { has } = start();
    expect(await add('tap32', '--mac', PORT.mac, '--address', '172.17.16.32')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    await has('tap32');
    expect((await add('tap32', '--mac', PORT.mac, '--address', '172.17.16.33')).exitCode).toBe(0);
    expect((await runCommand(check, path('agent.yaml'))).stdout).toContain('3 ports');
    const remove = () => runCommand(port, 'remove', 'tap32', '--config', path('agent.yaml'));
    expect(await remove()).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    await has('tap32', false);
    expect((await remove()).exitCode).toBe(0);
  });

  it('writes nothing that would be refused, and says why', async () => {
    const refused = await add('tap32', '--mac', 'x');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/ports\.d\/tap32\.yaml:1:\d+: ports\[0\]\.mac: "x" is not a MAC/);
    expect((await add('tap7', '--mac', PORT.mac)).stderr).toContain('tap7');
    for (const name of ['../tap', '', '..']) expect((await add(name, '--mac', PORT.mac)).exitCode).toBe(2);
    expect((await runCommand(port, 'change', 'tap7')).exitCode).toBe(2);
    expect((await runCommand(check, path('agent.yaml'))).stdout).toContain('2 ports');
  });

  it.skipIf(process.getuid?.() !== 0)('is checked by the agent that runs, against what that has taken (needs root)', async () => {
    const { agent, reloads, source } = start();
    const { log, clock } = agent;
    const catalogue = { allocate: never, release: never, list: never };
    const checkPorts = (wish: PortsWish) => reloads.wouldRefuse(wish);
    const writes = new Writes({ catalogue, unbind: never, checkPorts, log, clock });
    const server = createHttp(
      () => source,
      log,
      () => writes,
    );
    const http = ['--http', await listenOn(server, { unix: path('agent.sock') })];
    try {
      // Somebody is at the file: it is nothing as yet.
      writeFileSync(path('agent.yaml'), 'host: [');
      expect((await add('tap32', '--mac', PORT.mac)).stderr).toContain('agent.yaml:1:');
      expect(await add('tap32', '--mac', PORT.mac, '--wait', ...http)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
      const { exitCode, stderr } = await add('tap33', '--mac', '02:00:ac:11:10:07', '--wait', ...http);
      expect([exitCode, stderr]).toEqual([
        1,
        expect.stringMatching(/ports\.d\/tap33\.yaml:1:\d+: ports\[0\]\.mac: .*is already used/),
      ]);
      expect(existsSync(path('ports.d/tap33.yaml'))).toBe(false);
    } finally {
      server.close();
    }
  });

  it('is not done with --wait while no agent has taken it', async () => {
    const nobody = ['--http', `unix:${path('none.sock')}`];
    expect((await add('tap32', '--mac', PORT.mac, '--wait=0.2', ...nobody)).exitCode).toBe(3);
  });

  it('check names files beside that are refused', async () => {
    mkdirSync(path('ports.d'));
    write('ports.d/x.yaml', 'ports: 1');
    const { exitCode, stdout, stderr } = await runCommand(check, path('agent.yaml'));
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining(': right. ')]);
    expect(stderr).toMatch(/ports\.d\/x\.yaml:1:8: ports: must be a list\n1 file beside it refused; the rest is taken\n$/);
  });
});
