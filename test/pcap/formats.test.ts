/** pcap and pcapng readers against files crafted byte by byte. */
import { describe, expect, test } from 'vitest';
import { CaptureFileError } from '../../src/pcap/file.ts';
import { craftPcap, crafter } from './craft.ts';
import { readCapture, withFile } from './read.ts';

const read = (bytes: Uint8Array, windowBytes?: number) => withFile(bytes, (path) => readCapture(path, windowBytes));
const bytesOf = (...lengths: number[]) => lengths.map((length, i) => Uint8Array.from({ length }, (_, k) => (k * 7 + i) & 255));
const SECOND = 1_700_000_000n;
const NS = 1_000_000_000n;

describe('pcap', () => {
  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])('little-endian %s, nanoseconds %s', (little, nanoseconds) => {
    const [a, b] = bytesOf(42, 61);
    const perSecond = nanoseconds ? NS : 1_000_000n;
    const ticks = [SECOND * perSecond + 5n, (SECOND + 2n) * perSecond + 999_999n] as const;
    const file = craftPcap({ little, nanoseconds }, [
      { bytes: a!, ticks: ticks[0] },
      { bytes: b!, ticks: ticks[1], length: 1500 },
    ]);
    expect(read(file)).toEqual({
      end: file.length,
      problem: null,
      skipped: new Map(),
      frames: [
        { bytes: [...a!], length: 42, interface: '', atNs: (ticks[0] * NS) / perSecond },
        { bytes: [...b!], length: 1500, interface: '', atNs: (ticks[1] * NS) / perSecond },
      ],
    });
  });

  test('a frame of the greatest size, and one byte more', () => {
    const fits = craftPcap({ little: true, nanoseconds: true }, [{ bytes: new Uint8Array(262_144), ticks: 0n }]);
    expect(read(fits).frames[0]?.length).toBe(262_144);
    const garbage = craftPcap({ little: true, nanoseconds: true }, [{ bytes: new Uint8Array(262_145), ticks: 0n }]);
    expect(read(garbage)).toMatchObject({
      frames: [],
      end: 24,
      problem: 'the record says 262145 bytes; a frame has 1 to 262144',
    });
  });

  test.each([
    [craftPcap({ little: true, nanoseconds: false, linkType: 101 }, []), /link type 101 \(raw IP\) is not Ethernet/],
    [new Uint8Array(0), /neither pcap nor pcapng: it is empty/],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), /compressed with zstd, decompress it first/],
    [Uint8Array.of(0xd4, 0xc3, 0xb2, 0xa1, 2), /ends inside its header: 5 of 24 bytes/],
    [new TextEncoder().encode('no capture'), /neither pcap nor pcapng$/],
  ])('what is no capture is refused in one line (%#)', (bytes, says) => {
    expect(() => read(bytes)).toThrow(CaptureFileError);
    expect(() => read(bytes)).toThrow(says);
  });

  test('a missing file is refused in one line', () => {
    expect(() => readCapture('/nowhere/at.pcap')).toThrow('/nowhere/at.pcap: no such file');
    expect(() => readCapture('/')).toThrow(CaptureFileError);
  });
});

describe.each([true, false])('pcapng, little-endian %s', (little) => {
  const make = crafter(little);
  const name = (text: string) => make.option(2, new TextEncoder().encode(text));
  const resolution = (value: number) => make.option(9, Uint8Array.of(value));
  const [a, b, c] = bytesOf(42, 43, 61) as [Uint8Array, Uint8Array, Uint8Array];

  test.each([
    ['the default, microseconds', [], 1_000_000n],
    ['nanoseconds', [resolution(9)], NS],
    ['milliseconds', [resolution(3)], 1000n],
    ['powers of two', [resolution(0x80 | 20)], 1n << 20n],
  ])('timestamps in %s', (_, options, perSecond) => {
    const ticks = SECOND * perSecond + perSecond / 4n;
    const file = Buffer.concat([make.section(), make.interface([name('tap7'), ...options]), make.enhanced({ bytes: a, ticks })]);
    expect(read(file).frames).toEqual([{ bytes: [...a], length: 42, interface: 'tap7', atNs: SECOND * NS + NS / 4n }]);
  });

  test('if_tsoffset is added', () => {
    const offset = Buffer.from(make.u32(little ? 1000 : 0, little ? 0 : 1000));
    const file = Buffer.concat([
      make.section(),
      make.interface([make.option(14, offset)]),
      make.enhanced({ bytes: a, ticks: 5_000_000n }),
    ]);
    expect(read(file).frames[0]?.atNs).toBe(1005n * NS);
  });

  test('enhanced, simple and obsolete packets; other blocks are stepped over', () => {
    const file = Buffer.concat([
      make.section(),
      make.interface([name('tap7')], 1, 50),
      make.block(5, Buffer.alloc(40)),
      make.enhanced({ bytes: a, ticks: 1n }),
      make.simple({ bytes: c.subarray(0, 50), length: 61, ticks: 0n }),
      make.block(0x0bad, Buffer.alloc(8)),
      make.obsolete({ bytes: b, ticks: 2_000_000n, length: 99 }),
    ]);
    const { frames, problem } = read(file);
    expect(problem).toBeNull();
    expect(frames.map((frame) => [frame.bytes.length, frame.length, frame.atNs])).toEqual([
      [42, 42, 1000n],
      [50, 61, null],
      [43, 99, 2n * NS],
    ]);
  });

  test('sections start over, in either byte order', () => {
    const other = crafter(!little);
    const file = Buffer.concat([
      make.section(),
      make.interface([name('tap7')]),
      make.enhanced({ bytes: a, ticks: 1n }),
      other.section(),
      other.interface([other.option(2, new TextEncoder().encode('tap9'))]),
      other.enhanced({ bytes: b, ticks: 2n }),
    ]);
    expect(read(file).frames.map((frame) => frame.interface)).toEqual(['tap7', 'tap9']);
  });

  test('a block greater than the window is stepped over', () => {
    const great = make.block(0x0bad, Buffer.alloc(2_000_000));
    const file = Buffer.concat([make.section(), make.interface(), great, make.enhanced({ bytes: a, ticks: 1n })]);
    expect(read(file)).toMatchObject({ problem: null, frames: [{ length: 42 }] });
    expect(read(file.subarray(0, 1_000_000))).toMatchObject({
      frames: [],
      problem: expect.stringMatching(/^the file ends \d+ bytes before/),
    });
  });

  test.each([
    [
      'length at both ends',
      corrupt(make.enhanced({ bytes: a, ticks: 1n })),
      /^a block opens with length 76 and closes with \d+$/,
    ],
    ['odd length', make.u32(6, 33, 0, 0), 'a block of 33 bytes: not a multiple of 4 from 12 on'],
    ['great length', make.u32(6, 0x4000_0000, 0, 0), 'a packet block of 1073741824 bytes'],
    ['no magic', make.block(0x0a0d0d0a, Buffer.alloc(16)), 'a section header without byte-order magic'],
  ])('%s: told, not thrown', (_, block, problem) => {
    const good = Buffer.concat([make.section(), make.interface(), make.enhanced({ bytes: a, ticks: 1n })]);
    const result = read(Buffer.concat([good, block]));
    expect(result.frames).toHaveLength(1);
    expect(result.problem).toEqual(typeof problem === 'string' ? problem : expect.stringMatching(problem));
  });
});

describe('packets that cannot be judged are stepped over and counted by interface', () => {
  const make = crafter(true);
  const name = (text: string) => make.option(2, new TextEncoder().encode(text));
  const [a] = bytesOf(60) as [Uint8Array];
  const overlong = make.enhanced({ bytes: a, ticks: 1n });
  overlong.writeUInt32LE(10_000, 20);
  const option = Buffer.concat([Buffer.from([2, 0, 0xff, 0xff])]);
  test.each<[string, Uint8Array[], Record<string, number>]>([
    [
      'raw IP',
      [make.enhanced({ bytes: a, ticks: 1n, interface: 1 })],
      { 'interface tun0: link type 101 (raw IP) is not Ethernet': 1 },
    ],
    [
      'netfilter log, twice',
      [make.enhanced({ bytes: a, ticks: 1n, interface: 2 }), make.obsolete({ bytes: a, ticks: 1n, interface: 2 })],
      { 'interface 2: link type 239 (netfilter log) is not Ethernet': 2 },
    ],
    [
      'an interface that was not declared',
      [make.enhanced({ bytes: a, ticks: 1n, interface: 7 })],
      { 'interface 7, of which the file has said nothing': 1 },
    ],
    ['a frame greater than its block', [overlong], { 'packet blocks that say more bytes than they have': 1 }],
    ['an interface whose option reaches beyond its block', [make.block(1, make.u32(1, 0), option)], {}],
  ])('%s', (_, odd, skipped) => {
    const interfaces = [make.interface([name('tap7')]), make.interface([name('tun0')], 101), make.interface([], 239)];
    const good = make.enhanced({ bytes: a, ticks: 1n });
    const result = read(Buffer.concat([make.section(), ...interfaces, good, ...odd, good]));
    expect(result).toMatchObject({ problem: null, frames: [{ length: 60 }, { length: 60 }] });
    expect(Object.fromEntries(result.skipped)).toEqual(skipped);
  });
});

/** Where each of so many records ends. */
function endsOf(first: number, sizes: readonly number[]): number[] {
  return sizes.map((_, i) => first + sizes.slice(0, i + 1).reduce((a, b) => a + b, 0));
}

function corrupt(block: Buffer): Buffer {
  block[block.length - 1] = 0x77;
  return block;
}

describe('cut anywhere, a file gives its whole frames and one problem', () => {
  const make = crafter(true);
  const frames = bytesOf(42, 60, 43).map((bytes, i) => ({ bytes, ticks: BigInt(i) }));
  const blocks = frames.map((frame) => make.enhanced(frame));
  const head = Buffer.concat([make.section(), make.interface()]);

  test.each([
    ['pcap', Buffer.from(craftPcap({ little: true, nanoseconds: true }, frames)), 24, endsOf(24, [58, 76, 59])],
    [
      'pcapng',
      Buffer.concat([head, ...blocks]),
      head.length,
      endsOf(
        head.length,
        blocks.map((block) => block.length),
      ),
    ],
  ])('%s', (_, file, from, ends) => {
    for (let size = from; size <= file.length; size++) {
      const whole = ends.filter((end) => end <= size).length;
      const { frames: found, problem, end } = read(file.subarray(0, size));
      expect(found, `cut at ${size}`).toHaveLength(whole);
      expect(end).toBe([from, ...ends][whole]);
      expect(problem === null, `cut at ${size}: ${problem}`).toBe(size === end);
      if (problem !== null) expect(problem).toBe(`the file ends inside this record: ${size - end} bytes are left of it`);
    }
  });
});

test('frames that straddle the window come whole', () => {
  const frames = Array.from({ length: 5000 }, (_, i) => ({ bytes: bytesOf(60 + (i % 900))[0]!, ticks: BigInt(i) }));
  const file = craftPcap({ little: true, nanoseconds: true }, frames);
  const small = read(file, 4096);
  expect(small.problem).toBeNull();
  expect(small).toEqual(read(file));
  expect(small.frames.map((frame) => frame.bytes.length)).toEqual(frames.map((frame) => frame.bytes.length));
});
