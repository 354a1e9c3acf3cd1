/** Open vSwitch's database as it is read: its JSON, its tables, and a server that is none. The real one: test/lab/openvswitch.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Notice } from '../../src/vswitch/openvswitch/notice.ts';
import { JsonStream } from '../../src/vswitch/openvswitch/stream.ts';
import { Tables } from '../../src/vswitch/openvswitch/tables.ts';

const added = (rows: Record<string, object>) =>
  Object.fromEntries(Object.entries(rows).map(([id, row]) => [id, { new: row }] as const));
const uuid = (id: string) => ['uuid', id];

/** tap7 alone, tap9 and tap10 as a bond, on a bridge of each datapath. */
const DATABASE = {
  Open_vSwitch: added({ o: { other_config: ['map', []] } }),
  Bridge: added({
    b1: { name: 'br-user', datapath_type: 'netdev', ports: ['set', [uuid('p1'), uuid('p2')]] },
    b2: { name: 'br-kernel', datapath_type: '', ports: uuid('p3') },
  }),
  Port: added({
    p1: { interfaces: uuid('i7') },
    p2: { interfaces: ['set', [uuid('i9'), uuid('i10')]] },
    p3: { interfaces: uuid('i13') },
  }),
  Interface: added({ i7: { name: 'tap7' }, i9: { name: 'tap9' }, i10: { name: 'tap10' }, i13: { name: 'tap13' } }),
};

describe('values one behind the other', () => {
  it('are taken whole, however they are cut', () => {
    const text = '{"a":"}{\\"\\\\"}[1,[2,"]"]]\n{"b":{"c":[{}]}}';
    const whole = [{ a: '}{"\\' }, [1, [2, ']']], { b: { c: [{}] } }];
    for (let size = 1; size <= text.length; size++) {
      const stream = new JsonStream(100);
      const got: unknown[] = [];
      for (let at = 0; at < text.length; at += size) got.push(...stream.feed(text.slice(at, at + size)));
      expect(got).toEqual(whole);
    }
  });

  it('have a limit, and must be JSON', () => {
    expect(() => new JsonStream(10).feed('{"a":"0123456789"')).toThrow(RangeError);
    expect(() => new JsonStream(10).feed('{nonsense}')).toThrow(SyntaxError);
    expect(() => new JsonStream(10).feed('}')).toThrow(SyntaxError);
  });
});

const said = (tables: Tables) => Object.fromEntries(tables.bypasses());

describe('the tables', () => {
  it('tell the interfaces of bridges of the userspace datapath', () => {
    const tables = new Tables();
    tables.apply(DATABASE);
    expect(Object.keys(said(tables)).sort()).toEqual(['tap10', 'tap7', 'tap9']);
    expect(said(tables)['tap7']).toContain('bridge br-user, datapath_type netdev');
  });

  it('tell every interface where flows are offloaded, however that is written', () => {
    for (const [value, count] of [
      ['true', 4],
      ['TRUE', 4],
      ['false', 3],
      ['', 3],
    ] as const) {
      const tables = new Tables();
      const row = {
        other_config: [
          'map',
          [
            ['dpdk-init', 'true'],
            ['hw-offload', value],
          ],
        ],
      };
      tables.apply({ ...DATABASE, Open_vSwitch: added({ o: row }) });
      expect(Object.keys(said(tables))).toHaveLength(count);
    }
  });

  it('follow updates: rows that change, and rows that go', () => {
    const tables = new Tables();
    tables.apply(DATABASE);
    tables.apply({ Bridge: { b1: { old: {}, new: { name: 'br-user', datapath_type: 'netdev', ports: uuid('p1') } } } });
    expect(Object.keys(said(tables))).toEqual(['tap7']);
    tables.apply({ Interface: { i7: { old: { name: 'tap7' } } } });
    expect(said(tables)).toEqual({});
  });

  it('make nothing of what is not of this form', () => {
    for (const nonsense of [null, 7, [], { Bridge: null }, { Bridge: { b: 3 } }, { Bridge: { b: { new: { ports: 'x' } } } }]) {
      const tables = new Tables();
      tables.apply(nonsense);
      expect(said(tables)).toEqual({});
    }
  });
});

describe('a database', () => {
  let folder: string;
  let server: Server;
  let notice: Notice | null = null;
  const path = () => join(folder, 'db.sock');
  const serve = (onSocket: (socket: Socket) => void) =>
    new Promise<void>((resolve) => {
      server = createServer(onSocket).listen(path(), resolve);
    });
  const look = () => {
    let changes = 0;
    notice = new Notice(path(), () => changes++);
    return { notice, changes: () => changes };
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'havip-notice-'));
    server = createServer();
  });
  afterEach(() => {
    notice?.close();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('that is not there is no trouble', async () => {
    const { notice: seen, changes } = look();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([seen.trouble, seen.bypasses.size, changes()]).toEqual([null, 0, 0]);
  });

  it('is asked for a few columns, answers are taken, and its own questions answered', async () => {
    const heard: string[] = [];
    await serve((socket) => {
      socket.on('data', (chunk) => heard.push(String(chunk)));
      socket.write(`{"id":"echo","method":"echo","params":[1]}{"id":0,"error":null,"result":${JSON.stringify(DATABASE)}}`);
      socket.write('{"id":null,"method":"update","params":[null,{"Interface":{"i7":{"old":{"name":"tap7"}}}}]}');
    });
    const { notice: seen } = look();
    await expect.poll(() => [...seen.bypasses.keys()].sort()).toEqual(['tap10', 'tap9']);
    await expect.poll(() => heard.join('')).toContain('{"id":"echo","result":[1],"error":null}');
    expect(heard.join('')).toContain('"method":"monitor"');
    expect(heard.join('')).not.toContain('transact');
  });

  it.each([
    ['refuses', '{"id":0,"result":null,"error":{"error":"unknown database"}}', /refused: .*unknown database/],
    ['talks nonsense', 'HTTP/1.1 400 Bad Request{}}', /JSON/],
  ])('that %s is told of in a line', async (_says, answer, why) => {
    await serve((socket) => socket.on('error', () => {}).end(answer));
    const { notice: seen } = look();
    await expect.poll(() => seen.trouble).toMatch(why);
    expect(seen.trouble).not.toContain('\n');
    expect(seen.bypasses.size).toBe(0);
  });

  it('that never answers is left after some seconds', async () => {
    let closed = 0;
    await serve((socket) =>
      socket
        .on('error', () => {})
        .on('close', () => closed++)
        .resume(),
    );
    const { notice: seen } = look();
    await expect.poll(() => seen.trouble, { timeout: 20_000 }).toContain('no answer within 5 s');
    await expect.poll(() => closed).toBe(1);
  });
});
