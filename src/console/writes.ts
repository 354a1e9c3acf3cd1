/**
 * What a page wants written, handed on to the agent. Over a unix socket of the console alone, for root and members of the group havip-admin by the
 * kernel's word on who connected, and from our own page alone. The agent decides by the console's own right, and names in its audit for whom it asked.
 *
 * A browser reaches a unix socket through something that its user started, say `ssh -L`: the end here is that user's. A page of somebody else's in the
 * same browser cannot: it says another Origin, and may not send Idempotency-Key unasked.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mayWrite, callerOf } from '../api/peer.ts';
import { isWrite } from '../api/writes.ts';
import { type Logger, RateLimit } from '../base/log.ts';
import type { Clock } from '../base/clock.ts';
import { userText } from '../base/user.ts';
import type { Listen } from '../config/listen.ts';
import { say } from './answers.ts';
import { handThrough } from './handover.ts';

const ADMIN_GROUP = 'havip-admin';
const HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;

export class PageWrites {
  readonly #agents: readonly (() => Listen)[];
  readonly #log: Logger;
  readonly #refusals: RateLimit;
  readonly #group: string;

  constructor(agents: readonly (() => Listen)[], log: Logger, clock: Clock, group = ADMIN_GROUP) {
    this.#agents = agents;
    this.#log = log;
    this.#refusals = new RateLimit(clock);
    this.#group = group;
  }

  /** May who is at the other end write here? null: yes; a text: why not. */
  whyNot({ socket }: IncomingMessage): string | null {
    const peer = callerOf(socket);
    if (peer === null)
      return 'over TCP this page is read-only; to allocate, release or unbind, open it through the unix socket of the console';
    if (mayWrite(peer, this.#group)) return null;
    return `this page is read-only for ${userText(peer.uid)}: allocate, release and unbind are for root and members of the group ${this.#group}`;
  }

  answer(asked: IncomingMessage, reply: ServerResponse): void {
    const { origin, host = '', 'idempotency-key': key } = asked.headers;
    const [, number, path] = /^\/agents\/(\d{1,4})(\/api\/v1\/.*)$/.exec(asked.url ?? '') ?? [];
    const find = this.#agents[Number(number ?? Number.NaN)];
    if (find === undefined || path === undefined || !isWrite(asked.method ?? '', path))
      return this.#refuse(asked, reply, 405, 'there is nothing to be written there');
    const why = this.whyNot(asked);
    if (why !== null) return this.#refuse(asked, reply, callerOf(asked.socket) === null ? 405 : 403, why);
    if (!HOST.test(host)) return this.#refuse(asked, reply, 403, `this is not ${host.slice(0, 80)}`);
    if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
      return this.#refuse(asked, reply, 403, `writes are not for pages from elsewhere (Origin: ${origin.slice(0, 80)})`);
    if (typeof key !== 'string') return this.#refuse(asked, reply, 400, 'Idempotency-Key is missing');
    const uid = callerOf(asked.socket)?.uid;
    if (uid === undefined) return void reply.destroy();
    this.#log.info(
      { audit: true, uid, method: asked.method, path, key },
      `${userText(uid)} asks the agent for ${asked.method} ${path}`,
    );
    return handThrough(asked, reply, find(), path, { 'idempotency-key': key, 'havip-on-behalf-of': String(uid) });
  }

  #refuse(asked: IncomingMessage, reply: ServerResponse, status: number, error: string): void {
    const peer = callerOf(asked.socket);
    const by = peer === null ? (asked.socket.remoteAddress ?? 'nobody') : userText(peer.uid);
    // Of each user by himself: nobody hides another one's among his own.
    const left = this.#refusals.allow(peer === null ? String(status) : `${status} ${peer.uid}`);
    if (left !== null)
      this.#log.warn(
        { audit: true, by, status, left },
        `refused ${asked.method} ${asked.url?.slice(0, 200)}, of ${by}: ${error}`,
      );
    if (status === 405) reply.setHeader('allow', 'GET, HEAD');
    say(reply, status, { error });
  }
}
