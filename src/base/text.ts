/** Text into bytes on the way from a claim to the switch. */

/**
 * Writes text as UTF-8; returns the bytes it took. Names and comments are ASCII nearly always: Buffer.write() leaves JavaScript for each
 * of the ten texts of a transaction, and a CPU that slept pays for the way there and back.
 */
export function writeText(bytes: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return bytes.write(text, at);
    bytes[at + i] = code;
  }
  return text.length;
}
