/** What somebody wants allocated, read from JSON or from the command line, and turned into what is written. Pure. */
import { createHash, randomBytes } from 'node:crypto';
import { parseIpv4 } from '../base/address.ts';
import { type AssistOn, ASSIST_ON } from '../base/network.ts';
import { explainIssue } from '../config/issues.ts';
import { type Wish, WISH } from '../config/shape.ts';
import { CatalogueError } from './refusal.ts';
import type { Request } from './rules.ts';

/** Throws a CatalogueError with the first thing that is wrong. */
export function readWish(value: unknown): Wish {
  const read = WISH.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new CatalogueError('malformed', issue === undefined ? 'it is no allocation' : explainIssue(issue, value));
}

/** Its own, or one that is made; of a key always the same one, so that a wish that was followed is found again. */
export function idOf({ id }: Wish, key: string | null): string {
  if (id !== undefined) return id;
  const hex = key === null ? randomBytes(5).toString('hex') : createHash('sha256').update(key).digest('hex').slice(0, 10);
  return `havip-${hex}`;
}

export function requestOf(id: string, { subnet, address, members, vrid }: Wish): Request {
  return {
    id,
    subnet,
    address: address === undefined ? null : parseIpv4(address),
    members: members ?? null,
    vrid: vrid ?? null,
  };
}

/** What of it is the HAVIP's, for the file or the store; without what was not said. */
export function partsOf({ subnet, members, fence, vrid, assist, verify, probe }: Wish): Omit<Wish, 'vpc' | 'id' | 'address'> {
  return { subnet, members, fence, vrid, assist, verify, probe };
}

/** A wish with the same key: is it the same wish? What was not said may have become anything. */
export function isSame(wish: Wish, was: Readonly<Record<string, unknown>>, vpc: string): boolean {
  if (wish.vpc !== undefined && wish.vpc !== vpc) return false;
  return Object.entries(wish).every(([name, value]) => {
    if (name === 'vpc' || name === 'id' || value === undefined) return true;
    return JSON.stringify(was[name]) === JSON.stringify(value);
  });
}

/** As the store has it. */
export function assistOf({ assist }: Wish): { on: AssistOn[]; hasten: boolean } | null {
  if (assist === undefined) return null;
  if (typeof assist === 'object') return { on: ASSIST_ON.filter((one) => assist.on.includes(one)), hasten: true };
  return { on: ['link-down'], hasten: assist === 'resign' };
}
