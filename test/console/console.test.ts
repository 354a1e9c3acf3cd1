/** The console's server, between a page and an agent's server: what is handed through, what is refused, and to whom. */
import { once } from 'node:events';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Logger } from '../../src/base/log.ts';
import { createConsole } from '../../src/console/console.ts';
import { Hub } from '../../src/console/hub.ts';
import { PageWrites } from '../../src/console/writes.ts';
import type { EventView } from '../../src/api/types.ts';
import { Streams } from '../../src/api/stream.ts';
import { HAVIP, source } from '../api/source.ts';

interface Said {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const canBeOthers = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'havip-console-'));
const agentSocket = join(folder, 'agent.sock');
const pageSocket = join(folder, 'page.sock');
const lines: string[] = [];
const note = (fields: object, message: string) => {
  lines.push(message);
  if ('audit' in fields) audit.push({ ...fields });
};
/** What the log says of writes, and of refused ones: who, and what came of it. */
const audit: Record<string, unknown>[] = [];
const clock = new ManualClock();
const log: Logger = { debug: note, info: note, warn: note, error: note };
let listeners: ((event: EventView) => void)[] = [];
const streams = new Streams({
  havip: (id) => (id === HAVIP.id ? HAVIP : null),
  events: () => [],
  onEvent: (listener) => {
    listeners.push(listener);
    return () => (listeners = listeners.filter((one) => one !== listener));
  },
});
const asked: { method: string | undefined; url: string | undefined; headers: IncomingMessage['headers']; body: string }[] = [];
let agent: Server;
let tcp: Server;
let unix: Server;
let hub: Hub;

async function ask(
  to: 'tcp' | 'unix',
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Said> {
  const address = tcp.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const where = to === 'tcp' ? { host: '127.0.0.1', port } : { socketPath: pageSocket };
  const { method = 'GET', headers = {} } = options;
  const sent = request({ ...where, path, method, headers: { host: 'localhost:9713', ...headers } });
  sent.end(options.body);
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: reply.statusCode ?? 0, headers: reply.headers, body: await text(reply) };
}

beforeAll(async () => {
  agent = createHttp(() => source({ stream: (last) => streams.open(last) }), log);
  const [answers] = agent.listeners('request') as ((...args: unknown[]) => void)[];
  agent.removeAllListeners('request');
  agent.on('request', async (request, reply) => {
    if (request.method === 'GET') {
      answers?.(request, reply);
      return;
    }
    asked.push({ method: request.method, url: request.url, headers: request.headers, body: await text(request) });
    reply.statusCode = 201;
    reply.end('{"id":"havip-2"}');
  });
  const find = () => ({ unix: agentSocket });
  hub = new Hub([find, () => ({ unix: join(folder, 'nobody.sock') })]);
  const options = { agents: [find, () => ({ unix: join(folder, 'nobody.sock') })], hub, log };
  const writes = new PageWrites(options.agents, log, clock, 'nogroup');
  tcp = createConsole({ ...options, writes });
  unix = createConsole({ ...options, writes });
  await Promise.all([
    once(agent.listen(agentSocket), 'listening'),
    once(tcp.listen(0, '127.0.0.1'), 'listening'),
    once(unix.listen(pageSocket), 'listening'),
  ]);
  // Whoever gets there is told by the kernel's word who he is.
  chmodSync(folder, 0o755);
  chmodSync(pageSocket, 0o666);
});
afterEach(() => {
  asked.splice(0);
  audit.splice(0);
  clock.advanceMs(2000);
});
afterAll(() => {
  hub.close();
  for (const server of [agent, tcp, unix]) {
    server.close();
    server.closeAllConnections();
  }
  rmSync(folder, { recursive: true });
});

describe('the console', () => {
  it('hands an agent’s answers through, and nothing else of it', async () => {
    expect(JSON.parse((await ask('tcp', '/agents/0/api/v1/havips/havip-1')).body)).toEqual(HAVIP);
    expect(JSON.parse((await ask('tcp', '/agents/0/api/v1/havips?limit=1')).body)).toMatchObject({ matched: 1 });
    expect((await ask('tcp', '/agents/0/api/v1/havips/none')).status).toBe(404);
    for (const path of [
      '/agents/0/metrics',
      '/agents/0/api/v1/stream',
      '/agents/7/api/v1/status',
      '/agents/x/api/v1/status',
      '/page/../package.json',
    ])
      expect((await ask('tcp', path)).status, path).toBe(404);
  });

  it('says which agent does not answer, and why', async () => {
    const { status, body } = await ask('tcp', '/agents/1/api/v1/status');
    expect(status).toBe(502);
    expect(body).toMatch(/no agent answers at unix:.*nobody\.sock: ENOENT/);
  });

  it('lets a page load nothing from elsewhere, and nobody frame it', async () => {
    const { headers } = await ask('tcp', '/console');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect((await ask('tcp', '/console', { headers: { host: 'evil.example' } })).status).toBe(403);
  });

  it('streams what agents say as one, with a number in front, and tells who is away', async () => {
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const sent = request({ host: '127.0.0.1', port, path: '/stream', headers: { host: 'localhost' } });
    sent.end();
    const [reply] = (await once(sent, 'response')) as [IncomingMessage];
    let said = '';
    reply.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    await expect.poll(() => said).toContain('event: away\ndata: {"agent":1,');
    await expect.poll(() => listeners.length).toBe(1);
    const event = { seq: 5, kind: 'bound', at: '2026-01-01T00:00:00Z', havip: 'havip-1' } as unknown as EventView;
    listeners[0]?.(event);
    await expect.poll(() => said).toContain('event: event\ndata: {"agent":0,"data":{"seq":5');
    await expect.poll(() => said).toContain('event: havip\ndata: {"agent":0,"data":{"id":"havip-1"');
    sent.destroy();
    await expect.poll(() => listeners.length).toBe(0);
  });
});

describe('writes', () => {
  const POST = { method: 'POST', headers: { 'idempotency-key': 'k1' }, body: '{"subnet":"subnet-a"}' };
  const path = '/agents/0/api/v1/havips';

  it('are not for TCP, and the page is told why', async () => {
    expect(JSON.parse((await ask('tcp', '/console')).body)).toMatchObject({
      writes: false,
      why: expect.stringContaining('over TCP') as string,
    });
    expect((await ask('tcp', path, POST)).status).toBe(405);
    expect(asked).toEqual([]);
    expect(lines.at(-1)).toContain('refused POST');
    expect(audit).toMatchObject([{ audit: true, by: '127.0.0.1', status: 405 }]);
  });

  it.runIf(process.getuid?.() === 0)(
    'go on over the unix socket, with the uid of who asks and nothing of what he says he is',
    async () => {
      expect(JSON.parse((await ask('unix', '/console')).body)).toMatchObject({ writes: true, why: null });
      const headers = { ...POST.headers, 'havip-on-behalf-of': '4711', cookie: 'a=b', origin: 'http://localhost:9713' };
      expect((await ask('unix', path, { ...POST, headers })).status).toBe(201);
      expect((await ask('unix', `${path}/havip-1`, { method: 'DELETE', headers: POST.headers })).status).toBe(201);
      expect((await ask('unix', `${path}/havip-1/unbind`, { ...POST, body: '' })).status).toBe(201);
      expect(asked.map(({ method, url, body }) => [method, url, body])).toEqual([
        ['POST', '/api/v1/havips', POST.body],
        ['DELETE', '/api/v1/havips/havip-1', ''],
        ['POST', '/api/v1/havips/havip-1/unbind', ''],
      ]);
      for (const one of asked) {
        expect(one.headers['havip-on-behalf-of']).toBe('0');
        expect(one.headers.cookie ?? one.headers.origin).toBeUndefined();
      }
    },
  );

  it.each([
    ['a page from elsewhere', path, { ...POST, headers: { ...POST.headers, origin: 'http://evil.example' } }, 403],
    ['a page of another port here', path, { ...POST, headers: { ...POST.headers, origin: 'http://localhost:8080' } }, 403],
    ['a form, which may send no key', path, { method: 'POST', body: 'x' }, 400],
    ['another name', path, { ...POST, headers: { ...POST.headers, host: 'evil.example' } }, 403],
    ['what is no write', '/agents/0/api/v1/ports', POST, 405],
    ['an agent that there is not', '/agents/9/api/v1/havips', POST, 405],
  ])('are refused to %s', async (_, where, options, status) => {
    expect((await ask('unix', where, options)).status).toBe(process.getuid?.() === 0 ? status : expect.any(Number));
    expect(asked).toEqual([]);
    if (process.getuid?.() === 0) expect(audit).toMatchObject([{ audit: true, by: 'root (uid 0)', status }]);
  });

  /** What curl, run as somebody, is told over the unix socket: the status and the answer. */
  const as = async (who: readonly string[], ...more: string[]): Promise<string> => {
    const curl = ['curl', '--silent', '--write-out', ' %{http_code}', '--unix-socket', pageSocket, '--data', POST.body, ...more];
    const child = spawn('setpriv', [...who, ...curl, `http://localhost:9713${path}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    return text(child.stdout);
  };
  const KEY = ['--header', 'Idempotency-Key: k2'];
  const OUTSIDER = ['--reuid=4711', '--regid=4711', '--clear-groups'];
  const MEMBER = ['--reuid=4711', '--regid=4711', '--groups=65534'];

  it.runIf(canBeOthers)('are refused to a user outside the group, by the kernel’s word, and that is told', async () => {
    expect(await as(OUTSIDER, ...KEY)).toMatch(/read-only for uid 4711: .*members of the group nogroup.* 403$/s);
    clock.advanceMs(2000);
    expect(await as(OUTSIDER, ...KEY, '--header', 'Havip-On-Behalf-Of: 0')).toMatch(/ 403$/);
    expect(await as(['--reuid=4712', '--regid=4712', '--clear-groups'], ...KEY)).toMatch(/ 403$/);
    expect(asked).toEqual([]);
    expect(audit).toMatchObject(['uid 4711', 'uid 4711', 'uid 4712'].map((by) => ({ audit: true, by, status: 403 })));
  });

  it.runIf(canBeOthers)(
    'are a member’s, in whose name the agent is asked, and no page’s of elsewhere in his browser',
    async () => {
      expect(await as(MEMBER, ...KEY)).toMatch(/havip-2.* 201$/s);
      expect(asked.map(({ headers }) => headers['havip-on-behalf-of'])).toEqual(['4711']);
      expect(audit).toMatchObject([{ audit: true, uid: 4711, key: 'k2' }]);
      expect(await as(MEMBER, ...KEY, '--header', 'Origin: http://evil.example')).toMatch(/ 403$/);
      clock.advanceMs(2000);
      expect(await as(MEMBER, ...KEY, '--header', 'Host: evil.example')).toMatch(/ 403$/);
      expect(asked.length).toBe(1);
      expect(audit.slice(1)).toMatchObject(Array.from({ length: 2 }, () => ({ audit: true, by: 'uid 4711', status: 403 })));
    },
  );
});
