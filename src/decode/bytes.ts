/** Integers out of bytes, inlined by V8 into the decoders. The caller has checked the length. */

/** Two bytes in network order. */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Four bytes in network order, as a signed 32-bit integer. */
export function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
