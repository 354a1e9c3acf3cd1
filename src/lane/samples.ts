/**
 * Which refused frames are told of: of each port, reason and address one in each second of the frames' own clock, and no more than MOST
 * addresses. So a flood of spoofs of one address does not hide the one of the gateway, and a guest that makes addresses up costs no more
 * than that. Runs in workers, and in replay once more where their claims come together: a range that told of MOST addresses has told of
 * all that are told of behind it, too.
 */
import { VERDICTS } from '../base/verdict.ts';

const REASONS = VERDICTS.length;
const MOST = 8;
const NEVER = -0x8000_0000;

export class Samples {
  readonly #seconds: Int32Array;
  /** How many addresses that second had, and which. */
  readonly #counts: Uint8Array;
  readonly #marks: Int32Array;

  constructor(ports: number) {
    this.#seconds = new Int32Array(ports * REASONS).fill(NEVER);
    this.#counts = new Uint8Array(ports * REASONS);
    this.#marks = new Int32Array(ports * REASONS * MOST);
  }

  /**
   * Whether it is the one.
   * @param mark of what it speaks for, by markOf()
   */
  take(port: number, verdict: number, mark: number, second: number): boolean {
    const slot = port * REASONS + verdict;
    if (this.#seconds[slot] !== second) {
      this.#seconds[slot] = second;
      this.#counts[slot] = 0;
    }
    const count = this.#counts[slot]!;
    const first = slot * MOST;
    for (let i = 0; i < count; i++) if (this.#marks[first + i] === mark) return false;
    if (count === MOST) return false;
    this.#marks[first + count] = mark;
    this.#counts[slot] = count + 1;
    return true;
  }

  /** No more addresses are told of in the second of the last frame of this kind. */
  isFull(port: number, verdict: number): boolean {
    return this.#counts[port * REASONS + verdict] === MOST;
  }

  forget(): void {
    this.#seconds.fill(NEVER);
  }
}

/** ARP, RARP, IPv4 and IPv6, by what is needed of them: up to an ARP's end, IPv4's source, and the target of neighbour discovery. */
const ARP_BYTES = 42;
const IPV4_BYTES = 30;
const IPV6_BYTES = 54;
const TARGET_AT = 62;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;

/**
 * Where the address stands that a frame speaks for: ARP's sender, or what a probe asks for; IPv4's source; the target of neighbour
 * discovery, or IPv6's source. 0: it says none.
 */
export function spokenAt(view: DataView, at: number, captured: number): number {
  if (captured < IPV4_BYTES) return 0;
  const type = view.getUint16(at + 12);
  if (type === 0x0806 || type === 0x8035) return captured < ARP_BYTES ? 0 : view.getInt32(at + 28) === 0 ? 38 : 28;
  if (type === 0x0800) return 26;
  if (type !== 0x86dd || captured < IPV6_BYTES) return 0;
  if (captured < TARGET_AT + 16 || view.getUint8(at + 20) !== ICMPV6) return 22;
  const message = view.getUint8(at + 54);
  return message === SOLICITATION || message === ADVERTISEMENT ? TARGET_AT : 22;
}

/**
 * Tells what a frame speaks for from what others do; two that differ have the same mark once in 2^32.
 * @param havip that it names, as the judge says; -1: none
 */
export function markOf(view: DataView, at: number, captured: number, havip: number): number {
  const named = Math.imul(havip + 1, 0x9e37_79b1);
  const spoken = spokenAt(view, at, captured);
  if (spoken === 0) return named;
  const first = view.getInt32(at + spoken);
  if (view.getUint16(at + 12) !== 0x86dd) return first ^ named;
  const low = Math.imul(view.getInt32(at + spoken + 8), 0xc2b2_ae35) ^ Math.imul(view.getInt32(at + spoken + 12), 0x27d4_eb2f);
  return Math.imul(first ^ Math.imul(view.getInt32(at + spoken + 4), 0x85eb_ca6b), 0x1656_67b1) ^ low ^ named;
}
