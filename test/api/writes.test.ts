/** Writes through the agent: who may, over which connection, and what is told of it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import { type PortsWish, Writes } from '../../src/api/writes.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Logger } from '../../src/base/log.ts';
import { FilesCatalogue } from '../../src/catalogue/files.ts';
import { ConfigFile, type ParseElsewhere, parseWhole } from '../../src/config/file.ts';
import { source } from './source.ts';

const isRoot = process.getuid?.() === 0;
let folder: string;
let audit: { level: string; fields: Record<string, unknown>; message: string }[];
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-writes-'));
  chmodSync(folder, 0o755);
  audit = [];
  const vpc = { id: 'vpc-1', cidr: '172.17.0.0/16', subnets: [{ id: 'subnet-a', cidr: '172.17.16.0/24' }] };
  writeFileSync(join(folder, 'agent.yaml'), JSON.stringify({ host: { id: 'host-a' }, vpcs: [vpc] }));
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

const at = (level: string) => (fields: object, message: string) =>
  void audit.push({ level, fields: fields as Record<string, unknown>, message });
const unbind = async (id: string) => (id === 'web' ? 'cvm-1' : undefined);

const parse: ParseElsewhere = async (bytes, path, dropIns) => parseWhole(bytes, path, null, dropIns);

function writesTo(): Writes {
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const file = new ConfigFile(join(folder, 'agent.yaml'));
  const read = async () => {
    const parsed = file.read();
    if (!parsed.ok) throw new Error('mistakes');
    return parsed.config;
  };
  const checkPorts = async ({ config, name, text }: PortsWish) => {
    await read();
    const path = join(folder, 'ports.d', name);
    return config === file.path ? file.mistakesOf({ path, kind: 'ports', text, trouble: null }, parse) : null;
  };
  const catalogue = new FilesCatalogue({ file: file.path, read, why: () => null, wallMs: Date.now });
  return new Writes({ catalogue, unbind, checkPorts, log, clock: new ManualClock(), group: 'nogroup' });
}

async function serve(kind: 'unix' | 'tcp'): Promise<string> {
  const writes = writesTo();
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: (_: object, text: string) => expect.fail(text) };
  const server = createHttp(
    () => source(),
    log,
    () => writes,
  );
  servers.push(server);
  return listenOn(
    server,
    kind === 'unix' ? { unix: join(folder, `agent-${servers.length}.sock`) } : { host: '127.0.0.1', port: 0 },
  );
}

interface Said {
  readonly status: number;
  readonly document: Record<string, unknown>;
}

function ask(
  address: string,
  method: string,
  path: string,
  value?: unknown,
  headers: Record<string, string> = {},
): Promise<Said> {
  const [host = '', port] = address.split(':');
  const to = address.startsWith('unix:') ? { socketPath: address.slice(5) } : { host, port: Number(port) };
  return new Promise((resolve, reject) => {
    const asked = request({ ...to, method, path, headers }, (reply) => {
      let text = '';
      reply.on('data', (piece) => (text += String(piece)));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, document: JSON.parse(text) as Said['document'] }));
    });
    asked.on('error', reject);
    asked.end(value === undefined ? undefined : typeof value === 'string' ? value : JSON.stringify(value));
  });
}

const HAVIPS = '/api/v1/havips';
const WEB = { id: 'web', subnet: 'subnet-a' };

describe.skipIf(!isRoot)('a write by the unix socket', () => {
  it('allocates, unbinds and releases, each with a line of who did what', async () => {
    const socket = await serve('unix');
    const web = { id: 'web', vpc: 'vpc-1', subnet: 'subnet-a', address: '172.17.16.1', members: null, again: false };
    expect(await ask(socket, 'POST', HAVIPS, WEB)).toEqual({ status: 201, document: web });
    expect(await ask(socket, 'POST', `${HAVIPS}/web/unbind`)).toEqual({ status: 200, document: { id: 'web', unbound: 'cvm-1' } });
    const behalf = { 'havip-on-behalf-of': '4711' };
    expect(await ask(socket, 'DELETE', `${HAVIPS}/web`, undefined, behalf)).toMatchObject({
      status: 200,
      document: { released: true },
    });
    expect(audit.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'info: root (uid 0) allocated web: 172.17.16.1 in subnet-a',
      'info: root (uid 0) unbound web from cvm-1',
      'info: uid 4711, through root (uid 0) released web',
    ]);
    expect(audit.map(({ fields }) => [fields['audit'], fields['act'], fields['havip'], fields['uid'], fields['pid']])).toEqual(
      ['allocate', 'unbind', 'release'].map((act) => [true, act, 'web', 0, process.pid]),
    );
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['no JSON', 'POST', HAVIPS, '{', 400, 'malformed'],
    ['no object', 'POST', HAVIPS, '7', 400, 'malformed'],
    ['a key that is none', 'POST', HAVIPS, { ...WEB, adress: '172.17.16.9' }, 400, 'malformed'],
    ['an address that is none', 'POST', HAVIPS, { ...WEB, address: '172.17.16' }, 400, 'malformed'],
    ['an address of elsewhere', 'POST', HAVIPS, { ...WEB, address: '172.17.99.9' }, 409, 'outside-subnet'],
    ['too many members', 'POST', HAVIPS, { ...WEB, members: Array.from({ length: 11 }, (_, i) => `m${i}`) }, 409, 'members'],
    ['a subnet that is not there', 'POST', HAVIPS, { ...WEB, subnet: 'none' }, 404, 'no-subnet'],
    ['a HAVIP that is not there', 'DELETE', `${HAVIPS}/none`, undefined, 404, 'no-havip'],
    ['one to unbind that is not there', 'POST', `${HAVIPS}/none/unbind`, undefined, 404, 'no-havip'],
  ])('is refused with %s', async (_what, method, path, value, status, code) => {
    const said = await ask(await serve('unix'), method, path, value);
    expect([said.status, said.document['code']]).toEqual([status, code]);
    expect(audit.map(({ level, fields }) => [level, fields['code']])).toEqual([['warn', code]]);
  });

  it('of a port is checked, and no more', async () => {
    const socket = await serve('unix');
    const CHECK = '/api/v1/ports/check';
    const port = { interface: 'tap9', instance: 'cvm-9', subnet: 'subnet-a', mac: '02:00:ac:11:10:09' };
    const wish = (changes = {}, more = {}) => {
      const text = JSON.stringify({ ports: [{ ...port, ...changes }] });
      return { config: join(folder, 'agent.yaml'), name: 'tap9.yaml', text, ...more };
    };
    expect(await ask(socket, 'POST', CHECK, wish())).toEqual({ status: 200, document: { mistakes: [] } });
    const refused = await ask(socket, 'POST', CHECK, wish({ subnet: 'none' }));
    expect(refused.document['mistakes']).toEqual([
      expect.objectContaining({ file: join(folder, 'ports.d/tap9.yaml'), line: 1, path: 'ports[0].subnet' }),
    ]);
    expect(await ask(socket, 'POST', CHECK, wish({}, { config: '/etc/other.yaml' }))).toMatchObject({ status: 404 });
    for (const wrong of ['{', '7', 'null', wish({}, { text: 7 }), wish({}, { name: '../x.yaml' })])
      expect(await ask(socket, 'POST', CHECK, wrong)).toMatchObject({ status: 400 });
    expect(await ask(await serve('tcp'), 'POST', CHECK, wish())).toMatchObject({ status: 405 });
    expect(audit.filter(({ level }) => level === 'info')).toEqual([]);
    expect(existsSync(join(folder, 'ports.d'))).toBe(false);
  });

  it('that is too large is not read', async () => {
    expect(await ask(await serve('unix'), 'POST', HAVIPS, `"${'x'.repeat(100_000)}"`)).toMatchObject({ status: 413 });
  });

  it('is followed once for a key', async () => {
    const socket = await serve('unix');
    const key = { 'idempotency-key': 'order-7' };
    const wish = () => ask(socket, 'POST', HAVIPS, { subnet: 'subnet-a' }, key);
    const [first, second] = await Promise.all([wish(), wish()]);
    expect(second).toEqual(first);
    expect(await wish()).toEqual(first);
    expect(await ask(socket, 'POST', HAVIPS, WEB, { 'idempotency-key': 'bad key' })).toMatchObject({ status: 400 });
    const release = () => ask(socket, 'DELETE', `${HAVIPS}/${String(first.document['id'])}`, undefined, key);
    expect([(await release()).status, (await release()).status]).toEqual([200, 200]);
  });

  it.each([
    ['an Origin', { origin: 'http://localhost' }, 'writes are not for pages of a browser (Origin: http://localhost)'],
    ['the Host of somebody else', { host: 'evil.example' }, 'this is not evil.example'],
  ])('is refused with %s, and that is told', async (_what, headers, error) => {
    const socket = await serve('unix');
    expect(await ask(socket, 'POST', HAVIPS, WEB, headers)).toEqual({ status: 403, document: { error } });
    expect(audit).toHaveLength(1);
    expect(audit[0]).toMatchObject({ level: 'warn', fields: { audit: true, act: 'allocate', by: 'root (uid 0)', status: 403 } });
  });

  /** By curl, as this user. */
  const as = async (...who: string[]): Promise<string> => {
    const socket = (await serve('unix')).slice(5);
    chmodSync(socket, 0o666);
    const curl = ['curl', '--silent', '--unix-socket', socket, '--data', JSON.stringify(WEB), `http://localhost${HAVIPS}`];
    // The answer is this process's.
    const { spawn } = await import('node:child_process');
    const child = spawn('setpriv', [...who, ...curl], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    for await (const piece of child.stdout) text += String(piece);
    return text.trim();
  };

  it.skipIf(spawnSync('setpriv', ['--version']).status !== 0)('is for root and members of the group', async () => {
    expect(await as('--reuid=4711', '--regid=4711', '--clear-groups')).toBe(
      '{"error":"uid 4711 may not allocate: that is for root and members of the group nogroup"}',
    );
    expect(audit.map(({ level, message }) => `${level}: ${message.slice(0, 40)}`)).toEqual([
      'warn: refused to allocate, of uid 4711: uid 47',
    ]);
    audit = [];
    expect(await as('--reuid=4711', '--regid=4711', '--groups=65534')).toContain('"id":"web"');
    expect(audit[0]).toMatchObject({ level: 'info', fields: { by: 'uid 4711', uid: 4711 } });
  });
});

describe('over TCP', () => {
  it.each([
    ['POST', HAVIPS],
    ['DELETE', `${HAVIPS}/web`],
    ['POST', `${HAVIPS}/web/unbind`],
  ])('%s %s is refused with one line, and told', async (method, path) => {
    const address = await serve('tcp');
    const value = method === 'POST' ? WEB : undefined;
    const said = await ask(address, method, path, value);
    expect(said).toEqual({
      status: 405,
      document: { error: 'over TCP this API is read-only; to allocate, release or unbind, ask the agent by its unix socket' },
    });
    expect(audit.map(({ fields }) => [fields['status'], fields['by']])).toEqual([[405, '127.0.0.1']]);
    expect(await ask(address, method, path, value, { origin: 'http://evil.example' })).toMatchObject({ status: 403 });
    expect(await ask(address, method, path, value, { host: 'evil.example' })).toMatchObject({ status: 403 });
  });
});
