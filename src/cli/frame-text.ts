/**
 * A frame as people paste it: hex digits in any company (spaces, colons, dashes, `0x`, `\\x`), or the lines of `tcpdump -xx`, `-XX` and
 * `hexdump -C`, whose offsets and characters are not the frame's. Or an ARP announcement by what it says.
 */
import { parseIpv4 } from '../base/address.ts';
import { type Mac, parseMac, writeMac } from '../base/mac.ts';
import { CommandError } from './command.ts';

/** No guest sends more in one frame; the decoders need 192 bytes at most. */
const FRAME_MAX_BYTES = 65_535;
/** `0x0010:  ac11 1007 ...  characters` */
const TCPDUMP = /^\s*0x([0-9a-f]{4,}):\s+((?:[0-9a-f]{2,4} ?)+)/i;
/** `00000010  ac 11 10 07 08 06 00 01  08 00 ...  |characters|` */
const HEXDUMP = /^([0-9a-f]{8}) {2}([0-9a-f ]+)/i;
const LINE_DIGITS = 32;

export function parseFrame(text: string): Uint8Array {
  const digits = dumped(text) ?? text.replaceAll(/\\x|0x/gi, '').replaceAll(/[\s:,.-]/g, '');
  const whole = digits !== '' && digits.length % 2 === 0 && /^[0-9a-f]*$/i.test(digits);
  if (!whole || digits.length / 2 > FRAME_MAX_BYTES)
    throw new CommandError('wrong-use', '--frame must be the bytes of one Ethernet frame, two hexadecimal digits each');
  return Buffer.from(digits, 'hex');
}

/** null: these are no lines of a dump. Its offsets count up from 0; a line without one, tcpdump's head, is no part of it. */
function dumped(text: string): string | null {
  let digits = '';
  for (const line of text.split('\n')) {
    const [, offset, bytes = ''] = TCPDUMP.exec(line) ?? HEXDUMP.exec(line) ?? [];
    if (offset === undefined || Number.parseInt(offset, 16) * 2 !== digits.length) continue;
    digits += bytes.replaceAll(' ', '').slice(0, LINE_DIGITS);
  }
  return digits === '' ? null : digits;
}

/**
 * The gratuitous request (RFC 5227, 3) that says so.
 * @param text `SENDER` or `SENDER,MAC`
 * @param own the port's MAC; null where there is no such port
 */
export function announcement(text: string, own: Mac | null): Uint8Array {
  const [sender = '', said] = text.split(',').map((part) => part.trim());
  const address = parseIpv4(sender);
  const mac = said === undefined ? own : parseMac(said);
  if (address === null)
    throw new CommandError('wrong-use', `--arp must be an IPv4 address, with a MAC behind a comma or without, not "${text}"`);
  if (mac === null)
    throw new CommandError(
      'wrong-use',
      said === undefined ? '--arp needs a MAC: the port is not configured' : `--arp: "${said}" is not a MAC address`,
    );
  const frame = Buffer.alloc(42);
  frame.fill(0xff, 0, 6);
  writeMac(frame, 6, mac);
  frame.set([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1], 12);
  writeMac(frame, 22, mac);
  frame.writeUInt32BE(address, 28);
  frame.writeUInt32BE(address, 38);
  return frame;
}
