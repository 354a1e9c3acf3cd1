/** The pcapng writer: what it writes, our reader and tshark read back. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type WrittenFrame, writePcapng } from '../../src/pcap/writer.ts';
import { readCapture, withFile } from './read.ts';

const interfaces = ['tap7', 'tap13', 'vx10'];
const frame: fc.Arbitrary<WrittenFrame> = fc.record({
  interface: fc.nat(2),
  atNs: fc.bigInt(1_600_000_000_000_000_000n, 1_600_100_000_000_000_000n),
  length: fc.nat(9000),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  comment: fc.string({ unit: 'grapheme', maxLength: 60 }),
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), (frames) => {
      const { frames: found, problem } = withFile(writePcapng(interfaces, frames), (path) => readCapture(path));
      expect(problem).toBeNull();
      expect(found).toEqual(
        frames.map((one) => ({
          bytes: [...one.bytes],
          length: one.length,
          interface: interfaces[one.interface],
          atNs: one.atNs,
        })),
      );
    }),
    { numRuns: 50 },
  );
});

const tshark = spawnSync('tshark', ['--version']).status === 0;

test.skipIf(!tshark)('tshark reads interface names, nanoseconds and comments (needs tshark)', () => {
  const arp = Buffer.from('ffffffffffff0200ac111007080600010800060400010200ac111007ac111003000000000000ac111003', 'hex');
  const atNs = 1_700_000_000_123_456_789n;
  const file = writePcapng(
    ['tap7', 'tap13'],
    [{ interface: 1, atNs, length: 42, bytes: arp, comment: 'accept havip-claim: moved to cvm-2' }],
  );
  const fields = ['frame.interface_name', 'frame.time_epoch', 'frame.comment', 'arp.src.proto_ipv4'].flatMap((field) => [
    '-e',
    field,
  ]);
  const run = withFile(file, (path) => spawnSync('tshark', ['-r', path, '-T', 'fields', ...fields], { encoding: 'utf8' }));
  expect(run.status).toBe(0);
  const [name, time, comment, sender] = run.stdout.trimEnd().split('\t');
  expect([name, comment, sender]).toEqual(['tap13', 'accept havip-claim: moved to cvm-2', '172.17.16.3']);
  expect(time).toMatch(/1700000000\.123456789|22:13:20\.123456789/);
});
