/**
 * What is spoken of etcd's API version 3: messages by field number and type, and methods by path. The numbers are the protocol; what this
 * product does not use is left out, and a receiver skips fields that it does not know. As a value and not as a .proto file, so that it goes
 * where the compiler puts it.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

type Field = readonly [number: number, type: string, rule?: 'repeated'];

const message = (fields: Readonly<Record<string, Field>>, oneof: readonly string[] = []) => ({
  fields: Object.fromEntries(
    Object.entries(fields).map(([name, [id, type, rule]]) => [name, { id, type, ...(rule !== undefined && { rule }) }]),
  ),
  ...(oneof.length > 0 && { oneofs: { is: { oneof: [...oneof] } } }),
});

const MESSAGES = {
  Header: message({ cluster_id: [1, 'uint64'], member_id: [2, 'uint64'], revision: [3, 'int64'] }),
  KeyValue: message({
    key: [1, 'bytes'],
    mod_revision: [3, 'int64'],
    version: [4, 'int64'],
    value: [5, 'bytes'],
    lease: [6, 'int64'],
  }),
  /** type 1: deleted. */
  Event: message({ type: [1, 'int32'], kv: [2, 'KeyValue'] }),

  RangeRequest: message({
    key: [1, 'bytes'],
    range_end: [2, 'bytes'],
    limit: [3, 'int64'],
    revision: [4, 'int64'],
    count_only: [9, 'bool'],
  }),
  RangeResponse: message({ header: [1, 'Header'], kvs: [2, 'KeyValue', 'repeated'], more: [3, 'bool'], count: [4, 'int64'] }),
  PutRequest: message({ key: [1, 'bytes'], value: [2, 'bytes'], lease: [3, 'int64'] }),
  PutResponse: message({ header: [1, 'Header'] }),
  DeleteRangeRequest: message({ key: [1, 'bytes'], range_end: [2, 'bytes'] }),
  DeleteRangeResponse: message({ header: [1, 'Header'], deleted: [2, 'int64'] }),
  /** target 2: the revision of the key's last change; it is 0 of a key that does not exist. result 0: equal. */
  Compare: message({ result: [1, 'int32'], target: [2, 'int32'], key: [3, 'bytes'], mod_revision: [6, 'int64'] }, [
    'mod_revision',
  ]),
  RequestOp: message({ request_put: [2, 'PutRequest'], request_delete_range: [3, 'DeleteRangeRequest'] }, [
    'request_put',
    'request_delete_range',
  ]),
  TxnRequest: message({ compare: [1, 'Compare', 'repeated'], success: [2, 'RequestOp', 'repeated'] }),
  TxnResponse: message({ header: [1, 'Header'], succeeded: [2, 'bool'] }),

  WatchCreateRequest: message({
    key: [1, 'bytes'],
    range_end: [2, 'bytes'],
    start_revision: [3, 'int64'],
    watch_id: [7, 'int64'],
    fragment: [8, 'bool'],
  }),
  WatchCancelRequest: message({ watch_id: [1, 'int64'] }),
  WatchRequest: message({ create_request: [1, 'WatchCreateRequest'], cancel_request: [2, 'WatchCancelRequest'] }, [
    'create_request',
    'cancel_request',
  ]),
  WatchResponse: message({
    header: [1, 'Header'],
    watch_id: [2, 'int64'],
    created: [3, 'bool'],
    canceled: [4, 'bool'],
    compact_revision: [5, 'int64'],
    cancel_reason: [6, 'string'],
    fragment: [7, 'bool'],
    events: [11, 'Event', 'repeated'],
  }),

  LeaseGrantRequest: message({ TTL: [1, 'int64'], ID: [2, 'int64'] }),
  LeaseGrantResponse: message({ header: [1, 'Header'], ID: [2, 'int64'], TTL: [3, 'int64'], error: [4, 'string'] }),
  LeaseKeepAliveRequest: message({ ID: [1, 'int64'] }),
  LeaseKeepAliveResponse: message({ header: [1, 'Header'], ID: [2, 'int64'], TTL: [3, 'int64'] }),
  StatusRequest: message({}),
  StatusResponse: message({ header: [1, 'Header'], version: [2, 'string'], dbSize: [3, 'int64'] }),
  AuthenticateRequest: message({ name: [1, 'string'], password: [2, 'string'] }),
  AuthenticateResponse: message({ header: [1, 'Header'], token: [2, 'string'] }),
};

const unary = (name: string) => ({ comment: '', requestType: `${name}Request`, responseType: `${name}Response` });
const duplex = (name: string) => ({ ...unary(name), requestStream: true, responseStream: true });

const SERVICES = {
  KV: { methods: { Range: unary('Range'), Put: unary('Put'), DeleteRange: unary('DeleteRange'), Txn: unary('Txn') } },
  Watch: { methods: { Watch: duplex('Watch') } },
  Lease: { methods: { LeaseGrant: unary('LeaseGrant'), LeaseKeepAlive: duplex('LeaseKeepAlive') } },
  Maintenance: { methods: { Status: unary('Status') } },
  Auth: { methods: { Authenticate: unary('Authenticate') } },
};

/** longs: exact below 2^53, which revisions stay below for longer than anybody runs; ids that may not are compared as text. */
const DEFINITIONS = fromJSON(
  { nested: { etcdserverpb: { nested: { ...MESSAGES, ...SERVICES } } } },
  { keepCase: true, longs: String, defaults: true, oneofs: false },
);

export interface Header {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly revision: string;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly mod_revision: string;
  readonly version: string;
}

export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: string;
}

export interface WatchResponse {
  readonly header: Header;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly { readonly type: number; readonly kv: KeyValue }[];
}

export interface WatchRequest {
  readonly create_request?: { key: Buffer; range_end: Buffer; start_revision: number; watch_id: number; fragment: boolean };
  readonly cancel_request?: { watch_id: number };
}

export interface TxnRequest {
  readonly compare: readonly { result: 0; target: 2; key: Buffer; mod_revision: number }[];
  readonly success: readonly (
    | { request_put: { key: Buffer; value: Buffer; lease: number | string } }
    | { request_delete_range: { key: Buffer } }
  )[];
}

type Method<Q, A> = MethodDefinition<Q, A>;

function method<Q, A>(service: keyof typeof SERVICES, name: string): Method<Q, A> {
  const definition = DEFINITIONS[`etcdserverpb.${service}`] as unknown as Record<string, Method<Q, A>>;
  return definition[name] as Method<Q, A>;
}

export const RANGE = method<
  { key: Buffer; range_end?: Buffer; limit?: number; revision?: number; count_only?: boolean },
  RangeResponse
>('KV', 'Range');
export const TXN = method<TxnRequest, { header: Header; succeeded: boolean }>('KV', 'Txn');
export const WATCH = method<WatchRequest, WatchResponse>('Watch', 'Watch');
export const LEASE_GRANT = method<{ TTL: number; ID: number }, { header: Header; ID: string; TTL: string }>(
  'Lease',
  'LeaseGrant',
);
export const LEASE_KEEP_ALIVE = method<{ ID: number }, { header: Header; ID: string; TTL: string }>('Lease', 'LeaseKeepAlive');
export const STATUS = method<Record<string, never>, { header: Header; version: string; dbSize: string }>('Maintenance', 'Status');
export const AUTHENTICATE = method<{ name: string; password: string }, { token: string }>('Auth', 'Authenticate');

/** The end of the range of all keys with this prefix. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
