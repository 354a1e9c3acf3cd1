/**
 * What is written through the agent: allocate, release, unbind. Over its unix socket alone, for root and members of the group havip-admin, by
 * the kernel's word on who connected. Main thread.
 *
 *     POST   /api/v1/havips             a HAVIP without an id or an address is given one
 *     DELETE /api/v1/havips/ID
 *     POST   /api/v1/havips/ID/unbind
 *     POST   /api/v1/ports/check        would a file of ports be taken? Writes nothing, and is no line of the log
 *
 * `Idempotency-Key`: the same wish with the same key is followed once, and answered again. `Havip-On-Behalf-Of`: the uid for whom somebody who
 * may write does, for the audit. Each write, and each that is refused, is one line of the log with `audit`.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import { type Logger, RateLimit } from '../base/log.ts';
import { userText } from '../base/user.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { CatalogueError, REFUSALS } from '../catalogue/refusal.ts';
import { readWish } from '../catalogue/wish.ts';
import { mayWrite, type Caller, callerOf } from './peer.ts';
import type { Mistake } from '../config/config.ts';
import { type Answer, json } from './routes.ts';

export interface WritesOptions {
  readonly catalogue: Catalogue;
  /** Takes it from its holder. The instance that held it; null: nobody did. undefined: there is no such HAVIP. */
  readonly unbind: (id: string, why: string) => Promise<string | null | undefined>;
  /** What is wrong with a file in the folder of ports beside this configuration, were it there; null: the agent runs by another one. */
  readonly checkPorts: (wish: PortsWish) => Promise<readonly Mistake[] | null>;
  readonly log: Logger;
  readonly clock: Clock;
  /** Whose members may write, beside root. */
  readonly group?: string;
  readonly mayWrite?: typeof mayWrite;
}

export interface PortsWish {
  /** The configuration file that is meant. */
  readonly config: string;
  /** Of the file in ports.d. */
  readonly name: string;
  readonly text: string;
}

type Act = 'allocate' | 'release' | 'unbind' | 'check';

interface Target {
  readonly act: Act;
  readonly id: string;
}

interface Asker {
  readonly peer: Caller;
  /** For people. */
  readonly by: string;
  readonly key: string | null;
}

const ADMIN_GROUP = 'havip-admin';
const BODY_MOST = 64 * 1024;
/** Of a wish, in the audit. */
const WISH_SHOWN = 500;
const KEY = /^[!-~]{1,128}$/;
/** Answers that are given again, by who asked and with which key. */
const ANSWERS_MOST = 1000;
const HOSTS = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/** null: it is no write that there is. */
export function writeAt(method: string, target: string): Target | null {
  const [path = ''] = target.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1);
  const [, name, unbind] = /^\/api\/v1\/havips(?:\/([^/]+?)(\/unbind)?)?$/.exec(path) ?? [];
  if (method === 'POST' && path === '/api/v1/ports/check') return { act: 'check', id: '' };
  if (!path.startsWith('/api/v1/havips')) return null;
  if (method === 'POST' && path === '/api/v1/havips') return { act: 'allocate', id: '' };
  const id = decoded(name);
  if (id === null) return null;
  if (method === 'DELETE' && unbind === undefined) return { act: 'release', id };
  return method === 'POST' && unbind !== undefined ? { act: 'unbind', id } : null;
}

/** Is it a write that there is? */
export function isWrite(method: string, target: string): boolean {
  return writeAt(method, target) !== null;
}

export class Writes {
  readonly #o: WritesOptions;
  readonly #refusals: RateLimit;
  readonly #answers = new Map<string, Promise<Answer>>();

  constructor(options: WritesOptions) {
    this.#o = options;
    this.#refusals = new RateLimit(options.clock);
  }

  async answer(asked: IncomingMessage, target: Target): Promise<Answer> {
    const asker = this.#askerOf(asked, target);
    if (!('peer' in asker)) return asker;
    const body = ['allocate', 'check'].includes(target.act) ? await bodyOf(asked) : '';
    if (body === null) return json(413, { error: `the body is larger than ${BODY_MOST / 1024} KiB` });
    if (target.act === 'check') return this.#check(body);
    if (asker.key === null) return this.#write(target, body, asker);
    const name = `${asker.peer.uid} ${target.act} ${target.id} ${asker.key} ${body}`;
    const known = this.#answers.get(name);
    if (known !== undefined) return known;
    const answer = this.#write(target, body, asker);
    this.#remember(name, answer);
    return answer;
  }

  async #check(body: string): Promise<Answer> {
    const wish = portsWishIn(body);
    if (wish === null) return json(400, { error: 'must be {"config", "name", "text"}, and `name` that of a file' });
    const mistakes = await this.#o.checkPorts(wish);
    return mistakes === null ? json(404, { error: `this agent does not run by ${wish.config}` }) : json(200, { mistakes });
  }

  /** A refusal is not kept: what it was for may change. */
  #remember(name: string, answer: Promise<Answer>): void {
    this.#answers.set(name, answer);
    void answer.then(({ status }) => status >= 400 && this.#answers.delete(name));
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= ANSWERS_MOST) break;
      this.#answers.delete(oldest);
    }
  }

  /** Who asks, or why he may not. */
  #askerOf({ headers, socket }: IncomingMessage, { act, id }: Target): Asker | Answer {
    const { origin, host } = headers;
    const peer = callerOf(socket);
    const from = peer === null ? (socket.remoteAddress ?? 'nobody') : userText(peer.uid);
    const refuse = (status: number, error: string): Answer => {
      // Of each user by himself: nobody hides another one's among his own.
      const left = this.#refusals.allow(peer === null ? `${status}` : `${status} ${peer.uid}`);
      if (left !== null)
        this.#audit('warn', { act, havip: id, by: from, status, left }, `refused to ${act}, of ${from}: ${error}`);
      return json(status, { error });
    };
    if (origin !== undefined) return refuse(403, `writes are not for pages of a browser (Origin: ${clip(origin)})`);
    if (host !== undefined && host !== '' && !HOSTS.test(host)) return refuse(403, `this is not ${clip(host)}`);
    if (peer === null)
      return refuse(405, 'over TCP this API is read-only; to allocate, release or unbind, ask the agent by its unix socket');
    const { group = ADMIN_GROUP, mayWrite: may = mayWrite } = this.#o;
    if (!may(peer, group)) return refuse(403, `${from} may not ${act}: that is for root and members of the group ${group}`);
    const key = headers['idempotency-key'] ?? null;
    if (key !== null && (typeof key !== 'string' || !KEY.test(key)))
      return refuse(400, 'Idempotency-Key must be 1 to 128 visible ASCII characters');
    const behalf = headers['havip-on-behalf-of'];
    if (behalf === undefined) return { peer, by: from, key };
    if (typeof behalf !== 'string' || !/^\d{1,10}$/.test(behalf)) return refuse(400, 'Havip-On-Behalf-Of must be a uid');
    return { peer, by: `${userText(Number(behalf))}, through ${from}`, key };
  }

  async #write(target: Target, body: string, { by, key, peer }: Asker): Promise<Answer> {
    const { act } = target;
    const who = { by, uid: peer.uid, pid: peer.pid, key, ...(act === 'allocate' && { wish: body.slice(0, WISH_SHOWN) }) };
    try {
      const { status, document, havip, said } = await this.#carryOut(target, body, by, key);
      this.#audit('info', { act, havip, ...who }, `${by} ${said}`);
      return json(status, document);
    } catch (error) {
      if (!(error instanceof CatalogueError)) throw error;
      this.#audit('warn', { act, havip: target.id, ...who, code: error.code }, `${by} could not ${act}: ${error.message}`);
      return json(REFUSALS[error.code], { error: error.message, code: error.code });
    }
  }

  async #carryOut({ act, id }: Target, body: string, by: string, key: string | null) {
    const { catalogue, unbind } = this.#o;
    if (act === 'allocate') {
      const havip = await catalogue.allocate(readWish(fromJson(body)), { by, key });
      const { again, address, subnet } = havip;
      const said = `${again ? 'had allocated' : 'allocated'} ${havip.id}: ${address} in ${subnet}`;
      return { status: again ? 200 : 201, document: havip, havip: havip.id, said };
    }
    if (act === 'release') {
      const document = await catalogue.release(id, null, { by, key });
      return { status: 200, document: { ...document, released: true }, havip: id, said: `released ${id}` };
    }
    const instance = await unbind(id, `unbound by ${by}`);
    if (instance === undefined) throw new CatalogueError('no-havip', `there is no HAVIP "${id}"`);
    const said = instance === null ? `unbound ${id}, which nobody held` : `unbound ${id} from ${instance}`;
    return { status: 200, document: { id, unbound: instance }, havip: id, said };
  }

  #audit(level: 'info' | 'warn', fields: object, message: string): void {
    this.#o.log[level]({ audit: true, ...fields }, message);
  }
}

/** null: it is too much. */
async function bodyOf(asked: IncomingMessage): Promise<string | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of asked) {
    if (!Buffer.isBuffer(piece)) continue;
    bytes += piece.length;
    if (bytes <= BODY_MOST) pieces.push(piece);
  }
  return bytes > BODY_MOST ? null : Buffer.concat(pieces).toString('utf8');
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CatalogueError('malformed', `the body is no JSON: ${messageOf(error)}`);
  }
}

function portsWishIn(body: string): PortsWish | null {
  try {
    const { config, name, text }: Partial<Record<keyof PortsWish, unknown>> = JSON.parse(body);
    if (typeof config !== 'string' || typeof name !== 'string' || typeof text !== 'string') return null;
    return /[/\0]/.test(name) ? null : { config, name, text };
  } catch {
    return null;
  }
}

function decoded(name: string | undefined): string | null {
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return null;
  }
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
