/**
 * All agents' streams as one, for any number of pages: one reader at each agent while anybody reads here. What comes is an event of the agent's
 * with its number in front, `{"agent":0,"data":{...}}`, or `away` where an agent does not answer; after that, and whenever something was missed, `reset`.
 */
import type { ServerResponse } from 'node:http';
import type { Listen } from '../config/listen.ts';
import { say } from './answers.ts';
import { Upstream } from './upstream.ts';

const MOST = 256;
const HEARTBEAT_MS = 15_000;
/** What waits for a page, in bytes; more, and it is cut: it comes back by itself and reads anew. */
const WAITING_MOST = 256 * 1024;

export class Hub {
  readonly #pages = new Set<ServerResponse>();
  readonly #upstreams: readonly Upstream[];
  #heartbeat: NodeJS.Timeout | null = null;

  constructor(agents: readonly (() => Listen)[]) {
    this.#upstreams = agents.map((find, agent) => new Upstream(find, (kind, data) => this.#tell(message(kind, agent, data))));
  }

  /** A page reads from now on. */
  read(reply: ServerResponse): void {
    if (this.#pages.size >= MOST) return say(reply, 503, { error: 'too many pages' });
    reply.setHeader('content-type', 'text/event-stream');
    reply.write('retry: 1000\n\n');
    for (const [agent, upstream] of this.#upstreams.entries())
      reply.write(message(upstream.why === null ? 'reset' : 'away', agent, { why: upstream.why }));
    this.#pages.add(reply);
    reply.once('close', () => this.#left(reply));
    if (this.#pages.size > 1) return;
    for (const upstream of this.#upstreams) upstream.start();
    this.#heartbeat = setInterval(() => this.#tell(': \n\n'), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  close(): void {
    for (const page of this.#pages) page.destroy();
    for (const upstream of this.#upstreams) upstream.stop();
  }

  #left(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0) return;
    for (const upstream of this.#upstreams) upstream.stop();
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
  }

  #tell(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > WAITING_MOST) page.end('event: cut\ndata: {}\n\n');
      else if (!page.writableEnded) page.write(text);
    }
  }
}

function message(kind: string, agent: number, data: unknown): string {
  return `event: ${kind}\ndata: ${JSON.stringify({ agent, data })}\n\n`;
}
