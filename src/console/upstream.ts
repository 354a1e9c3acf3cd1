/** One agent's `/api/v1/stream`, read for as long as somebody wants it, and begun again where it left off. */
import { request, type ClientRequest } from 'node:http';
import { messageOf } from '../base/failure.ts';
import type { Listen } from '../config/listen.ts';
import { noAnswer, toOf } from './handover.ts';

const AGAIN_MS = 1000;
/** The agent's heartbeat is a third of it. */
const SILENT_MS = 45_000;
/** Anybody may listen there: no event of an agent's is that long. */
const MESSAGE_MOST = 1024 * 1024;

type Take = (kind: string, data: unknown) => void;

export class Upstream {
  /** Why it does not answer; null: it does, or nobody asked it yet. */
  why: string | null = null;
  readonly #find: () => Listen;
  readonly #take: Take;
  #asked: ClientRequest | null = null;
  #again: NodeJS.Timeout | null = null;
  #lastId = '';

  constructor(find: () => Listen, take: Take) {
    this.#find = find;
    this.#take = take;
  }

  start(): void {
    const listen = this.#find();
    const headers = this.#lastId === '' ? {} : { 'last-event-id': this.#lastId };
    const asked = request({ ...toOf(listen), path: '/api/v1/stream', headers, timeout: SILENT_MS }, (answer) => {
      if (answer.statusCode !== 200) {
        answer.resume();
        return asked.destroy(new Error(`HTTP status ${answer.statusCode}`));
      }
      if (this.why !== null) this.#take('reset', {});
      this.why = null;
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (piece: string) => {
        text += piece;
        const end = text.lastIndexOf('\n\n');
        if (end < 0 && text.length > MESSAGE_MOST) asked.destroy(new Error('it sends no events'));
        if (end < 0) return;
        for (const block of text.slice(0, end).split('\n\n')) this.#message(block);
        text = text.slice(end + 2);
      });
      answer.on('error', (error) => this.#ended(asked, messageOf(error)));
      answer.on('end', () => this.#ended(asked, `the agent at ${labelOf(listen)} ended the stream`));
      return undefined;
    });
    this.#asked = asked;
    asked.on('timeout', () => asked.destroy(new Error(`nothing for ${SILENT_MS / 1000} s`)));
    asked.on('error', (error) => this.#ended(asked, noAnswer(listen, error)));
    asked.end();
  }

  stop(): void {
    if (this.#again !== null) clearTimeout(this.#again);
    this.#again = null;
    const asked = this.#asked;
    this.#asked = null;
    asked?.destroy();
  }

  #ended(asked: ClientRequest, why: string): void {
    if (this.#asked !== asked) return;
    this.#asked = null;
    asked.destroy();
    if (this.why !== why) this.#take('away', { why });
    this.why = why;
    this.#again = setTimeout(() => this.start(), AGAIN_MS);
  }

  #message(block: string): void {
    let [kind, data, id] = ['message', '', ''];
    for (const line of block.split('\n')) {
      const [, field, value = ''] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
      if (field === 'event') kind = value;
      else if (field === 'data') data = value;
      else if (field === 'id') id = value;
    }
    if (id !== '') this.#lastId = id;
    if (data === '') return;
    try {
      this.#take(kind, JSON.parse(data));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#asked?.destroy(new Error('it sends no JSON'));
    }
  }
}

function labelOf(listen: Listen): string {
  return 'unix' in listen ? listen.unix : `${listen.host}:${listen.port}`;
}
