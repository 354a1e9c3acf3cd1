/**
 * MAC addresses as numbers: 48 bits in a double, big-endian, so 02:00:ac:11:10:07 is 0x0200ac111007.
 * Hot code splits them into a high half of 16 bits and a low half of 32 bits, both small integers to V8.
 */
export type Mac = number;

const PATTERN = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** null when the text is not six colon-separated octets. */
export function parseMac(text: string): Mac | null {
  return PATTERN.test(text) ? Number.parseInt(text.replaceAll(':', ''), 16) : null;
}

export function formatMac(mac: Mac): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?=.)/g, '$&:');
}

/** Upper 16 bits. */
export function macHigh(mac: Mac): number {
  return Math.floor(mac / 0x1_0000_0000);
}

/** Lower 32 bits as a signed integer, the form that hot code compares. */
export function macLow(mac: Mac): number {
  return mac | 0;
}

export function joinMac(high: number, low: number): Mac {
  return (high & 0xffff) * 0x1_0000_0000 + (low >>> 0);
}

/** Neither the zero address nor broadcast or multicast (bit 0 of the first octet). */
export function isUnicastMac(mac: Mac): boolean {
  return mac !== 0 && (macHigh(mac) & 0x0100) === 0;
}

/** Reads six bytes in network order. */
export function readMac(bytes: Uint8Array, offset: number): Mac {
  let mac = 0;
  for (let i = 0; i < 6; i++) mac = mac * 256 + (bytes[offset + i] ?? 0);
  return mac;
}

/** Writes six bytes in network order. */
export function writeMac(bytes: Uint8Array, offset: number, mac: Mac): void {
  for (let i = 5, rest = mac; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[offset + i] = rest % 256;
}
