import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import type { HttpSource } from '../../src/api/routes.ts';
import { ListenError, listenOn } from '../../src/api/listen.ts';
import { HAVIP, quiet, source } from './source.ts';

let folder: string;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-http-'));
});

afterEach(() => {
  for (const server of open.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

async function serve(changes: Partial<HttpSource> = {}): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const server: Server = createHttp(() => source(changes), quiet);
  open.push(server);
  const address = await listenOn(server, { host: '127.0.0.1', port: 0 });
  return (path, init) => fetch(`http://${address}${path}`, init);
}

describe('routes', () => {
  it.each<[string, number, unknown]>([
    ['/-/healthy', 200, { healthy: true }],
    ['/-/ready', 200, { ready: true }],
    ['/api/v1/havips', 200, [HAVIP]],
    ['/api/v1/havips/havip-1', 200, HAVIP],
    ['/api/v1/havips/havip-9', 404, { error: 'there is no HAVIP "havip-9"' }],
    ['/api/v1/havips/%ff', 400, { error: 'the path is not well-formed' }],
    ['/api/v1/havips/havip-9/record', 404, { error: 'there is no HAVIP "havip-9"' }],
    ['/api/v1/nothing', 404, { error: 'there is no /api/v1/nothing' }],
    ['/api/v1/events?limit=0', 400, { error: 'limit must be a whole number of at least 1' }],
    ['/api/v1/events?limit=1e2', 400, { error: 'limit must be a whole number of at least 1' }],
    ['/api/v1/events?since=-1', 400, { error: 'since must be an event number or a time like 2026-01-31T12:00:00Z' }],
    ['/api/v1/events?since=7 May', 400, { error: 'since must be an event number or a time like 2026-01-31T12:00:00Z' }],
    ['/api/v1/events?since=now', 400, { error: 'since must be an event number or a time like 2026-01-31T12:00:00Z' }],
  ])('GET %s: %d', async (path, status, document) => {
    const reply = await (await serve())(path);
    expect(reply.status).toBe(status);
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(await reply.json()).toEqual(document);
  });

  it('says 503 and why while not healthy or ready', async () => {
    const get = await serve({ healthy: () => false, readiness: () => ({ ready: false, reason: 'tap7 is not captured' }) });
    expect((await get('/-/healthy')).status).toBe(503);
    const reply = await get('/-/ready');
    expect([reply.status, await reply.json()]).toEqual([503, { ready: false, reason: 'tap7 is not captured' }]);
  });

  it.each<[string, number[]]>([
    ['', [1, 2, 3, 4, 5]],
    ['?limit=2', [4, 5]],
    ['?since=3', [4, 5]],
    ['?since=1&limit=2', [2, 3]],
    ['?since=2026-01-01T00:00:02Z', [4, 5]],
  ])('events%s', async (query, expected) => {
    const reply = await (await serve())(`/api/v1/events${query}`);
    expect(((await reply.json()) as { seq: number }[]).map(({ seq }) => seq)).toEqual(expected);
  });

  it('answers HEAD like GET without the body, and refuses the rest', async () => {
    const get = await serve();
    const head = await get('/metrics', { method: 'HEAD' });
    expect([head.status, await head.text(), head.headers.get('content-length')]).toEqual([200, '', '11']);
    const post = await get('/metrics', { method: 'POST', body: 'x' });
    expect([post.status, post.headers.get('allow'), await post.json()]).toEqual([
      405,
      'GET, HEAD',
      { error: 'POST is not allowed; only GET and HEAD' },
    ]);
  });

  it('sends the record as pcapng', async () => {
    const reply = await (await serve())('/api/v1/havips/havip-1/record');
    expect(reply.headers.get('content-type')).toBe('application/x-pcapng');
    expect(new Uint8Array(await reply.arrayBuffer())).toEqual(Uint8Array.of(10, 13, 13, 10));
  });

  it('writes a long list in pieces, other work in between', async () => {
    let turns = 0;
    let listed = false;
    const turn = () => {
      turns++;
      if (!listed) setImmediate(turn);
    };
    const get = await serve({ havips: () => Array.from({ length: 10_000 }, (_, i) => ({ ...HAVIP, id: `havip-${i}` })) });
    setImmediate(turn);
    const list = (await (await get('/api/v1/havips')).json()) as { id: string }[];
    listed = true;
    expect([list.length, list.at(-1)?.id]).toEqual([10_000, 'havip-9999']);
    expect(turns).toBeGreaterThanOrEqual(50);
  });

  it('turns a failure inside into one logged line and a 500', async () => {
    const lines: object[] = [];
    const log = { ...quiet, error: (fields: object) => void lines.push(fields) };
    const server = createHttp(() => source({ metrics: () => Promise.reject(new Error('lost')) }), log);
    open.push(server);
    const reply = await fetch(`http://${await listenOn(server, { host: '127.0.0.1', port: 0 })}/metrics`);
    expect([reply.status, await reply.json()]).toEqual([500, { error: 'internal error; see the log' }]);
    expect(lines).toEqual([{ path: '/metrics', error: 'Error: lost' }]);
  });
});

/** Sends this as it is, and resolves to the first line of the answer. */
const raw = (port: number, text: string, host = '127.0.0.1') =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(text));
    let said = '';
    socket.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (!said.includes('\r\n')) return;
      resolve(said.slice(0, said.indexOf('\r\n')));
      socket.destroy();
    });
    socket.on('close', () => reject(new Error(`closed after "${said}"`)));
    socket.on('error', reject);
  });
const get = (host: string, target = '/-/healthy') => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

async function serveOn(host: string, changes: Partial<HttpSource> = {}): Promise<number> {
  const server = createHttp(() => source(changes), quiet);
  open.push(server);
  const address = await listenOn(server, { host, port: 0 });
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

describe('local users', () => {
  it.each([
    ['127.0.0.1', 'localhost:1', 200],
    ['127.0.0.1', 'LOCALHOST', 200],
    ['127.0.0.1', '127.0.0.1', 200],
    ['127.0.0.1', '127.0.0.1:9712', 200],
    ['127.0.0.1', 'evil.example', 403],
    ['127.0.0.1', 'localhost.evil.example:9712', 403],
    ['127.0.0.1', '127.0.0.1.evil.example', 403],
    ['127.0.0.1', '127.0.0.2', 403],
    ['::1', '[::1]:9712', 200],
    ['::1', 'localhost', 200],
    ['::1', '[::2]', 403],
  ])('on %s a request to %s gets %d', async (address, host, status) => {
    expect(await raw(await serveOn(address), get(host), address)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it('lets anybody’s name stand on a unix socket, which no browser reaches', async () => {
    const server = createHttp(() => source(), quiet);
    open.push(server);
    const path = join(folder, 'named.sock');
    await listenOn(server, { unix: path });
    const status = await new Promise((resolve) => {
      const socket = connect(path, () => socket.write(get('agent.example')));
      socket.once('data', (piece: Buffer) => resolve(piece.toString().slice(9, 12)));
    });
    expect(status).toBe('200');
  });

  it('answers a target in absolute form', async () => {
    const port = await serveOn('127.0.0.1');
    expect(await raw(port, get('localhost', 'http://localhost:9712/-/ready'))).toMatch(/^HTTP\/1.1 200 /);
  });

  it('who connects and says nothing keeps nobody out', async () => {
    const port = await serveOn('127.0.0.1');
    const idle = Array.from({ length: 500 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    try {
      expect(await raw(port, get('localhost'))).toMatch(/^HTTP\/1.1 200 /);
      expect(await raw(port, get('localhost', '/api/v1/havips'))).toMatch(/^HTTP\/1.1 200 /);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  it('who asks for much and does not read it leaves health to others', async () => {
    const port = await serveOn('127.0.0.1', { havips: () => Array.from({ length: 50_000 }, () => HAVIP) });
    const greedy = Array.from({ length: 64 }, () =>
      connect(port, '127.0.0.1', function ask(this: Socket) {
        this.write(get('localhost', '/api/v1/havips'));
        this.pause();
      }).on('error', () => {}),
    );
    await Promise.all(greedy.map((socket) => once(socket, 'connect')));
    try {
      expect(await raw(port, get('localhost'))).toMatch(/^HTTP\/1.1 200 /);
      expect(await raw(port, get('localhost', '/api/v1/status'))).toMatch(/^HTTP\/1.1 503 /);
    } finally {
      for (const socket of greedy) socket.destroy();
    }
  });

  it('says that the agent is starting, while it is, and that it lives', async () => {
    const server = createHttp(() => null, quiet);
    open.push(server);
    const address = await listenOn(server, { host: '127.0.0.1', port: 0 });
    const [healthy, ready] = await Promise.all([fetch(`http://${address}/-/healthy`), fetch(`http://${address}/-/ready`)]);
    expect([healthy.status, ready.status, await ready.json()]).toEqual([
      200,
      503,
      { ready: false, reason: 'the agent is starting' },
    ]);
  });
});

const listen = async (path: string) => {
  const server = createHttp(() => source(), quiet);
  open.push(server);
  return listenOn(server, { unix: path });
};

describe('a unix socket', () => {
  it('is for its owner and group only', async () => {
    const path = join(folder, 'a.sock');
    expect(await listen(path)).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  it('takes the place of one that a killed agent left behind', async () => {
    const path = join(folder, 'a.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
    expect(statSync(path).isSocket()).toBe(true);
    expect(await listen(path)).toBe(`unix:${path}`);
  });

  it('is not taken from a living process', async () => {
    const path = join(folder, 'a.sock');
    await listen(path);
    await expect(listen(path)).rejects.toThrow(`cannot listen on unix:${path}: another process listens there`);
  });

  it('never removes a file that is no socket', async () => {
    const path = join(folder, 'precious');
    writeFileSync(path, 'x');
    await expect(listen(path)).rejects.toThrow('a file of that name exists and is not a socket');
    await expect(listen(join(folder, 'no', 'folder'))).rejects.toThrow(ListenError);
  });

  it('names a TCP port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    open.push(taken);
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const server = createHttp(() => source(), quiet);
    await expect(listenOn(server, { host: '127.0.0.1', port })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${port}: the address is in use`,
    );
  });
});

describe('limits', () => {
  it('closes a connection whose header is too long', async () => {
    const server = createHttp(() => source(), quiet);
    open.push(server);
    const path = join(folder, 'a.sock');
    await listenOn(server, { unix: path });
    const socket = connect(path);
    socket.write(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 431 /);
    socket.destroy();
  });
});
