/**
 * MAC addresses as numbers: 48 bits in a double, big-endian, so 02:00:ac:11:10:07 is 0x0200ac111007.
 * Hot code splits them into a high half of 16 bits and a low half of 32 bits, both small integers to V8.
 */
export type Mac = number;

const COLON = 58;
/** `00` to `ff`: no pattern and no radix conversion on the way from a claim to the switch. */
const OCTETS = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

/** null when the text is not six colon-separated octets. */
export function parseMac(text: string): Mac | null {
  if (text.length !== 17) return null;
  let mac = 0;
  for (let at = 0; at < 17; at += 3) {
    const high = digit(text.charCodeAt(at));
    const low = digit(text.charCodeAt(at + 1));
    if (high < 0 || low < 0 || (at < 15 && text.charCodeAt(at + 2) !== COLON)) return null;
    mac = mac * 256 + high * 16 + low;
  }
  return mac;
}

/** Value of a hexadecimal digit in either case, or -1. */
function digit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

export function formatMac(mac: Mac): string {
  const high = macHigh(mac);
  const low = macLow(mac);
  const left = `${OCTETS[high >>> 8]}:${OCTETS[high & 255]}:${OCTETS[low >>> 24]}`;
  return `${left}:${OCTETS[(low >>> 16) & 255]}:${OCTETS[(low >>> 8) & 255]}:${OCTETS[low & 255]}`;
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

/** The VRID in VRRP's virtual MAC for IPv4, 00:00:5e:00:01:VRID (RFC 9568, 7.3); 0: it is another MAC. */
export function vridOf(mac: Mac): number {
  return mac >= 0x5e_00_01_00 && mac <= 0x5e_00_01_ff ? mac & 0xff : 0;
}

/** The same question of a MAC in two halves, without an answer which. Hot. */
export function isVirtualMac(high: number, low: number): boolean {
  return high === 0 && low >>> 8 === 0x5e00_01 && (low & 0xff) !== 0;
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
