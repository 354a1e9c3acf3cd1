/** SIGHUP with a real file: what is taken, what is refused, and what waits for a restart. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseInThread } from '../../src/agent/parser.ts';
import { Reloads } from '../../src/agent/reload.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { httpSource } from '../../src/api/views.ts';
import { ConfigFile, parseWhole } from '../../src/config/file.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { checkBeside, type DriverName } from '../../src/vswitch/drivers.ts';
import { CONFIG, handAgent, type LogLine } from './hand.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-reload-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** @param driver that runs, as far as the check of the file knows */
function running(driver: DriverName = 'memory') {
  const path = join(folder, 'havip.yaml');
  const hand = handAgent({ config: CONFIG });
  const file = new ConfigFile(
    path,
    checkBeside(() => driver),
  );
  const metrics = createMetrics({ ...metricsSource(hand.agent), logLinesDropped: () => 0 }, '1.2.3', false);
  const source = httpSource(hand.agent, metrics);
  const reloads = new Reloads(file, hand.agent, hand.agent.log, parseInThread(driver));
  const sighup = async (text: string): Promise<LogLine[]> => {
    writeFileSync(path, text);
    hand.lines.length = 0;
    await reloads.wish();
    return [...hand.lines];
  };
  return { ...hand, path, sighup, status: () => source.status() };
}

/** Everything that is set up once, otherwise; one HAVIP more and audit, which need no restart. */
const OTHERWISE = CONFIG.replace('host-a', 'host-b')
  .replace('driver: memory', 'driver: nftables, table: other')
  .replace('- { id: havip-2,', '- { id: havip-3, subnet: subnet-a, address: 172.17.16.5 }\n      - { id: havip-2,')
  .concat('http: { listen: "127.0.0.1:1" }\ncapture: { workers: 7 }\nmode: audit\n');
/** Two VPCs of one number to nftables (vswitch/nftables/domain.ts). */
const TWINS = `  - { id: vpc-16350204, cidr: 10.0.0.0/8 }
  - { id: vpc-2084665, cidr: 10.0.0.0/8 }
  - id: vpc-1`;
const KEYS = ['host', 'capture', 'vswitch', 'http'];

const warned = (lines: readonly LogLine[]) => lines.filter(({ level }) => level === 'warn').length;

describe('a reload', () => {
  it('takes what needs no restart, and keeps what does as it runs', async () => {
    const { agent, sighup, status, vswitch } = running();
    const { host, capture, vswitch: settings, http } = agent.config;
    const lines = await sighup(OTHERWISE);
    expect(lines).toEqual([
      ...KEYS.map((key) => ({ level: 'warn', message: `a change of \`${key}\` needs a restart` })),
      { level: 'info', message: 'configuration reloaded' },
    ]);
    expect(agent.config).toMatchObject({ host, capture, vswitch: settings, http, mode: 'audit' });
    expect(agent.network.havips.map((havip) => havip?.id)).toContain('havip-3');
    expect(status()).toMatchObject({ host: 'host-a', driver: vswitch.name, mode: 'audit' });
    expect(status().notes).toEqual(expect.arrayContaining(KEYS.map((key) => `a change of \`${key}\` waits for a restart`)));
  });

  it('says of a holder the host that the log and the ledger say', async () => {
    const { agent, sighup, status, link, say } = running();
    await sighup(OTHERWISE);
    link('tap7', 'up');
    say('tap7', 'havip-1');
    link('tap7', 'up');
    const havip = agent.network.havips.find((one) => one?.id === 'havip-1');
    expect(agent.ledger.view(havip?.index ?? -1, agent.clock.nowNs())?.holder?.host).toBe(status().host);
  });

  it('warns each time, until the file says again what runs', async () => {
    const { sighup, status } = running();
    expect(warned(await sighup(OTHERWISE))).toBe(4);
    expect(warned(await sighup(OTHERWISE))).toBe(4);
    expect(warned(await sighup(`${CONFIG}http: { listen: "127.0.0.1:1" }\n`))).toBe(1);
    expect(status().notes.filter((note) => note.includes('restart'))).toEqual(['a change of `http` waits for a restart']);
    expect(await sighup(CONFIG)).toEqual([{ level: 'info', message: 'configuration reloaded' }]);
    expect(status().notes.filter((note) => note.includes('restart'))).toEqual([]);
  });

  it('keeps the whole old configuration, and its notes, when the file is wrong or gone', async () => {
    const { agent, path, sighup, status } = running();
    await sighup(OTHERWISE);
    const { config } = agent;
    const { notes } = status();
    expect((await sighup(OTHERWISE.replace('mode: audit', 'mode: sometimes'))).map(({ level }) => level)).toEqual([
      'error',
      'error',
    ]);
    expect(agent.reload.successful).toBe(false);
    rmSync(path);
    const gone = new ConfigFile(path);
    await new Reloads(gone, agent, agent.log).wish();
    expect(agent.config).toBe(config);
    expect(status().notes).toEqual(notes);
    await sighup(OTHERWISE);
    expect(agent.reload.successful).toBe(true);
  });

  it('asks the driver that runs, also when the file names another', async () => {
    const collide = CONFIG.replace('  - id: vpc-1', TWINS);
    expect((await running('memory').sighup(collide)).at(-1)?.message).toBe('configuration reloaded');
    const { sighup, agent } = running('nftables');
    expect((await sighup(collide)).map(({ message }) => message)).toEqual([
      expect.stringContaining('the switch cannot tell') as string,
      'configuration refused; the old one goes on',
    ]);
    expect(agent.network.vpcs).toHaveLength(1);
  });

  it('follows wishes that come meanwhile by one more reload', async () => {
    const { agent, path, lines } = running();
    const waiting: (() => void)[] = [];
    const slow = async (bytes: Buffer, file: string) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return parseWhole(bytes, file, null);
    };
    const reloads = new Reloads(new ConfigFile(path), agent, agent.log, slow);
    writeFileSync(path, CONFIG);
    const done = reloads.wish();
    for (let i = 0; i < 5; i++) await reloads.wish();
    writeFileSync(path, `${CONFIG}mode: audit\n`);
    expect(waiting.length).toBe(1);
    waiting[0]?.();
    await until('second reload', () => waiting.length === 2);
    waiting[1]?.();
    await done;
    expect([agent.config.mode, waiting.length]).toEqual(['audit', 2]);
    expect(lines.filter(({ message }) => message === 'configuration reloaded').length).toBe(2);
  });
});

const json = (havips: number) =>
  Buffer.from(
    JSON.stringify({
      host: { id: 'h' },
      vpcs: [
        {
          id: 'v',
          cidr: '10.0.0.0/8',
          subnets: [{ id: 's', cidr: '10.0.0.0/8' }],
          havips: Array.from({ length: havips }, (_, i) => ({
            id: `x${i}`,
            subnet: 's',
            address: `10.1.${i >> 8}.${i & 255}`,
          })),
        },
      ],
    }),
  );

describe('the parser’s thread', () => {
  it('gives what parsing here gives, mistakes too', async () => {
    const parse = parseInThread('memory');
    for (const text of [CONFIG, CONFIG.replace('172.17.16.3', '172.17.99.3'), 'a: [', json(100).toString()]) {
      const bytes = Buffer.from(text);
      expect(await parse(bytes, 'f')).toEqual(
        parseWhole(
          bytes,
          'f',
          checkBeside(() => 'memory'),
        ),
      );
    }
  });

  it('is ended when it takes too long or too much, and the old configuration goes on', async () => {
    await expect(parseInThread('memory', { ms: 5, mib: 1024 })(json(60_000), 'f')).rejects.toThrow(
      'cannot read f: not done within 0.005 s',
    );
    await expect(parseInThread('memory', { ms: 30_000, mib: 16 })(json(60_000), 'f')).rejects.toThrow(
      'cannot read f: it takes more than 16 MiB of memory',
    );
    const { agent, path, lines } = running();
    writeFileSync(path, json(60_000));
    await new Reloads(new ConfigFile(path), agent, agent.log, parseInThread('memory', { ms: 5, mib: 1024 })).wish();
    expect(lines.at(-1)).toEqual({
      level: 'error',
      message: `cannot read ${path}: not done within 0.005 s; the old configuration goes on`,
    });
    expect(agent.reload.successful).toBe(false);
  });

  it('leaves the main thread to others', async () => {
    let longestMs = 0;
    let lastMs = performance.now();
    const beat = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 1);
    const startedMs = performance.now();
    // 1 MiB of YAML.
    const havips = Array.from(
      { length: 14_000 },
      (_, i) => `      - { id: x${i}, subnet: s, address: 10.1.${i >> 8}.${i & 255} }`,
    );
    const yaml = `host: { id: h }\nvpcs:\n  - id: v\n    cidr: 10.0.0.0/8\n    subnets: [{ id: s, cidr: 10.0.0.0/8 }]\n    havips:\n${havips.join('\n')}\n`;
    const { parsed } = await parseInThread('memory')(Buffer.from(yaml), 'f');
    clearInterval(beat);
    expect(parsed.ok).toBe(true);
    expect(longestMs).toBeLessThan((performance.now() - startedMs) / 2);
  });
});
