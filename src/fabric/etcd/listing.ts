/** All there is under some prefixes, page by page, at one revision. */
import { StoreError, type Connection } from './connection.ts';
import { prefixEnd, RANGE, type KeyValue } from './wire.ts';

export const DEADLINE_MS = 1000;
const PAGE = 1000;
const OUT_OF_RANGE = 11;
const LISTS_MOST = 5;

export interface Listing {
  /** One for each prefix. */
  readonly lists: KeyValue[][];
  readonly revision: number;
}

/** Throws StoreError. */
export async function listAll(connection: Connection, prefixes: readonly string[]): Promise<Listing> {
  for (let tries = 1; ; tries++) {
    try {
      return await listOnce(connection, prefixes);
    } catch (error) {
      // Compacted between two pages.
      if (!(error instanceof StoreError) || error.code !== OUT_OF_RANGE || tries === LISTS_MOST) throw error;
    }
  }
}

async function listOnce(connection: Connection, prefixes: readonly string[]): Promise<Listing> {
  const lists: KeyValue[][] = [];
  let revision = 0;
  for (const prefix of prefixes) {
    const found: KeyValue[] = [];
    let from = Buffer.from(prefix);
    for (let more = true; more;) {
      const request = { key: from, range_end: prefixEnd(prefix), limit: PAGE, revision };
      const page = await connection.call(RANGE, request, 5 * DEADLINE_MS);
      if (revision === 0) revision = Number(page.header.revision);
      found.push(...page.kvs);
      const last = page.kvs.at(-1);
      more = page.more && last !== undefined;
      if (last !== undefined) from = Buffer.concat([last.key, Buffer.from([0])]);
    }
    lists.push(found);
  }
  return { lists, revision };
}

export function within(prefix: string): { key: Buffer; range_end: Buffer } {
  return { key: Buffer.from(prefix), range_end: prefixEnd(prefix) };
}
