/** HAVIPs as files: by several writers at once, by one that is killed, and read back as the agent reads them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CatalogueError } from '../../src/catalogue/refusal.ts';
import { FilesCatalogue } from '../../src/catalogue/files.ts';
import { LockedFolder } from '../../src/catalogue/folder.ts';
import { readWish } from '../../src/catalogue/wish.ts';
import type { Config } from '../../src/config/config.ts';
import { ConfigFile } from '../../src/config/file.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';

let folder: string;
const path = (...names: string[]) => join(folder, ...names);

function main(quota: number): string {
  const subnets = [{ id: 'subnet-a', cidr: '172.17.0.0/20' }];
  const havips = [{ id: 'havip-1', subnet: 'subnet-a', address: '172.17.0.3' }];
  return JSON.stringify({ host: { id: 'host-a' }, vpcs: [{ id: 'vpc-1', cidr: '172.17.0.0/16', quota, subnets, havips }] });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-catalogue-'));
  writeFileSync(path('agent.yaml'), main(10));
});

afterEach(() => rmSync(folder, { recursive: true }));

function open(): FilesCatalogue {
  const file = new ConfigFile(path('agent.yaml'));
  const why = (one: string) => file.refused.find((mistake) => mistake.file === one)?.message ?? null;
  return new FilesCatalogue({ file: file.path, read: async () => readWith(file), why, wallMs: Date.now });
}

function readWith(file: ConfigFile): Config {
  const parsed = file.read();
  if (!parsed.ok) throw new Error(parsed.mistakes.map(({ message }) => message).join('\n'));
  return parsed.config;
}

/** As an agent that starts now reads it; nothing is refused. */
function havips() {
  const file = new ConfigFile(path('agent.yaml'));
  const config = readWith(file);
  expect(file.refused).toEqual([]);
  return config.vpcs.flatMap((vpc) => vpc.havips);
}

const author = (key: string | null = null) => ({ by: 'a test', key });
const wish = (changes: object = {}) => readWish({ subnet: 'subnet-a', ...changes });
const codeOf = (error: unknown) => (error instanceof CatalogueError ? error.code : String(error));
const allocate = (catalogue: FilesCatalogue, changes: object = {}, key: string | null = null) =>
  catalogue.allocate(wish(changes), author(key)).then(({ id }) => id, codeOf);

describe('HAVIPs as files', () => {
  it('come with what was wished, and go', async () => {
    const catalogue = open();
    const web = await catalogue.allocate(wish({ id: 'web', members: ['a', 'b'], vrid: 7, assist: 'resign' }), author());
    expect(web).toEqual({
      id: 'web',
      vpc: 'vpc-1',
      subnet: 'subnet-a',
      address: '172.17.0.1',
      members: ['a', 'b'],
      again: false,
    });
    expect(havips().at(-1)).toMatchObject({ id: 'web', members: ['a', 'b'], vrid: 7, assist: { hasten: true } });
    expect((await catalogue.list()).map(({ id, allocated }) => [id, allocated?.by])).toEqual([
      ['havip-1', undefined],
      ['web', 'a test'],
    ]);
    await catalogue.release('web', null, author());
    expect(havips().map(({ id }) => id)).toEqual(['havip-1']);
    expect(readdirSync(path('havips.d'))).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['an id of the file', { id: 'havip-1' }, 'id-taken'],
    ['a VPC that is not there', { vpc: 'vpc-9' }, 'no-vpc'],
    ['a subnet that is not there', { subnet: 'none' }, 'no-subnet'],
    ['an address that is taken', { address: '172.17.0.3' }, 'taken'],
  ])('are refused with %s', async (_what, changes, code) => {
    expect(await allocate(open(), changes)).toBe(code);
    expect(havips()).toHaveLength(1);
  });

  it('under a VRID are those of the same machines', async () => {
    const catalogue = open();
    await allocate(catalogue, { id: 'a', vrid: 9, members: ['m1'] });
    expect(await allocate(catalogue, { id: 'b', vrid: 9, members: ['m2'] })).toBe('vrid');
    expect(await allocate(catalogue, { id: 'b', vrid: 9, members: ['m1'] })).toBe('b');
  });

  it('are taken back where the configuration would not take them', async () => {
    const open = new ConfigFile(path('agent.yaml'));
    const config = readWith(open);
    // Who reads something else than what is written, say.
    const catalogue = new FilesCatalogue({
      file: open.path,
      read: async () => config,
      why: () => 'for a reason',
      wallMs: Date.now,
    });
    await expect(catalogue.allocate(wish({ id: 'b' }), author())).rejects.toMatchObject({
      code: 'refused',
      message: 'for a reason',
    });
    expect(readdirSync(path('havips.d'))).toEqual([]);
  });

  it('that were not allocated are not released', async () => {
    mkdirSync(path('havips.d'));
    writeFileSync(
      path('havips.d/two.yaml'),
      '{"vpc":"vpc-1","havips":[{"id":"two","subnet":"subnet-a","address":"172.17.0.9"},{"id":"three","subnet":"subnet-a","address":"172.17.0.8"}]}',
    );
    const catalogue = open();
    for (const [id, code] of [
      ['havip-1', 'elsewhere'],
      ['two', 'elsewhere'],
      ['none', 'no-havip'],
      ['../agent', 'no-havip'],
    ] as const)
      expect(await catalogue.release(id, null, author()).catch(codeOf)).toBe(code);
    expect(havips()).toHaveLength(3);
  });

  it('are the same for the same key, also after a restart, and refused for another wish with it', async () => {
    const id = await allocate(open(), {}, 'order-7');
    const both = open();
    expect(await Promise.all([allocate(both, {}, 'order-7'), allocate(both, {}, 'order-7')])).toEqual([id, id]);
    expect(await allocate(open(), { address: '172.17.0.99' }, 'order-7')).toBe('key-reused');
    expect(await allocate(open(), { id: 'x' }, 'order-8')).toBe('x');
    expect(await allocate(open(), { id: 'x' }, 'order-9')).toBe('id-taken');
    expect(havips()).toHaveLength(3);
  });

  it('stand behind a link to a folder that is not there yet', async () => {
    symlinkSync(path('state', 'havips.d'), path('havips.d'));
    expect(await allocate(open(), { id: 'web' })).toBe('web');
    expect(readdirSync(path('state/havips.d'))).toEqual(['web.yaml']);
  });

  it('wait for another writer, not for ever', async () => {
    const lock = await LockedFolder.lock(path('havips.d'));
    await expect(LockedFolder.lock(path('havips.d'), 20)).rejects.toMatchObject({ code: 'busy' });
    const waiting = allocate(open(), { id: 'web' });
    await setTimeout(30);
    lock.unlock();
    expect(await waiting).toBe('web');
  });

  it('by 1,000 wishes at once, of three writers: no address twice, and the quota exact', async () => {
    writeFileSync(path('agent.yaml'), main(900));
    const writers = [open(), open(), open()];
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => allocate(writers[i % 3] ?? open())));
    expect(answers.filter((answer) => !answer.startsWith('havip-') && answer !== 'quota')).toEqual([]);
    expect(answers.filter((answer) => answer === 'quota')).toHaveLength(101);
    const all = havips();
    expect(all).toHaveLength(900);
    expect(new Set(all.map(({ address }) => address)).size).toBe(900);
  });

  it('of an id that two want at once are one of them', async () => {
    for (let i = 0; i < 20; i++) {
      const both = await Promise.all(
        [open(), open()].map((one) =>
          one.allocate(wish({ id: `web-${i}`, address: `172.17.1.${i + 1}` }), author()).then(() => 'won', codeOf),
        ),
      );
      expect(both.toSorted()).toEqual(['id-taken', 'won']);
      await open().release(`web-${i}`, null, author());
    }
  });
});

/** A process that allocates and releases as fast as it can. */
function writer(name: string): ChildProcess {
  const source = `
    import { FilesCatalogue } from './dist/src/catalogue/files.js';
    import { ConfigFile } from './dist/src/config/file.js';
    const file = new ConfigFile(${JSON.stringify(path('agent.yaml'))});
    const read = async () => { const parsed = file.read(); if (!parsed.ok) process.exit(9); return parsed.config; };
    const catalogue = new FilesCatalogue({ file: file.path, read, why: () => null, wallMs: Date.now });
    const author = { by: ${JSON.stringify(name)}, key: null };
    console.log('begins');
    for (let i = 0; ; i++) {
      const ids = await Promise.all(Array.from({ length: 5 }, () => catalogue.allocate({ subnet: 'subnet-a', fence: true, verify: false }, author).then(({ id }) => id, () => null)));
      if (i % 2 === 1) await Promise.all(ids.map((id) => id === null ? null : catalogue.release(id, null, author)));
    }`;
  return spawn(process.execPath, ['--input-type=module', '-e', source], {
    cwd: projectRoot(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

it('writers that are killed leave nothing half done, and no lock', async () => {
  const quota = 30;
  writeFileSync(path('agent.yaml'), main(quota));
  for (let round = 0; round < 6; round++) {
    const writers = [writer('one'), writer('two')];
    await Promise.all(writers.map(({ stdout }) => once(stdout!, 'data')));
    await setTimeout(30 + 25 * round);
    const ended = writers.map((one) => once(one, 'exit'));
    for (const one of writers) one.kill('SIGKILL');
    expect((await Promise.all(ended)).map(([, signal]) => signal)).toEqual(['SIGKILL', 'SIGKILL']);
    const all = havips();
    expect(all.length).toBeLessThanOrEqual(quota);
    for (const name of readdirSync(path('havips.d')).filter((one) => !one.startsWith('.')))
      expect(() => JSON.parse(readFileSync(path('havips.d', name), 'utf8')) as unknown).not.toThrow();
    // Who comes next takes away what they were about to write.
    const id = `after-${round}`;
    expect(['quota', id]).toContain(await allocate(open(), { id }));
    expect(readdirSync(path('havips.d')).filter((one) => one.startsWith('.'))).toEqual([]);
    await open()
      .release(id, null, author())
      .catch(() => null);
  }
});
