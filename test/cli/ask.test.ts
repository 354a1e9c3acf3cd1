/** How people ask a running agent: where it is found, what fits their terminal, and waiting for it. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import type { EventView, HavipView, Readiness } from '../../src/api/types.ts';
import { clientOf } from '../../src/cli/client.ts';
import { command as events } from '../../src/cli/events.ts';
import { command as ports } from '../../src/cli/ports.ts';
import { command as status } from '../../src/cli/status.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { HAVIP, quiet, source, STATUS } from '../api/source.ts';
import { runCommand, runWith } from './io.ts';

let folder: string;
const servers: Server[] = [];
const path = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-ask-'));
});

afterEach(async () => {
  for (const server of servers.splice(0)) await close(server);
  rmSync(folder, { recursive: true });
});

async function serve(name: string, changes: Parameters<typeof source>[0] = {}): Promise<[address: string, server: Server]> {
  const server = createHttp(() => source(changes), quiet);
  servers.push(server);
  return [await listenOn(server, { unix: path(name) }), server];
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** The program as a shell starts it, with these variables alone. */
function havip(environment: NodeJS.ProcessEnv, ...args: string[]): string {
  const options = { encoding: 'utf8', env: { PATH: process.env['PATH'], ...environment } } as const;
  return execFileSync(process.execPath, ['dist/src/start.cjs', ...args], options);
}

const UNBOUND: HavipView = { ...HAVIP, id: 'havip-2', address: '172.17.16.4', state: 'unbound', holder: null, findings: [] };
const CONTESTED: HavipView = { ...HAVIP, id: 'other', address: '172.17.16.5', contested: true, sides: ['a', 'b'], findings: [] };
const ALL = [HAVIP, UNBOUND, CONTESTED];

describe('the agent is found', () => {
  it('by --http, else by HAVIP_HTTP, else by the socket of the unit, else over TCP', async () => {
    const socket = path('agent.sock');
    const asked: string[] = [];
    const named = (name: string) => ({ readiness: (): Readiness => (asked.push(name), { ready: true }) });
    const [option] = await serve('option.sock', named('option'));
    const [variable] = await serve('variable.sock', named('variable'));
    await serve('agent.sock', named('socket'));
    await clientOf(option, { httpAddress: variable }, socket).get('/-/ready');
    await clientOf(undefined, { httpAddress: variable }, socket).get('/-/ready');
    await clientOf(undefined, { httpAddress: null }, socket).get('/-/ready');
    expect(asked).toEqual(['option', 'variable', 'socket']);
    const tcp = clientOf(undefined, { httpAddress: null }, path('none.sock')).get('/-/ready');
    await expect(tcp.catch((error: Error) => error.message)).resolves.not.toContain('unix:');
  });

  it('anew at each question: who waits may begin before it', async () => {
    const socket = path('later.sock');
    const client = clientOf(undefined, { httpAddress: null }, socket);
    expect((await client.get('/-/ready').catch((error: Error) => error.message)) as string).not.toContain(socket);
    await serve('later.sock');
    expect((await client.get('/-/ready')).status).toBe(200);
  });

  it('by the program’s own environment', async () => {
    const server = spawn(process.execPath, ['-e', SERVE, path('own.sock')], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => server.stdout.once('data', resolve));
    expect(havip({ HAVIP_HTTP: `unix:${path('own.sock')}` }, 'ports', '--json')).toBe('[]\n');
    server.kill();
  });
});

const SERVE = `require('node:http').createServer((_, reply) => reply.end('[]')).listen(process.argv[1], () => console.log('listens'))`;

describe('status', () => {
  it('fits the terminal, whatever its width, and is in colour', async () => {
    const [address] = await serve('a.sock', { havips: () => ALL });
    for (const columns of [40, 60, 80, 132]) {
      const { stdout } = await runWith({ terminal: { columns, colour: false } }, status, '--http', address);
      const lines = stdout.split('\n').slice(1);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    }
    const { stdout } = await runWith({ terminal: { columns: 132, colour: true } }, status, '--http', address);
    const visible = stdout.replaceAll('\u001B', 'ESC');
    expect(visible).toMatch(/ESC\[31mbound, contested *ESC\[39m/);
    expect(visible).toMatch(/ESC\[33munbound *ESC\[39m/);
    expect((await runCommand(status, '--http', address)).stdout).not.toContain('\u001B');
  });

  it('is of those that match a pattern or a state, by id or address', async () => {
    const [address] = await serve('a.sock', { havips: () => ALL });
    const ids = async (...args: string[]) => {
      const { stdout } = await runCommand(status, '--json', '--http', address, ...args);
      return (JSON.parse(stdout) as { havips: HavipView[] }).havips.map(({ id }) => id);
    };
    expect(await ids('havip-?')).toEqual(['havip-1', 'havip-2']);
    expect(await ids('*.5')).toEqual(['other']);
    expect(await ids('172.17.16.4')).toEqual(['havip-2']);
    expect(await ids('--state', 'unbound')).toEqual(['havip-2']);
    expect(await ids('--state', 'contested')).toEqual(['other']);
    expect(await ids('havip-*', '--state', 'contested')).toEqual([]);
    expect(await runCommand(status, 'havip.1', '--http', address)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'havip-agent: there is no HAVIP "havip.1"\n',
    });
  });

  it('of one HAVIP says all that is known', async () => {
    const [address] = await serve('a.sock', { havip: () => ({ ...HAVIP, successor: 'cvm-1' }) });
    const { stdout } = await runCommand(status, 'havip-1', '--http', address);
    expect(stdout).toContain('holder     cvm-2, tap13 on host-a, 02:00:ac:11:10:0d, last seen 400 ms ago\n');
    expect(stdout).toContain('next       cvm-1\n');
    expect(stdout).toContain('detection 3.69 s, announce 0.60 ms, verdict 0.10 ms, programming 0.20 ms, total 3.69 s\n');
    expect(stdout).toContain('finding    no-refresh: announces once only\n');
  });

  it('of many shows a terminal what needs attention first, and how many there are', async () => {
    const many = [...Array.from({ length: 100 }, (_, i) => ({ ...HAVIP, id: `h${i}`, findings: [] })), UNBOUND, CONTESTED];
    const [address] = await serve('a.sock', { havips: () => many });
    const terminal = { columns: 120, colour: false };
    const lines = (await runWith({ terminal }, status, '--http', address)).stdout.split('\n');
    expect(lines[2]).toMatch(/^other /);
    expect(lines[3]).toMatch(/^havip-2 /);
    expect(lines[52]).toBe('and 52 more: a pattern, --state or --all shows them');
    expect((await runWith({ terminal }, status, '--all', '--http', address)).stdout).toMatch(/^h99 /m);
    expect((await runCommand(status, '--http', address)).stdout).toMatch(/^h99 /m);
  });

  it('--wait waits for an agent that does not run yet and is not ready yet, and no longer', async () => {
    const state = { ready: false };
    const answer = runCommand(status, '--wait=20', '--http', `unix:${path('late.sock')}`);
    await setTimeout(400);
    await serve('late.sock', {
      readiness: () => (state.ready ? { ready: true } : { ready: false, reason: 'starting' }),
      status: () => ({ ...STATUS, ready: state.ready }),
    });
    await setTimeout(400);
    state.ready = true;
    expect((await answer).exitCode).toBe(0);
    state.ready = false;
    expect((await runCommand(status, '--wait=0.3', '--http', `unix:${path('late.sock')}`)).exitCode).toBe(1);
    expect((await runCommand(status, '--wait=0.3', '--http', `unix:${path('nobody.sock')}`)).exitCode).toBe(3);
    expect((await runCommand(status, '--wait=soon', '--http', 'unix:/x')).exitCode).toBe(2);
  });

  it('--watch goes on, also while the agent is away', async () => {
    const [address, first] = await serve('a.sock');
    const child = spawn(process.execPath, ['dist/src/start.cjs', 'status', '--watch=0.2', '--http', address]);
    let said = '';
    child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
    const times = (pattern: RegExp) => said.match(pattern)?.length ?? 0;
    await until('two looks', () => times(/^havip-1 /gm) >= 2);
    await close(first);
    await until('that nobody answers', () => times(/no agent answers/g) >= 1);
    const before = times(/^havip-1 /gm);
    await serve('a.sock');
    await until('it again', () => times(/^havip-1 /gm) > before);
    expect(child.exitCode).toBe(null);
    child.kill('SIGINT');
  });
});

const event = (seq: number, at: number, havip: string): EventView => ({
  seq,
  at: new Date(Date.UTC(2026, 0, 1) + at).toISOString(),
  kind: 'bound',
  havip,
  vpc: 'vpc-1',
  epoch: seq,
  from: null,
  to: 'cvm-1',
  cause: null,
  phasesMs: null,
  text: `event ${at}`,
});

describe('events', () => {
  it('are listed, of one HAVIP or of all', async () => {
    const [address] = await serve('a.sock', { events: () => [event(1, 1, 'a'), event(2, 2, 'b'), event(3, 3, 'a')] });
    expect((await runCommand(events, 'a', '--http', address)).stdout.match(/event \d/g)).toEqual(['event 1', 'event 3']);
    expect((await runCommand(events, '--limit', '1', '--http', address)).stdout.match(/event \d/g)).toEqual(['event 3']);
    expect((await runCommand(events, '--since', '1', '--json', '--http', address)).stdout.split('\n')).toHaveLength(3);
    expect(await runCommand(events, '--since', 'x', '--http', address)).toMatchObject({ exitCode: 1 });
  });

  it('--follow brings those to come, each once, also over a restart of the agent', async () => {
    const kept = [event(1, 1, 'a'), event(2, 2, 'a')];
    const [address, first] = await serve('a.sock', { events: () => kept });
    const child = spawn(process.execPath, ['dist/src/start.cjs', 'events', '--follow', '--http', address]);
    let said = '';
    child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
    const seen = () => said.match(/event \d+/g) ?? [];
    await until('those before', () => seen().length === 2);
    // Of the same millisecond as the last one.
    kept.push(event(3, 2, 'a'), event(4, 9, 'a'));
    await until('those to come', () => seen().length === 4);
    await close(first);
    await setTimeout(800);
    const anew = [event(1, 20, 'a')];
    await serve('a.sock', { events: () => anew });
    await until('the first of the new agent', () => seen().length === 5);
    anew.push(event(2, 30, 'a'));
    await until('its next', () => seen().length === 6);
    await setTimeout(700);
    expect(seen()).toEqual(['event 1', 'event 2', 'event 2', 'event 9', 'event 20', 'event 30']);
    child.kill('SIGINT');
  });
});

describe('ports', () => {
  it('are listed, in a state or all', async () => {
    const [address] = await serve('a.sock');
    const { stdout } = await runCommand(ports, '--http', address);
    expect(stdout).toMatch(/^PORT {3}INSTANCE .*\ntap13 {2}cvm-tap13 .* captured .*\ntap7 /);
    expect(JSON.parse((await runCommand(ports, '--state', 'absent', '--json', '--http', address)).stdout)).toMatchObject([
      { interface: 'tap7' },
    ]);
  });
});
