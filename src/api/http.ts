/**
 * Health, metrics and the read-only API over HTTP, on a TCP port or a unix socket: the server. What it answers is in routes.ts, what
 * the answers are made of in views.ts and metrics.ts. Main thread.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Logger } from '../base/log.ts';
import { type Answer, answer, type HttpSource, json } from './routes.ts';

/** A server that is not listening yet. */
export function createHttp(source: HttpSource, log: Logger): Server {
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 5000 },
    (asked, reply) => {
      Promise.resolve()
        .then(() => answer(source, asked.method ?? 'GET', asked.url ?? '/'))
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
