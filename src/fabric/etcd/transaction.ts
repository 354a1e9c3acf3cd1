/** What is written, as etcd's transactions: all of it or nothing, on condition that each key is at the revision that was ruled by. */
import type { Proposal } from '../fabric.ts';
import { keyText } from '../keys.ts';
import type { Publication } from '../publisher.ts';
import type { TxnRequest } from './wire.ts';

/** @param ports of the claimants, not written yet */
export function transactionOf(prefix: string, batch: readonly Proposal[], ports: readonly Publication[]): TxnRequest {
  return {
    compare: batch.flatMap(({ vpc, havip, based, ruledBy }) => [
      isAt(keyText(prefix, { kind: 'binding', vpc, id: havip }), based),
      ...(ruledBy === 0 ? [] : [isAt(keyText(prefix, { kind: 'havip', vpc, id: havip }), ruledBy)]),
    ]),
    success: [
      ...batch.map(({ vpc, havip, binding }) =>
        put(keyText(prefix, { kind: 'binding', vpc, id: havip }), JSON.stringify(binding), 0),
      ),
      ...ports.map(({ key, text }) => put(key, text ?? '', 0)),
    ],
  };
}

/** Unconditional: nobody else writes these keys. */
export function publicationOf({ key, text, leased }: Publication, lease: number): TxnRequest {
  const write = text === null ? { request_delete_range: { key: Buffer.from(key) } } : put(key, text, leased ? lease : 0);
  return { compare: [], success: [write] };
}

export function isAt(key: string, revision: number): TxnRequest['compare'][number] {
  return { result: 0, target: 2, key: Buffer.from(key), mod_revision: revision };
}

export function put(key: string, text: string, lease: number): { request_put: { key: Buffer; value: Buffer; lease: number } } {
  return { request_put: { key: Buffer.from(key), value: Buffer.from(text), lease } };
}
