/** Whose HAVIP a refused frame that names none was aimed at. Main thread; asked for refusals alone. */
import { vridOf } from '../base/mac.ts';
import type { Port } from '../base/network.ts';
import { V } from '../base/verdict.ts';
import type { Claim } from '../lane/claim.ts';
import type { Book } from './book.ts';
import type { HavipRecord } from './record.ts';

/** Of a foreign advert: those of whose cluster the VRID is, or that are held where it was sent. */
export function victimsOf(book: Book, { verdict, vrrp }: Claim, { vpc }: Port): number[] {
  if (verdict !== V['foreign-vrrp'] || vrrp === null) return [];
  const { evidence, network } = book;
  const speakers = evidence.group(vpc, vrrp)?.speakers ?? [];
  const havips = new Set<number>();
  for (const speaker of speakers) for (const havip of speaker.havips) havips.add(havip);
  if (havips.size > 0) return [...havips];
  const at = network.ports.find((port) => port?.vpc === vpc && port.addresses.includes(vrrp.destination));
  return at ? book.heldBy(at.index).map(({ havip }) => havip.index) : [];
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
