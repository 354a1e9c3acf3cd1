/** Crafts capture files byte by byte, independently of the code under test: both byte orders, every timestamp resolution. */
export interface CraftedFrame {
  readonly bytes: Uint8Array;
  readonly length?: number;
  /** Ticks since 1970 in the file's resolution. */
  readonly ticks: bigint;
  readonly interface?: number;
  /** epb_flags. */
  readonly flags?: number;
}

export interface PcapShape {
  readonly little: boolean;
  readonly nanoseconds: boolean;
  readonly linkType?: number;
}

export function craftPcap(shape: PcapShape, frames: readonly CraftedFrame[]): Uint8Array {
  const perSecond = shape.nanoseconds ? 1_000_000_000n : 1_000_000n;
  const u32 = words(shape.little);
  const head = u32(
    shape.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4,
    shape.little ? 0x0004_0002 : 0x0002_0004,
    0,
    0,
    262_144,
    shape.linkType ?? 1,
  );
  const records = frames.map((frame) =>
    Buffer.concat([
      u32(
        Number(frame.ticks / perSecond),
        Number(frame.ticks % perSecond),
        frame.bytes.length,
        frame.length ?? frame.bytes.length,
      ),
      frame.bytes,
    ]),
  );
  return Buffer.concat([head, ...records]);
}

export type Crafter = ReturnType<typeof crafter>;

/** Blocks of pcapng in one byte order. */
export function crafter(little: boolean) {
  const u32 = words(little);
  const u16 = (...values: number[]) => {
    const bytes = new Uint8Array(values.length * 2);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of values.entries()) view.setUint16(i * 2, value, little);
    return bytes;
  };
  const option = (code: number, value: Uint8Array) => Buffer.concat([u16(code, value.length), pad(value)]);
  const block = (type: number, ...parts: Uint8Array[]) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([u32(type, body.length + 12), body, u32(body.length + 12)]);
  };
  const stamp = (ticks: bigint) => u32(Number(ticks >> 32n), Number(ticks & 0xffff_ffffn));
  return {
    u32,
    block,
    option,
    section: () => block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1, 0), u32(0xffff_ffff, 0xffff_ffff)),
    interface: (options: Uint8Array[] = [], linkType = 1, snapLength = 0) =>
      block(1, u16(linkType, 0), u32(snapLength), ...options, ...(options.length > 0 ? [u32(0)] : [])),
    enhanced: (frame: CraftedFrame) => {
      const length = frame.length ?? frame.bytes.length;
      const options = frame.flags === undefined ? [] : [option(2, u32(frame.flags)), u32(0)];
      return block(
        6,
        u32(frame.interface ?? 0),
        stamp(frame.ticks),
        u32(frame.bytes.length, length),
        pad(frame.bytes),
        ...options,
      );
    },
    obsolete: (frame: CraftedFrame) => {
      const length = frame.length ?? frame.bytes.length;
      return block(2, u16(frame.interface ?? 0, 0), stamp(frame.ticks), u32(frame.bytes.length, length), pad(frame.bytes));
    },
    simple: (frame: CraftedFrame) => block(3, u32(frame.length ?? frame.bytes.length), pad(frame.bytes)),
  };
}

function pad(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

function words(little: boolean): (...values: number[]) => Uint8Array {
  return (...values) => {
    const bytes = new Uint8Array(values.length * 4);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of values.entries()) view.setUint32(i * 4, value, little);
    return bytes;
  };
}
