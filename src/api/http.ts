/**
 * Health, metrics and the API over HTTP, on a TCP port or a unix socket: the server. What it answers is in routes.ts, what the answers are
 * made of in views.ts and metrics.ts; what is written, by whom it may be, is in writes.ts. Main thread.
 *
 * Every local user may ask, some to do harm: who connects and says nothing gives way to the next (slots.ts), who does not read what he
 * asked for is cut, and a page in a browser on this host that reaches us by a name of its own is refused (DNS rebinding).
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Logger } from '../base/log.ts';
import { type Answer, answer, type HttpSource, isHealth, json } from './routes.ts';
import { Slots } from './slots.ts';
import { writeAt, type Writes } from './writes.ts';

/** A request that was begun is to be whole by then, and an answer that is not read for so long is given up. */
const HEADERS_MS = 5000;
const STALLED_MS = 10_000;
const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

/**
 * A server that is not listening yet.
 * @param source null while the agent starts
 * @param writes null while the agent starts
 */
export function createHttp(source: () => HttpSource | null, log: Logger, writes: () => Writes | null = () => null): Server {
  const slots = new Slots();
  const server = createServer(
    {
      maxHeaderSize: 8192,
      headersTimeout: HEADERS_MS,
      requestTimeout: STALLED_MS,
      keepAliveTimeout: HEADERS_MS,
      connectionsCheckingInterval: 1000,
    },
    (asked, reply) => {
      const target = asked.url ?? '/';
      const served = slots.begin(asked.socket);
      reply.once('close', () => slots.end(asked.socket));
      Promise.resolve()
        .then(() => {
          const write = writeAt(asked.method ?? 'GET', target);
          if (write !== null && served) return writes()?.answer(asked, write) ?? json(503, { error: 'the agent is starting' });
          if (!isOurName(asked)) return json(403, { error: `this is not ${asked.headers.host ?? ''}` });
          if (!served && !isHealth(target)) return json(503, { error: 'too many requests at a time' });
          return answer(source(), asked.method ?? 'GET', target, String(asked.headers['last-event-id'] ?? ''));
        })
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
  server.setTimeout(STALLED_MS);
  server.on('connection', (socket) => slots.admit(socket));
  return server;
}

/** On loopback a Host that is neither localhost nor the address itself is somebody's page, resolved to us. Elsewhere we have names. */
export function isOurName({ headers, socket }: IncomingMessage): boolean {
  const { host } = headers;
  if (host === undefined || socket.localAddress === undefined || !LOOPBACK.test(socket.localAddress)) return true;
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host.toLowerCase()) ?? [];
  const literal = socket.localAddress.replace('::ffff:', '');
  return name === 'localhost' || name === literal || name === `[${literal}]`;
}

async function send(asked: IncomingMessage, reply: ServerResponse, { status, type, body }: Answer): Promise<void> {
  reply.statusCode = status;
  reply.setHeader('content-type', type);
  reply.setHeader('cache-control', 'no-store');
  // Nothing here is a page, and no page may frame it or take it for another type.
  reply.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  reply.setHeader('x-content-type-options', 'nosniff');
  if (status === 405) reply.setHeader('allow', 'GET, HEAD');
  if (typeof body === 'string' || body instanceof Uint8Array) {
    reply.setHeader('content-length', Buffer.byteLength(body));
    reply.end(asked.method === 'HEAD' ? undefined : body);
    return;
  }
  if ('leave' in body) {
    reply.once('close', () => body.leave());
    asked.socket.setTimeout(0);
    // One that is cut because it does not read would not read that either.
    body.onEnd = () => asked.socket.setTimeout(STALLED_MS);
    reply.flushHeaders();
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
