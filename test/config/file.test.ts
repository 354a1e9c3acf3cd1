/** Reading a changed file in part gives exactly what reading the whole of it gives. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Config, describeMistake, parseConfig } from '../../src/config/config.ts';
import { ConfigFile } from '../../src/config/file.ts';
import { whyUnreadable } from '../../src/config/read.ts';

const FILE = JSON.stringify({
  host: { id: 'h' },
  vpcs: ['a', 'b', 'c'].map((v) => ({
    id: v,
    cidr: '10.0.0.0/16',
    subnets: [{ id: `${v}-s`, cidr: '10.0.0.0/24', gateway: '10.0.0.1' }],
    havips: [2, 3].map((n) => ({ id: `${v}${n}`, subnet: `${v}-s`, address: `10.0.0.${n}`, members: ['j'] })),
  })),
  ports: [{ interface: 't', instance: 'i', subnet: 'b-s', mac: '02:00:00:00:00:01', addresses: ['10.0.0.9'] }],
});

function fileOf(text: string) {
  const file = new ConfigFile('f');
  const first = file.take(Buffer.from(text));
  return { file, config: first.ok ? first.config : null };
}

function reread(edit: (text: string) => string): { before: Config; after: Config | null } {
  const { file, config } = fileOf(FILE);
  const text = edit(FILE);
  const parsed = file.take(Buffer.from(text));
  expect(parsed).toEqual(parseConfig(text, 'f'));
  return { before: config!, after: parsed.ok ? parsed.config : null };
}

/** Positions of the VPCs that are no longer the same objects. */
function changed({ before, after }: { before: Config; after: Config | null }): number[] {
  return before.vpcs.flatMap((vpc, i) => (vpc === after?.vpcs[i] ? [] : [i]));
}

const ALL = [0, 1, 2];

describe('a configuration file that is read again', () => {
  it.each<[string, string, string, number[]]>([
    ['an address', '"b2","subnet":"b-s","address":"10.0.0.2"', '"b2","subnet":"b-s","address":"10.0.0.20"', [1]],
    ['an id', '"id":"c3"', '"id":"c4"', [2]],
    ['members', '["j"]}]},{"id":"b"', '["j","Zürich"]}]},{"id":"b"', [0]],
    ['nothing', '', '', []],
  ])('checks one VPC anew when %s changes', (_what, from, to, expected) => {
    expect(changed(reread((text) => text.replace(from, to)))).toEqual(expected);
  });

  it.each<[string, string, string]>([
    ['an id that another VPC uses', '"id":"c3"', '"id":"a3"'],
    ['the address of a port', '"id":"b3","subnet":"b-s","address":"10.0.0.3"', '"id":"b3","subnet":"b-s","address":"10.0.0.9"'],
    ['a subnet', '"id":"b-s","cidr":"10.0.0.0/24"', '"id":"b-s","cidr":"10.0.0.0/25"'],
    ['a port', '02:00:00:00:00:01', '02:00:00:00:00:03'],
    ['a key twice', '"id":"b3"', '"id":"b4","id":"b3"'],
    ['an element more', '{"id":"b",', '{"id":"x","cidr":"10.0.0.0/16"},{"id":"b",'],
    ['an end that moves', '"members":["j"]}]},{"id":"c"', '"members":["j"]}]}],"uplinks":[{"interface":"u","vpc":"a"},{"id":"c"'],
    ['text that is YAML alone', '"id":"b3"', 'id: b3'],
  ])('parses the whole for %s', (_what, from, to) => {
    expect(changed(reread((text) => text.replace(from, to)))).toEqual(ALL);
  });

  it('sees a member that has its only port in another VPC', () => {
    const { file } = fileOf(FILE);
    const parsed = file.take(Buffer.from(FILE.replace('"j"]}]},{"id":"c"', '"i"]}]},{"id":"c"')));
    expect(parsed.ok).toBe(true);
    const stray = file.take(Buffer.from(FILE.replace('"j"', '"i"')));
    expect(stray.ok ? [] : stray.mistakes.map(({ message }) => message)).toEqual([
      '"i" has no port in a-s, only t in b-s: it can never claim this HAVIP; give it a port there, or leave it out',
    ]);
  });

  it('goes on from what it read in part', () => {
    const { file } = fileOf(FILE);
    for (const [n, id] of ['a2', 'c3-long', 'c3', 'b2'].entries()) {
      const text = FILE.replace(`"id":"${id.slice(0, 2)}"`, `"id":"${id}"`).replace('"10.0.0.3"', `"10.0.0.1${n}"`);
      expect(file.take(Buffer.from(text))).toEqual(parseConfig(text, 'f'));
    }
  });

  it('is not led astray by a file with mistakes in between', () => {
    const { file, config } = fileOf(FILE);
    expect(file.take(Buffer.from(FILE.replace('"b3"', '""'))).ok).toBe(false);
    const back = file.take(Buffer.from(FILE));
    expect(back.ok && back.config).toBe(config);
  });

  it('agrees with the whole for random edits', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '',
        '"',
        '{',
        '}',
        ']',
        ',',
        '},{',
        '"b2"',
        '10.0.0.9',
        '7',
        ' ',
        '\n',
        '# ',
        'é',
        '"id":"b3",',
        '"vpcs":[',
      ),
      fc.nat(FILE.length).map((at) => FILE.slice(at, at + 60)),
    );
    const edit = fc.record({ at: fc.nat(FILE.length), remove: fc.nat(40), insert: piece });
    const swap = fc.record({
      from: fc.constantFrom('a2', 'b2', 'b3', '10.0.0.2', '10.0.0.3', 'b-s', '"i"'),
      to: fc.string({ maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(edit, swap), { minLength: 1, maxLength: 6 }), (edits) => {
        const { file } = fileOf(FILE);
        let text = FILE;
        for (const one of edits) {
          text =
            'at' in one ? text.slice(0, one.at) + one.insert + text.slice(one.at + one.remove) : FILE.replace(one.from, one.to);
          const bytes = Buffer.from(text);
          expect(file.take(bytes)).toEqual(parseConfig(bytes.toString(), 'f'));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('reads from the disk, again and again, what is there at the time', () => {
    const folder = mkdtempSync(join(tmpdir(), 'havip-config-'));
    try {
      const path = join(folder, 'havip.json');
      const file = new ConfigFile(path);
      const texts = [FILE, FILE.replace('10.0.0.2', '10.0.0.20'), 'no: configuration', `${FILE}${' '.repeat(200_000)}`, FILE];
      for (const text of [...texts, ...texts]) {
        writeFileSync(path, text);
        expect(file.read()).toEqual(parseConfig(text, path));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const refusal = (path: string): string | null => {
  try {
    new ConfigFile(path).read();
    return null;
  } catch (error) {
    return whyUnreadable(path, error);
  }
};

describe('what is no configuration file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'havip-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is refused at once, and never waited for', () => {
    const fifo = join(folder, 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    expect(refusal(fifo)).toBe(`cannot read ${fifo}: it is a FIFO, not a regular file`);
    expect(refusal('/dev/zero')).toBe('cannot read /dev/zero: it is a device, not a regular file');
    expect(refusal(folder)).toBe(`cannot read ${folder}: it is a directory`);
    const large = join(folder, 'large');
    writeFileSync(large, '');
    truncateSync(large, 65 * 1024 * 1024);
    expect(refusal(large)).toBe(`cannot read ${large}: it has 65 MiB, and a configuration at most 64`);
  });
});

const mistakes = (text: string) => {
  const parsed = parseConfig(text, 'f');
  return parsed.ok ? [] : parsed.mistakes.map(describeMistake);
};

describe('a text that cannot be read', () => {
  it('gets its first mistake alone, with the line and a caret', () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `      - { id: havip-${i}, subnet: s, address: 10.0.0.1 }`);
    const [first = '', ...others] = mistakes(
      `vpcs:\n  - id: v\n    havips:\n${lines.join('\n')}\n   - wrong indent\n${lines.join('\n')}\n`,
    );
    expect(others).toEqual([]);
    expect(first).toMatch(/^f:2004:\d+: .+\n {3}- wrong indent\n +\^\n$/);
  });

  it.each([
    ['host: { id: h\nports: []\n', /^f:2:\d+: .+\nports: \[\]\n *\^\n$/],
    ['host:\n\t- x\n', /^f:2:\d+: .+\n\t- x\n[\t ]*\^\n$/],
    ['host: "x\n', /^f:\d+:\d+: .+/],
    [`{ "host": ${' '.repeat(500)}oops }`, /^f:1:\d+: /],
  ])('%j', (text, expected) => {
    const found = mistakes(text);
    expect(found.length).toBe(1);
    expect(found[0]).toMatch(expected);
  });

  it('is not read as YAML when that would take minutes', () => {
    const yaml = `host: { id: h }\nports:\n${'  - { interface: tap0, instance: i, subnet: s }\n'.repeat(300_000)}`;
    expect(mistakes(yaml)[0]).toContain('YAML of more than 2 MiB takes too long to read; write it as JSON');
    const json = JSON.stringify({
      host: { id: 'h' },
      ports: Array.from({ length: 200_000 }, (_, i) => ({ interface: `tap${i}` })),
    });
    expect(mistakes(json.slice(0, -1))[0]).toMatch(/^f:1:\d{7}: this is no JSON: /);
    expect(mistakes(json.replace('"tap70000"', 'tap70000'))[0]).toMatch(/^f:1:\d{7}: this is no JSON: .*\n.*tap70000.*\n +\^\n$/);
  });
});
