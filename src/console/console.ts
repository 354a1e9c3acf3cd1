/**
 * `havip-agent console`: a page for people, served by a process of its own that needs no privilege and holds nothing. It reads agents as anybody
 * may, and its end disturbs none of them.
 *
 *     GET /                       the page: three files, made when the program is built (page/ in the sources)
 *     GET /console                what this console is: its agents, and whether it writes
 *     GET /agents/N/api/v1/...    an agent's own answer, handed through; also /-/ready
 *     GET /stream                 the streams of all agents in one (upstream.ts): an agent has 16 readers at most, a wall of screens may have more
 *     POST, DELETE /agents/N/...  writes.ts: over a unix socket alone
 *
 * Everything that a page asks for comes from here (Content-Security-Policy), and a page of somebody else's cannot ask: over loopback the Host
 * must be ours, and nothing allows another origin to read.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isOurName } from '../api/http.ts';
import { VERSION } from '../agent/version.ts';
import { messageOf } from '../base/failure.ts';
import type { Logger } from '../base/log.ts';
import { formatListen, type Listen } from '../config/listen.ts';
import { say } from './answers.ts';
import { readPage } from './files.ts';
import { handThrough } from './handover.ts';
import type { Hub } from './hub.ts';
import type { PageWrites } from './writes.ts';

export interface ConsoleOptions {
  /** Where each agent is, looked up at each question. */
  readonly agents: readonly (() => Listen)[];
  readonly hub: Hub;
  readonly log: Logger;
  readonly writes: PageWrites;
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A server that is not listening yet. Throws PageMissing. */
export function createConsole({ agents, hub, log, writes }: ConsoleOptions): Server {
  const files = readPage();
  const server = createServer({ maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000 }, (asked, reply) => {
    reply.setHeader('content-security-policy', POLICY);
    reply.setHeader('x-content-type-options', 'nosniff');
    reply.setHeader('referrer-policy', 'no-referrer');
    reply.setHeader('cross-origin-resource-policy', 'same-origin');
    reply.setHeader('cache-control', 'no-store');
    try {
      serve(asked, reply);
    } catch (error) {
      log.error({ path: asked.url, error: messageOf(error) }, 'a request failed');
      say(reply, 500, { error: 'internal error; see the log' });
    }
  });
  server.maxConnections = 512;
  return server;

  function serve(asked: IncomingMessage, reply: ServerResponse): void {
    const [path = '/'] = (asked.url ?? '/').split('?', 1);
    if (!isOurName(asked)) return say(reply, 403, { error: `this is not ${asked.headers.host ?? ''}` });
    if (asked.method !== 'GET' && asked.method !== 'HEAD') return writes.answer(asked, reply);
    const file = files.get(path);
    if (file !== undefined) {
      reply.setHeader('content-type', file.type);
      return void reply.end(asked.method === 'HEAD' ? undefined : file.body);
    }
    if (path === '/console') return say(reply, 200, about(asked));
    if (path === '/stream') return hub.read(reply);
    const [, number, rest] = /^\/agents\/(\d{1,4})(\/(?:api\/v1\/(?!stream)|-\/ready).*)$/.exec(asked.url ?? '') ?? [];
    const agent = agents[Number(number ?? Number.NaN)];
    if (agent === undefined || rest === undefined) return say(reply, 404, { error: `there is no ${path}` });
    return handThrough(asked, reply, agent(), rest, {});
  }

  function about(asked: IncomingMessage): object {
    const why = writes.whyNot(asked);
    return { version: VERSION, agents: agents.map((find) => formatListen(find())), writes: why === null, why };
  }
}
