/**
 * A pcapng interface description block:
 *
 *      8 link type (16 bits)  10 reserved  12 snap length  16 options: code (16), length (16), value padded to 4
 */
import type { CapturedInterface } from './section.ts';

export const IF_NAME = 2;
export const IF_TSRESOL = 9;
const IF_TSOFFSET = 14;

/** What the block at `at` declares. */
export function readInterface(view: DataView, at: number, size: number, littleEndian: boolean): CapturedInterface {
  let name = '';
  let ticksPerSecond = 1_000_000n;
  let offsetSeconds = 0n;
  const end = at + size - 4;
  for (let option = at + 16; option + 4 <= end;) {
    const code = view.getUint16(option, littleEndian);
    const length = view.getUint16(option + 2, littleEndian);
    const value = option + 4;
    if (code === 0) break;
    // The block itself is whole: what it said before that is still good.
    if (value + length > end) break;
    if (code === IF_NAME) name = readText(view, value, length);
    if (code === IF_TSRESOL && length >= 1) ticksPerSecond = readResolution(view.getUint8(value));
    if (code === IF_TSOFFSET && length === 8) offsetSeconds = view.getBigInt64(value, littleEndian);
    option = value + ((length + 3) & ~3);
  }
  const linkType = view.getUint16(at + 8, littleEndian);
  return { name, linkType, snapLength: view.getUint32(at + 12, littleEndian), ticksPerSecond, offsetSeconds };
}

/** The high bit chooses between powers of 2 and of 10. */
function readResolution(resolution: number): bigint {
  return (resolution & 0x80) === 0 ? 10n ** BigInt(resolution) : 2n ** BigInt(resolution & 0x7f);
}

function readText(view: DataView, at: number, length: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, length)).replace(/\0+$/, '');
}
