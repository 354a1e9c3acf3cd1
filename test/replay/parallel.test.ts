/** However a file is cut for the workers, the answer is that of reading it from end to end. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_PATHS, makeMix, type Mix, mixNetwork, type Weights } from '../../bench/mix.ts';
import { writeMixFile } from '../../bench/mix-file.ts';
import { Replayer, type ReplayReport } from '../../src/replay/replay.ts';
import { craftPcap, crafter } from '../pcap/craft.ts';

const network = mixNetwork();
const mix = makeMix(network, ALL_PATHS, 3000, 7);
const folder = mkdtempSync(join(tmpdir(), 'havip-replay-'));
afterAll(() => rmSync(folder, { recursive: true }));

const frameOf = ({ bytes, offsets, lengths }: Mix, i: number) => bytes.subarray(offsets[i], offsets[i]! + lengths[i]!);
const frames = Array.from({ length: 3000 }, (_, i) => ({
  bytes: frameOf(mix, i),
  ticks: 1_700_000_000_000_000n + BigInt(i) * 500n,
}));

function store(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Interfaces and sections appear in the middle: a worker that assumed the head's must be corrected. */
function pcapngWithSections(): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let part = 0; part < 3; part++) {
    const make = crafter(part !== 1);
    const name = (text: string) => make.option(2, new TextEncoder().encode(text));
    parts.push(make.section(), make.interface([name(`tap${part}`)]));
    for (const [i, frame] of frames.slice(part * 1000, part * 1000 + 1000).entries()) {
      if (i === 500) parts.push(make.interface([name('tap9')]));
      parts.push(make.enhanced({ ...frame, interface: i > 500 ? i % 2 : 0 }));
    }
  }
  return Buffer.concat(parts);
}

/** Frames that carry a capture file: whoever starts in the middle of one finds records that are none. */
function pcapOfPcaps(): Uint8Array {
  const inner = craftPcap({ little: true, nanoseconds: false }, frames.slice(0, 200)).subarray(24);
  const outer = Array.from({ length: 30 }, (_, i) => ({ bytes: inner, ticks: 1_700_000_000_000_000n + BigInt(i) }));
  return craftPcap({ little: true, nanoseconds: false }, outer);
}

const CLAIMS: Weights = {
  own: 0,
  ip: 0,
  claim: 40,
  spoof: 20,
  foreignSubnet: 0,
  probe: 0,
  rarp: 10,
  vrrp2: 20,
  vrrp3: 10,
  malformed: 0,
  tagged: 0,
};

/** A few claims many times over, within seconds and out of order: far more than their budgets let through. */
function floodOutOfOrder(): Uint8Array {
  const claims = makeMix(network, CLAIMS, 100, 3);
  const flood = Array.from({ length: 6000 }, (_, i) => ({
    bytes: frameOf(claims, (i * 7) % 100),
    ticks: 1_700_000_000_000_000n + BigInt(i) * 700n + BigInt((i * 7919) % 400_000),
  }));
  return craftPcap({ little: true, nanoseconds: false }, flood);
}

async function run(path: string, rangeBytes: number, workers = 0): Promise<ReplayReport> {
  const replayer = new Replayer({ network, host: 'host-a', workers, rangeBytes });
  try {
    return await replayer.replay(path);
  } finally {
    await replayer.close();
  }
}

describe.each([
  ['pcap', () => craftPcap({ little: true, nanoseconds: false }, frames)],
  [
    'pcap, big-endian',
    () =>
      craftPcap(
        { little: false, nanoseconds: true },
        frames.map((one) => ({ ...one, ticks: one.ticks * 1000n })),
      ),
  ],
  ['pcapng with sections', pcapngWithSections],
  ['pcap of pcaps', pcapOfPcaps],
  ['flood out of order', floodOutOfOrder],
  ['cut short', () => craftPcap({ little: true, nanoseconds: false }, frames).subarray(0, 150_001)],
])('%s', (name, craft) => {
  let path: string;
  let whole: ReplayReport;
  beforeAll(async () => {
    path = store(name.replaceAll(/\W/g, '-'), craft());
    whole = await run(path, Number.MAX_SAFE_INTEGER);
  });

  test('verdicts add up to the frames', () => {
    expect(whole.frames).toBeGreaterThan(0);
    expect(Object.values(whole.verdicts).reduce((a, b) => a + b, 0)).toBe(whole.frames);
    expect(whole.problem === null).toBe(name !== 'cut short');
  });

  test('repetitions are absorbed, in a flood', () => {
    expect(whole.claims.absorbed > 100).toBe(name === 'flood out of order');
  });

  test('in ranges of any size, the same report', async () => {
    const sizes = fc.oneof(fc.integer({ min: 40, max: 2000 }), fc.integer({ min: 2000, max: 200_000 }));
    await fc.assert(
      fc.asyncProperty(sizes, async (rangeBytes) => {
        expect(await run(path, rangeBytes)).toEqual(whole);
      }),
      { numRuns: 12 },
    );
  });

  test('by two worker threads, the same report', async () => {
    expect(await run(path, 20_000, 2)).toEqual(whole);
  });
});

test('a generated file of several ranges: every frame is judged once', async () => {
  const path = join(folder, 'mix.pcap');
  writeMixFile(path, mix, 20_000);
  const report = await run(path, 1 << 18, 2);
  expect([report.frames, report.problem]).toEqual([20_000, null]);
});

test('--port makes every frame that port’s, or one on its way to it', async () => {
  const path = store('port', craftPcap({ little: true, nanoseconds: false }, frames.slice(0, 500)));
  const replayer = new Replayer({ network, host: 'host-a', workers: 0, port: 3 });
  const { verdicts } = await replayer.replay(path);
  expect(verdicts['unknown-port']).toBeUndefined();
  expect(verdicts['towards-guest']).toBeGreaterThan(100);
  const bySource = await run(path, 1 << 20);
  expect(bySource.verdicts['own-address']).toBeGreaterThan(verdicts['own-address'] ?? 0);
});
