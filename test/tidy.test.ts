/**
 * The structure that documents promise, held by tests. The checks are in tidy/checks.ts; what each of them is held against stands here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  arrowsIn,
  circles,
  climbing,
  dangling,
  deadExports,
  deadFiles,
  longestWay,
  oversize,
  type Room,
  roomOf,
  type Sizes,
  TABLE_BEGIN,
  TABLE_END,
  tableIn,
  tableOf,
  untold,
  wrongDoors,
} from './tidy/checks.ts';
import { withoutComments } from './tidy/source.ts';
import { read, readTree, ROOT } from './tidy/tree.ts';

/** The folders of src/ in the order of a frame's journey. A folder imports itself and what stands before it. The README prints it. */
const ORDER: readonly Room[] = [
  { folder: 'abi', first: 'native.ts', what: 'doors to C, to the kernel and to V8' },
  {
    folder: 'base',
    first: 'verdict.ts',
    what: 'values that everybody speaks of: addresses, the network as numbers, verdicts, time',
  },
  { folder: 'config', first: 'config.ts', what: 'text -> a frozen value or every mistake -> a numbered network' },
  { folder: 'capture', first: 'source.ts', what: 'frames off the wire: ring/ and libpcap/' },
  { folder: 'pcap', first: 'file.ts', what: 'frames in files' },
  { folder: 'decode', first: 'frame.ts', what: 'bytes -> sighting' },
  { folder: 'filter', first: 'judge.ts', what: 'sighting -> verdict, by the compiled policy' },
  { folder: 'lane', first: 'lane.ts', what: 'what a worker and the main thread share' },
  { folder: 'worker', first: 'worker.ts', what: 'the hot half, and its workers as the main thread sees them' },
  { folder: 'ledger', first: 'ledger.ts', what: 'claims -> who holds each HAVIP' },
  {
    folder: 'vswitch',
    first: 'vswitch.ts',
    what: 'policy and bindings -> the switch: nftables/, memory/; openvswitch/ says where that holds nothing',
  },
  { folder: 'fabric', first: 'fabric.ts', what: 'other hosts: who holds what is agreed on through a store' },
  { folder: 'catalogue', first: 'catalogue.ts', what: 'which HAVIPs there are, allocated in files or in the store' },
  { folder: 'agent', first: 'agent.ts', what: 'the cold half: wiring, turns, health, reload' },
  { folder: 'api', first: 'http.ts', what: 'what is asked of it: HTTP, metrics, recordings' },
  {
    folder: 'console',
    first: 'console.ts',
    what: 'a page for people, in a process of its own that reads agents; the page itself is page/',
  },
  { folder: 'replay', first: 'replay.ts', what: 'a file instead of the wire' },
  { folder: 'cli', first: 'command.ts', what: 'a file per command, and the daemon around the agent' },
];
const NAMES = ORDER.map(({ folder }) => folder);
/** Folders and files of src/ on the longest way down from import to import. It may only shrink. */
const FLOORS = 11;
const byText = (a: string | null, b: string | null) => String(a).localeCompare(String(b));

/** The one file, or the few, that may name a package. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['src/fabric/etcd/connection.ts', 'src/fabric/etcd/session.ts', 'src/fabric/etcd/wire.ts'],
  '@grpc/proto-loader': ['src/fabric/etcd/wire.ts'],
  koffi: ['src/abi/native.ts'],
  cap: ['src/capture/libpcap/child.ts', 'src/capture/libpcap/libpcap.ts'],
  pino: ['src/agent/log.ts'],
  piscina: ['src/agent/parser.ts', 'src/replay/ahead.ts', 'src/replay/replay.ts', 'src/replay/worker.ts', 'src/worker/crew.ts'],
  'prom-client': ['src/api/instruments.ts', 'src/api/metrics.ts', 'src/api/optional-metrics.ts'],
  'raw-socket': ['src/agent/echo.ts'],
  yaml: ['src/config/text.ts'],
  zod: ['src/config/fields.ts', 'src/config/issues.ts', 'src/config/shape.ts', 'src/fabric/records.ts'],
};

/** Exports that tests alone take: what a test must know of a file to try it, which the program need not. */
const FOR_TESTS = [
  'src/abi/libc.ts: CLOCK_MONOTONIC',
  'src/abi/rtnetlink.ts: NUD_REACHABLE',
  'src/abi/socket-filter.ts: encodeBpf',
  'src/agent/echo.ts: openNative',
  'src/api/listen.ts: ListenError',
  'src/capture/bpf.ts: SKF_AD_PKTTYPE',
  'src/capture/bpf.ts: SKF_AD_VLAN_TAG_PRESENT',
  'src/capture/ring/police.ts: POLICE_BURST',
  'src/cli/help.ts: flagOf',
  'src/fabric/memory/memory.ts: MemoryFabric',
  'src/fabric/memory/wire.ts: NO_FAULTS',
  'src/lane/lane.ts: URGENT_SLOTS',
  'src/ledger/resign.ts: restate',
  'src/pcap/file.ts: openCapture',
  'src/vswitch/entries.ts: Parts',
  'src/vswitch/neighbour.ts: neighbourOf',
  'src/vswitch/nftables/keys.ts: fieldsOf',
];

/** Started by hand or by a script of package.json. */
const SCRIPTS = [
  'bench/main.ts',
  'native-fixtures/demo.ts',
  'native-fixtures/captures/build.ts',
  'native-fixtures/captures/migration.ts',
  'native-fixtures/captures/record.ts',
  'packaging/build.ts',
  'page/main.ts',
];

/** The model store, a driver for simulations. */
const MODELS = ['src/fabric/memory/memory.ts'];

/** The longest of each today. They may only shrink: who makes something longer, parts it. */
const LONGEST: Readonly<Record<string, Sizes>> = {
  src: { file: 343, function: 72 },
  bench: { file: 263, function: 52 },
  'native-fixtures': { file: 195, function: 55 },
  packaging: { file: 203, function: 24 },
  page: { file: 267, function: 108 },
  test: { file: 397, function: 87 },
};

/** What comments and documents cite that is not here by that name: QEMU's, and what is called short. */
const FOREIGN = new Set(['fabric.json', 'net/announce.c', 'captures.json']);
const exists = (path: string) => FOREIGN.has(path) || existsSync(join(ROOT, path));

const src = readTree(['src']);
const all = readTree(['src', 'bench', 'native-fixtures', 'packaging', 'page', 'test']);

describe('the folders of src/', () => {
  it('are those of ORDER and no other, and beside them stand start.cts and main.ts alone', () => {
    const rooms = new Set([...src.keys()].map((path) => roomOf(path)));
    expect([...rooms].filter((room) => room !== '').toSorted(byText)).toEqual(NAMES.toSorted(byText));
    expect([...src.keys()].filter((path) => roomOf(path) === '')).toEqual(['src/main.ts', 'src/start.cts']);
  });

  it('import themselves and what stands before them', () => {
    expect(climbing(arrowsIn(src), NAMES)).toEqual([]);
  });

  it('stand on few floors, never on more', () => {
    const way = longestWay(arrowsIn(src));
    expect(way.length, way.join(' > ')).toBe(FLOORS);
  });

  it('are listed in the README', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    expect(tableIn(readme), `README.md, between "${TABLE_BEGIN}" and "${TABLE_END}"`).toBe(tableOf(ORDER));
  });

  it('begin with a story: the head of the file to read first, which names others', () => {
    expect(untold(src, ORDER)).toEqual([]);
  });

  it('have their tests in folders of the same names', () => {
    const folders = new Set([...all.keys()].flatMap((path) => /^test\/([^/]+)\//.exec(path)?.[1] ?? []));
    // What concerns no folder of src/: benches, the whole agent in the lab, the package, this.
    for (const name of [...NAMES, 'bench', 'lab', 'labs', 'install', 'tidy']) folders.delete(name);
    expect([...folders]).toEqual([]);
  });
});

function twice(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) !== i))].sort();
}

/** What everybody speaks of: no file may have another thing of that name, not even for itself. */
const WORDS = new Set(['Batch', 'Binding', 'Claim', 'Effect', 'Failover', 'Limits', 'Peer', 'Port', 'Refusal', 'StoredBinding']);
/** Types that two files export by one name; let there be fewer. */
const SAID_TWICE = [
  'Answer',
  'Beside',
  'Elsewhere',
  'Entry',
  'HavipView',
  'Held',
  'Here',
  'Names',
  'Outside',
  'Report',
  'Ruling',
  'Sign',
  'Told',
  'Totals',
];

describe('files', () => {
  it('import each other in no circle', () => {
    expect(circles(arrowsIn(all))).toEqual([]);
  });

  it('leave each package to its door', () => {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
      optionalDependencies: Record<string, string>;
    };
    expect(wrongDoors(src, DOORS, Object.keys({ ...dependencies, ...optionalDependencies }))).toEqual([]);
  });

  it('export what another file takes', () => {
    expect(deadExports(all).sort()).toEqual(FOR_TESTS.map((name) => `${name} (tests alone)`));
  });

  it('mean one thing by a word', () => {
    const pattern = /^(?:export )?(?:interface|type|class) (\w+)/gm;
    const types = [...src.values()].flatMap((text) => Array.from(text.matchAll(pattern)));
    expect(twice(types.map(([, name = '']) => name)).filter((name) => WORDS.has(name))).toEqual([]);
    const exported = types.flatMap(([line, name = '']) => (line.startsWith('export') ? [name] : []));
    expect(twice(exported)).toEqual(SAID_TWICE);
  });

  it('are all reached from the program, a test or a script', () => {
    const tests = [...all.keys()].filter((path) => path.endsWith('.test.ts'));
    expect(deadFiles(all, ['src/start.cts', ...SCRIPTS, ...tests])).toEqual([]);
    expect(deadFiles(src, ['src/start.cts', ...MODELS])).toEqual([]);
  });

  it.each(Object.entries(LONGEST))('and functions of %s become shorter, never longer', (folder, limit) => {
    expect(oversize(readTree([folder]), limit)).toEqual([]);
  });

  it('cite nothing that a clone does not have', () => {
    const written = new Map([...all].filter(([path]) => path !== 'test/tidy/checks.test.ts'));
    expect(dangling(written, read(['.', 'docs'], /^[^/]*\.md$/), exists)).toEqual([]);
  });
});

describe('manners', () => {
  it.each(['nftables', 'memory'])('knows the driver %s by its row alone', (driver) => {
    const inside = (path: string) => path.startsWith(`src/vswitch/${driver}/`);
    const users = arrowsIn(src).filter(({ from, to }) => !inside(from) && inside(to));
    expect(users.map(({ from }) => from).filter((from) => from !== 'src/vswitch/drivers.ts')).toEqual([]);
  });

  it('names nftables only in its driver, its row, its settings and its library', () => {
    const known = [
      'src/vswitch/nftables/',
      'src/vswitch/openvswitch/',
      'src/vswitch/drivers.ts',
      'src/config/shape.ts',
      'src/abi/libnftables.ts',
    ];
    const named = [...src].filter(([, text]) => /nftables/i.test(text)).map(([path]) => path);
    expect(named.filter((path) => !known.some((one) => path.startsWith(one)))).toEqual([]);
  });

  it('reads argv and env, listens to signals and exits in main.ts alone', () => {
    const users = [...src].filter(([, text]) => /process\.(argv|env|exit\(|exitCode|on\()/.test(text)).map(([path]) => path);
    const processes = new Set(['src/main.ts', 'src/start.cts', 'src/capture/libpcap/child.ts', 'src/agent/push/child.ts']);
    expect(users.filter((path) => !processes.has(path))).toEqual([]);
  });

  it('keeps hot code free of what is slow or can fail', () => {
    const hot = [...src].filter(
      ([path]) => /^src\/(decode|filter)\//.test(path) && !['src/filter/compile.ts', 'src/filter/explain.ts'].includes(path),
    );
    const guilty = hot.filter(([, text]) => /\b(await|async|console|throw|JSON)\b/.test(withoutComments(text)));
    expect(guilty.map(([path]) => path)).toEqual([]);
  });
});
