/** SIGHUP with a real file: what is taken, what is refused, and what waits for a restart. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reload } from '../../src/agent/reload.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { httpSource } from '../../src/api/views.ts';
import { ConfigFile } from '../../src/config/file.ts';
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
  const sighup = (text: string): LogLine[] => {
    writeFileSync(path, text);
    hand.lines.length = 0;
    reload(file, hand.agent, hand.agent.log);
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
  it('takes what needs no restart, and keeps what does as it runs', () => {
    const { agent, sighup, status, vswitch } = running();
    const { host, capture, vswitch: settings, http } = agent.config;
    const lines = sighup(OTHERWISE);
    expect(lines).toEqual([
      ...KEYS.map((key) => ({ level: 'warn', message: `a change of \`${key}\` needs a restart` })),
      { level: 'info', message: 'configuration reloaded' },
    ]);
    expect(agent.config).toMatchObject({ host, capture, vswitch: settings, http, mode: 'audit' });
    expect(agent.network.havips.map((havip) => havip?.id)).toContain('havip-3');
    expect(status()).toMatchObject({ host: 'host-a', driver: vswitch.name, mode: 'audit' });
    expect(status().notes).toEqual(expect.arrayContaining(KEYS.map((key) => `a change of \`${key}\` waits for a restart`)));
  });

  it('says of a holder the host that the log and the ledger say', () => {
    const { agent, sighup, status, link, say } = running();
    sighup(OTHERWISE);
    link('tap7', 'up');
    say('tap7', 'havip-1');
    link('tap7', 'up');
    const havip = agent.network.havips.find((one) => one?.id === 'havip-1');
    expect(agent.ledger.view(havip?.index ?? -1, agent.clock.nowNs())?.holder?.host).toBe(status().host);
  });

  it('warns each time, until the file says again what runs', () => {
    const { sighup, status } = running();
    expect(warned(sighup(OTHERWISE))).toBe(4);
    expect(warned(sighup(OTHERWISE))).toBe(4);
    expect(warned(sighup(`${CONFIG}http: { listen: "127.0.0.1:1" }\n`))).toBe(1);
    expect(status().notes.filter((note) => note.includes('restart'))).toEqual(['a change of `http` waits for a restart']);
    expect(sighup(CONFIG)).toEqual([{ level: 'info', message: 'configuration reloaded' }]);
    expect(status().notes.filter((note) => note.includes('restart'))).toEqual([]);
  });

  it('keeps the whole old configuration, and its notes, when the file is wrong or gone', () => {
    const { agent, path, sighup, status } = running();
    sighup(OTHERWISE);
    const { config } = agent;
    const { notes } = status();
    expect(sighup(OTHERWISE.replace('mode: audit', 'mode: sometimes')).map(({ level }) => level)).toEqual(['error', 'error']);
    expect(agent.reload.successful).toBe(false);
    rmSync(path);
    const gone = new ConfigFile(path);
    reload(gone, agent, agent.log);
    expect(agent.config).toBe(config);
    expect(status().notes).toEqual(notes);
    sighup(OTHERWISE);
    expect(agent.reload.successful).toBe(true);
  });

  it('asks the driver that runs, also when the file names another', () => {
    const collide = CONFIG.replace('  - id: vpc-1', TWINS);
    expect(running('memory').sighup(collide).at(-1)?.message).toBe('configuration reloaded');
    const { sighup, agent } = running('nftables');
    expect(sighup(collide).map(({ message }) => message)).toEqual([
      expect.stringContaining('the switch cannot tell') as string,
      'configuration refused; the old one goes on',
    ]);
    expect(agent.network.vpcs).toHaveLength(1);
  });
});
