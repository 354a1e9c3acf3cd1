/** Whose HAVIP a refused frame that names none was aimed at. Main thread; asked for refusals alone. */
import { vridOf } from '../base/mac.ts';
import type { Port } from '../base/network.ts';
import { V, VERDICTS } from '../base/verdict.ts';
import type { Claim } from '../lane/claim.ts';
import type { Book } from './book.ts';
import { noteRefusal } from './findings.ts';
import { advertSource } from './intake.ts';
import type { HavipRecord } from './record.ts';

/** By verdict. */
const REFUSAL_NOTES = VERDICTS.map(({ name }) => `refused: ${name}`);

/** Of a foreign advert: those of whose cluster the VRID is, or that are held where it was sent. */
function victimsOf(book: Book, { verdict, vrrp }: Claim, { vpc }: Port): number[] {
  if (verdict !== V['foreign-vrrp'] || vrrp === null) return [];
  const { evidence, network } = book;
  const speakers = evidence.group(vpc, vrrp)?.speakers ?? [];
  const havips = new Set<number>();
  for (const speaker of speakers) for (const havip of speaker.havips) havips.add(havip);
  if (havips.size > 0) return [...havips];
  const at = network.ports.find((port) => port?.vpc === vpc && port.addresses.includes(vrrp.destination));
  return at ? book.heldBy(at.index).map(({ havip }) => havip.index) : [];
}

/** A refused claim, of each HAVIP that it names, whose address it spoke from, or that it was aimed at. */
export function noteRefused(
  book: Book,
  claim: Claim,
  port: Port,
  wallMs: number,
  recordOf: (havip: number) => HavipRecord | null,
): void {
  const source = claim.verdict === V['vrrp-source'] ? advertSource(claim) : null;
  const sender = source === null ? -1 : book.havipAt(port.vpc, source);
  const named = sender < 0 ? claim.havip : sender;
  for (const havip of named < 0 ? victimsOf(book, claim, port) : [named]) {
    const record = recordOf(havip);
    if (record === null) continue;
    noteRefusal(record, port, claim.verdict, sender >= 0, claim.capturedNs);
    book.recorder.routine(record.havip.index, claim, wallMs, REFUSAL_NOTES[claim.verdict] ?? '');
  }
}

/** A HAVIP of the VPC that is held under the virtual MAC of this VRID, or -1. */
export function heldUnder(records: readonly (HavipRecord | null)[], vpc: number, vrid: number): number {
  if (vrid === 0) return -1;
  const held = records.find(
    (record) =>
      record?.havip.vpc === vpc && record.holder !== null && record.binding !== null && vridOf(record.binding.mac) === vrid,
  );
  return held?.havip.index ?? -1;
}
