/** The structure that design and README promise, held by a test: arrows point one way, every foreign thing has one door. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const IMPORT = /(?:from|import)\s*\(?\s*'([^']+)'/g;

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(IMPORT)].map((match) => ({ from: file, to: match[1]! }));
}

const imports = files.flatMap(importsOf);

/** The folders of src/ in the order of a frame's journey. A folder imports itself and what stands before it. */
const ORDER = [
  'abi',
  'base',
  'config',
  'capture',
  'pcap',
  'decode',
  'filter',
  'lane',
  'worker',
  'ledger',
  'vswitch',
  'agent',
  'api',
  'replay',
  'cli',
];
const folderOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');

describe('structure', () => {
  it('has the folders of ORDER and no other', () => {
    const [rooms, loose] = [new Set(files.map((file) => folderOf(file))), files.filter((file) => folderOf(file) === '')];
    expect([...rooms].filter((folder) => folder !== '').sort()).toEqual([...ORDER].sort());
    expect(loose).toEqual(['main.ts']);
  });

  it('lets a folder import only itself and folders before it, and no root file', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!to.startsWith('.') || folderOf(from) === '') return false;
      const target = folderOf(relative(src, resolve(dirname(join(src, from)), to)));
      return target === '' || ORDER.indexOf(target) > ORDER.indexOf(folderOf(from));
    });
    expect(wrong).toEqual([]);
  });

  it.each([
    ['koffi', 'abi/native.ts'],
    ['cap', 'capture/libpcap/child.ts'],
    ['prom-client', 'api/metrics.ts'],
    ['raw-socket', 'agent/prober.ts'],
    ['pino', 'agent/log.ts'],
    ['yaml', 'config/text.ts'],
  ])('has one door to %s', (name, door) => {
    const users = new Set(imports.filter(({ to }) => to === name).map(({ from }) => from));
    expect([...users].filter((user) => user !== door)).toEqual([]);
  });

  it.each(['nftables', 'memory'])('knows the driver %s by its row alone', (driver) => {
    const inside = (path: string) => path.startsWith(`vswitch/${driver}/`);
    const users = imports.filter(({ from, to }) => !inside(from) && inside(relative(src, resolve(dirname(join(src, from)), to))));
    expect(users.map(({ from }) => from).filter((from) => from !== 'vswitch/drivers.ts')).toEqual([]);
  });

  it('names nftables only in its driver, its row, its settings and its library', () => {
    const known = ['vswitch/nftables/', 'vswitch/drivers.ts', 'config/shape.ts', 'abi/libnftables.ts'];
    const named = files.filter((file) => /nftables/i.test(readFileSync(join(src, file), 'utf8')));
    expect(named.filter((file) => !known.some((path) => file.startsWith(path)))).toEqual([]);
  });

  it('reads argv and env, listens to signals and exits in main.ts alone', () => {
    const users = files.filter((file) => /process\.(argv|env|exit\(|exitCode|on\()/.test(readFileSync(join(src, file), 'utf8')));
    expect(users.filter((file) => file !== 'main.ts' && file !== 'capture/libpcap/child.ts')).toEqual([]);
  });

  it('keeps hot code free of what is slow or can fail', () => {
    const hot = files.filter((file) => /^(decode|filter)\//.test(file) && file !== 'filter/policy.ts');
    const guilty = hot.filter((file) =>
      /\b(await|async|console|throw|JSON)\b/.test(
        readFileSync(join(src, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
      ),
    );
    expect(guilty).toEqual([]);
  });
});
