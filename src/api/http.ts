/**
 * Health, metrics and the read-only API over HTTP, on a TCP port or a unix socket. Main thread; everything answered is data that
 * is at hand, and long lists are written in pieces, so that a request never holds up a failover.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { EventView, HavipView, PortView, Readiness, StatusView } from './types.ts';
import type { Logger } from '../base/log.ts';

export interface HttpSource {
  /** The main loop turns. */
  healthy(): boolean;
  readiness(): Readiness;
  status(): StatusView;
  havips(): Iterable<HavipView>;
  havip(id: string): HavipView | null;
  ports(): Iterable<PortView>;
  /** Oldest first. */
  events(): readonly EventView[];
  /** The flight recorder of a HAVIP as pcapng; null when there is no such HAVIP. */
  record(id: string): Uint8Array | null;
  /** In Prometheus' text format. */
  metrics(): Promise<string>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array | AsyncIterable<string>;
}

type Handler = (source: HttpSource, id: string, query: URLSearchParams) => Answer | Promise<Answer>;

const ROUTES: readonly (readonly [RegExp, Handler])[] = [
  [
    /^\/metrics$/,
    async (source) => ({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await source.metrics() }),
  ],
  [/^\/-\/healthy$/, (source) => json(source.healthy() ? 200 : 503, { healthy: source.healthy() })],
  [/^\/-\/ready$/, (source) => ready(source.readiness())],
  [/^\/api\/v1\/status$/, (source) => json(200, source.status())],
  [/^\/api\/v1\/havips$/, (source) => jsonList(source.havips())],
  [/^\/api\/v1\/havips\/([^/]+)$/, (source, id) => found(source.havip(id), id)],
  [/^\/api\/v1\/havips\/([^/]+)\/record$/, (source, id) => record(source.record(id), id)],
  [/^\/api\/v1\/ports$/, (source) => jsonList(source.ports())],
  [/^\/api\/v1\/events$/, (source, _id, query) => events(source.events(), query)],
];

/** A server that is not listening yet. */
export function createHttp(source: HttpSource, log: Logger): Server {
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 5000 },
    (asked, reply) => {
      answer(source, asked)
        .then((given) => send(asked, reply, given))
        .catch((error: unknown) => {
          log.error({ path: asked.url, error: String(error) }, 'a request failed');
          if (!reply.headersSent) return send(asked, reply, json(500, { error: 'internal error; see the log' }));
          reply.destroy();
          return undefined;
        })
        .catch(() => reply.destroy());
    },
  );
  server.maxConnections = 64;
  return server;
}

async function answer(source: HttpSource, asked: IncomingMessage): Promise<Answer> {
  const [path = '/', search = ''] = (asked.url ?? '/').split('?', 2);
  for (const [pattern, handle] of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    if (asked.method !== 'GET' && asked.method !== 'HEAD')
      return json(405, { error: `${asked.method} is not allowed; only GET and HEAD` });
    const id = decode(match[1] ?? '');
    return id === null ? json(400, { error: 'the path is not well-formed' }) : handle(source, id, new URLSearchParams(search));
  }
  return json(404, { error: `there is no ${path}` });
}

async function send(asked: IncomingMessage, reply: ServerResponse, { status, type, body }: Answer): Promise<void> {
  reply.statusCode = status;
  reply.setHeader('content-type', type);
  reply.setHeader('cache-control', 'no-store');
  if (status === 405) reply.setHeader('allow', 'GET, HEAD');
  if (typeof body === 'string' || body instanceof Uint8Array) {
    reply.setHeader('content-length', Buffer.byteLength(body));
    reply.end(asked.method === 'HEAD' ? undefined : body);
    return;
  }
  if (asked.method !== 'HEAD') {
    for await (const piece of body) {
      if (reply.destroyed) return;
      if (!reply.write(piece)) await drained(reply);
    }
  }
  reply.end();
}

/** The peer took what was written, or left. */
function drained(reply: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      reply.off('drain', done);
      reply.off('close', done);
      resolve();
    };
    reply.on('drain', done);
    reply.on('close', done);
  });
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function jsonList(items: Iterable<unknown>): Answer {
  return { status: 200, type: 'application/json', body: pieces(items) };
}

/** A JSON array in pieces of about a millisecond's work, with a turn of the event loop between them. */
async function* pieces(items: Iterable<unknown>): AsyncGenerator<string> {
  const PIECE = 200;
  let text = '[';
  let count = 0;
  for (const item of items) {
    text += `${count === 0 ? '' : ','}\n${JSON.stringify(item)}`;
    if (++count % PIECE !== 0) continue;
    yield text;
    text = '';
    await nextTurn();
  }
  yield `${text}\n]\n`;
}

function ready(readiness: Readiness): Answer {
  return json(readiness.ready ? 200 : 503, readiness);
}

function found(view: HavipView | null, id: string): Answer {
  return view === null ? json(404, { error: `there is no HAVIP "${id}"` }) : json(200, view);
}

function record(bytes: Uint8Array | null, id: string): Answer {
  if (bytes === null) return json(404, { error: `there is no HAVIP "${id}"` });
  return { status: 200, type: 'application/x-pcapng', body: bytes };
}

/** `since`: the events after this number or time, oldest first; without it the newest. `limit`: how many at most. */
function events(all: readonly EventView[], query: URLSearchParams): Answer {
  const limit = Number(query.get('limit') ?? 1000);
  if (!Number.isInteger(limit) || limit < 1) return json(400, { error: 'limit must be a whole number of at least 1' });
  const since = query.get('since');
  if (since === null) return json(200, all.slice(-limit));
  const isNumber = /^\d+$/.test(since);
  const from = isNumber ? Number(since) : Date.parse(since);
  if (Number.isNaN(from)) return json(400, { error: 'since must be an event number or a time like 2026-01-31T12:00:00Z' });
  return json(200, all.filter((event) => (isNumber ? event.seq : Date.parse(event.at)) > from).slice(0, limit));
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
