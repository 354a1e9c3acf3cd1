/**
 * Reads and writes of the catalogue in etcd: a list at one revision, and a transaction on condition that what was read still stands. Each is asked
 * of the members in turn, until one answers; a write whose answer is lost is not repeated, since it may have been done.
 */
import type { RawItem } from '../keys.ts';
import { Connection, StoreError, type Access } from './connection.ts';
import { rawOf } from './follower.ts';
import { listAll } from './listing.ts';
import { isAt, put } from './transaction.ts';
import { TXN } from './wire.ts';

export interface Write {
  /** Keys, and the revision each must be at; 0: it does not exist. */
  readonly compare: readonly (readonly [key: string, revision: number])[];
  readonly put: readonly (readonly [key: string, text: string])[];
  readonly delete: readonly string[];
}

/** What a store did not do, or may have done. */
export class WriterError extends Error {
  override name = 'WriterError';
  /**
   * `refused`: these credentials may not. `full`: no room, and nothing was written. `away`: nobody answers, and nothing was written. `unknown`: it may
   * have been written.
   */
  readonly kind: 'refused' | 'full' | 'away' | 'unknown';
  constructor(kind: WriterError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const DEADLINE_MS = 2000;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

export class EtcdWriter {
  readonly #endpoints: readonly string[];
  readonly #access: Access;
  #connection: Connection | null = null;
  #tries = 0;

  constructor(endpoints: readonly string[], access: Access) {
    this.#endpoints = endpoints;
    this.#access = access;
  }

  /** Throws WriterError. */
  list(prefixes: readonly string[]): Promise<RawItem[]> {
    return this.#ask(async (connection) => {
      const { lists } = await listAll(connection, prefixes);
      return lists.flat().map(rawOf);
    }, true);
  }

  /** false: somebody was first. Throws WriterError. */
  write({ compare, put: puts, delete: deletes }: Write): Promise<boolean> {
    const request = {
      compare: compare.map(([key, revision]) => isAt(key, revision)),
      success: [
        ...puts.map(([key, text]) => put(key, text, 0)),
        ...deletes.map((key) => ({ request_delete_range: { key: Buffer.from(key) } })),
      ],
    };
    return this.#ask(async (connection) => (await connection.call(TXN, request, DEADLINE_MS)).succeeded, false);
  }

  close(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  async #ask<T>(act: (connection: Connection) => Promise<T>, repeatable: boolean): Promise<T> {
    for (let tries = 1; ; tries++) {
      const endpoint = this.#endpoints[this.#tries % this.#endpoints.length] ?? '';
      this.#connection ??= new Connection(endpoint, this.#access);
      try {
        return await act(this.#connection);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (error.code === RESOURCE_EXHAUSTED) throw new WriterError('full', error.message);
        if (error.isRefusal || error.isStaleToken) throw new WriterError('refused', error.message);
        this.close();
        this.#tries++;
        // Without a connection nothing was sent.
        const isUnsent = error.code === UNAVAILABLE && /No connection established|ECONNREFUSED|connect/i.test(error.message);
        if (!repeatable && !isUnsent) throw new WriterError('unknown', error.message);
        if (tries >= this.#endpoints.length + 1) throw new WriterError('away', error.message);
      }
    }
  }
}
