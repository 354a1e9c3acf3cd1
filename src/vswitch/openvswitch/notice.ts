/**
 * Does Open vSwitch forward our ports' frames before nftables sees them? Its database says so, and this reads it and changes nothing: a
 * monitor over its unix socket (RFC 7047; ovsdb-server(7)), so that a bridge that changes its datapath is told of, too. Main thread.
 *
 * Its userspace datapath reads an interface by an AF_PACKET socket of its own, ahead of nftables' ingress: the guard counts its drops, and
 * everything is forwarded all the same. With offload to hardware tc comes first. Where there is no Open vSwitch, this is one connect(2)
 * in ten seconds that fails; where its database does not answer, nobody waits for it.
 */
import { connect, type Socket } from 'node:net';
import { messageOf } from '../../base/failure.ts';
import { JsonStream } from './stream.ts';
import { COLUMNS, DATABASE, Tables } from './tables.ts';

const RETRY_MS = 10_000;
const RETRY_MOST_MS = 60_000;
const ANSWER_MS = 5_000;
/** 1,000 ports take 0.2 million. */
const MOST_CHARS = 64 * 1024 * 1024;
/** The socket is not there, or nobody listens any more. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);
const AWAY: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

export class Notice {
  readonly #path: string;
  readonly #onChange: () => void;
  #tables = new Tables();
  #bypasses: ReadonlyMap<string, string> = new Map();
  #trouble: string | null = null;
  #socket: Socket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;
  #ended = false;

  /**
   * @param path of the database's socket
   * @param onChange called when bypasses or trouble are others than before
   */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
    this.#connect();
  }

  /** Interfaces whose frames the guard does not keep back, and why; the same map while nothing has changed. */
  get bypasses(): ReadonlyMap<string, string> {
    return this.#bypasses;
  }

  /** Why nobody knows, in a line; null while somebody does, or there is no Open vSwitch. */
  get trouble(): string | null {
    return this.#trouble;
  }

  close(): void {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #connect(): void {
    const socket = connect(this.#path);
    const messages = new JsonStream(MOST_CHARS);
    this.#socket = socket.unref().setEncoding('utf8');
    this.#wait(ANSWER_MS, () => socket.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    socket.on('connect', () => socket.write(JSON.stringify({ method: 'monitor', params: [DATABASE, null, COLUMNS], id: 0 })));
    socket.on('data', (chunk: string) => {
      try {
        for (const message of messages.feed(chunk)) this.#hear(message, socket);
      } catch (error) {
        socket.destroy(new Error(messageOf(error)));
      }
    });
    let why: NodeJS.ErrnoException | null = null;
    socket.on('error', (error) => (why = error));
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#lost(why));
  }

  #hear(message: unknown, socket: Socket): void {
    const { id, method, params, result, error }: Record<string, unknown> =
      typeof message === 'object' && message !== null ? { ...message } : {};
    if (method === 'echo') socket.write(JSON.stringify({ id, result: params, error: null }));
    else if (method === 'update' && Array.isArray(params)) this.#apply(params[1]);
    else if (id === 0 && result !== undefined) {
      if (error !== null && error !== undefined) {
        socket.destroy(new Error(`refused: ${JSON.stringify(error).slice(0, 200)}`));
        return;
      }
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#failures = 0;
      this.#tables = new Tables();
      this.#apply(result);
    }
  }

  #apply(updates: unknown): void {
    this.#tables.apply(updates);
    this.#tell(this.#tables.bypasses(), null);
  }

  /** A database that goes leaves Open vSwitch forwarding as it did; a socket that is gone leaves nothing. */
  #lost(why: NodeJS.ErrnoException | null): void {
    this.#socket = null;
    if (this.#ended) return;
    const code = why?.code ?? '';
    if (ABSENT.has(code)) this.#tell(new Map(), null);
    else if (why !== null && !AWAY.has(code)) {
      this.#failures++;
      const what = `whether the guard holds on bridges of Open vSwitch is not known: ${this.#path}`;
      this.#tell(this.#bypasses, `${what}: ${code === 'EACCES' ? 'permission denied' : why.message}`);
    }
    this.#wait(Math.min(RETRY_MS * 2 ** Math.max(0, Math.min(this.#failures, 8) - 1), RETRY_MOST_MS), () => this.#connect());
  }

  #wait(ms: number, act: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(act, ms).unref();
  }

  #tell(bypasses: ReadonlyMap<string, string>, trouble: string | null): void {
    const same = bypasses.size === this.#bypasses.size && [...bypasses].every(([name, why]) => this.#bypasses.get(name) === why);
    if (same && trouble === this.#trouble) return;
    if (!same) this.#bypasses = bypasses;
    this.#trouble = trouble;
    this.#onChange();
  }
}
