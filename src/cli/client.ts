/**
 * Asks a running agent, over TCP or a unix socket: where the option --http says, else the variable HAVIP_HTTP, else where the unit has it
 * answer, else where it answers when its configuration says nothing of it.
 */
import { lstatSync } from 'node:fs';
import { request } from 'node:http';
import { codeOf } from '../base/failure.ts';
import { permissionDenied } from '../base/user.ts';
import { formatListen, type Listen, parseListen } from '../config/listen.ts';
import { whyNoSocket } from '../config/unix.ts';
import { CommandError } from './command.ts';
import type { Io } from './command.ts';

/** Made by the unit's RuntimeDirectory=. */
const AGENT_SOCKET = '/run/havip-agent/agent.sock';
const TCP_ADDRESS = '127.0.0.1:9712';

export const HTTP_OPTION = {
  type: 'string',
  value: 'ADDRESS',
  description: `of the agent: HOST:PORT or unix:/path. Without it: HAVIP_HTTP of the environment, else ${AGENT_SOCKET} if that is there, else ${TCP_ADDRESS}`,
} as const;

/** @param option the value of --http */
export function clientOf(option: string | undefined, { httpAddress }: Pick<Io, 'httpAddress'>, socket = AGENT_SOCKET): Client {
  const given = option ?? httpAddress;
  if (given !== null) return new Client(given);
  const [unix, tcp] = [listenOf(`unix:${socket}`), listenOf(TCP_ADDRESS)];
  return new Client(() => (isSocket(socket) ? unix : tcp));
}

function listenOf(address: string): Listen {
  const listen = parseListen(address.replace(/^http:\/\//, '').replace(/\/$/, ''));
  if (listen === null) throw new CommandError('wrong-use', `"${address}" is not an address; write HOST:PORT or unix:/path`);
  return listen;
}

function isSocket(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
  } catch (error) {
    // The folder is closed to us: then the agent is there, and connecting says so.
    if (codeOf(error) === 'EACCES') return true;
    throw error;
  }
}

const TIMEOUT_MS = 10_000;

export interface Reply {
  readonly status: number;
  readonly body: Buffer;
}

export class Client {
  readonly #find: () => Listen;

  /** @param address `HOST:PORT`, `unix:/path`, or `http://HOST:PORT`; or where the agent is found each time: who waits for it may begin before it */
  constructor(address: string | (() => Listen)) {
    if (typeof address === 'function') this.#find = address;
    else {
      const listen = listenOf(address);
      this.#find = () => listen;
    }
  }

  /** Where it is now. */
  get listen(): Listen {
    return this.#find();
  }

  get(path: string): Promise<Reply> {
    return this.send('GET', path);
  }

  /** @param body JSON; null: none */
  send(method: string, path: string, body: string | null = null, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const listen = this.#find();
    const to = 'unix' in listen ? { socketPath: listen.unix } : listen;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(new CommandError('no-agent', `no agent answers at ${formatListen(listen)}: ${explain(error, listen)}`));
      const asked = request({ ...to, method, path, headers, timeout: TIMEOUT_MS }, (reply) => {
        const pieces: Buffer[] = [];
        reply.on('data', (piece: Buffer) => pieces.push(piece));
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(pieces) }));
        reply.on('error', fail);
      });
      asked.on('timeout', () => asked.destroy(new Error(`nothing for ${TIMEOUT_MS / 1000} s`)));
      asked.on('error', fail);
      asked.end(body ?? undefined);
    });
  }

  /** A document of the API; an error of it ends the command. */
  async json<T>(path: string): Promise<T> {
    return documentIn(await this.get(path), path, this.#find());
  }

  /** The same of a write. */
  async write<T>(method: string, path: string, value: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    const body = value === undefined ? null : JSON.stringify(value);
    return documentIn(await this.send(method, path, body, headers), path, this.#find());
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- whoever asks knows what is answered
function documentIn(reply: Reply, path: string, listen: Listen): any {
  if (reply.status !== 200 && reply.status !== 201) throw new CommandError('refusal', errorIn(reply, path));
  const document = fromJson(reply.body.toString());
  // Anybody may listen there, and say anything.
  if (document === undefined)
    throw new CommandError('no-agent', `what answers at ${formatListen(listen)} is no havip-agent: it does not speak JSON`);
  return document;
}

/** The API's own words for what went wrong. */
export function errorIn(reply: Reply, path: string): string {
  const said = fromJson(reply.body.toString());
  const isOurs = typeof said === 'object' && said !== null && 'error' in said && typeof said.error === 'string';
  return isOurs ? String(said.error) : `${path}: HTTP status ${reply.status}`;
}

/** undefined when it is none. */
function fromJson(text: string) {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'no such host name',
};

function explain(error: Error, listen: Listen): string {
  const code = codeOf(error);
  const why = 'unix' in listen ? whyNoSocket(listen.unix, code) : null;
  if (why !== null) return why;
  if (code === 'EACCES') return permissionDenied();
  return REASONS[codeOf(error) ?? ''] ?? error.message;
}
