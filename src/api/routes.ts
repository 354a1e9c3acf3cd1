/**
 * What is asked of the agent by path, and what each answer is. Main thread. Everything answered is data that is at hand, and long lists
 * are written in pieces, so that a request never holds up a failover.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Query, readQuery } from './query.ts';
import type { Feed } from './stream.ts';
import type {
  EipView,
  EventView,
  FailoverView,
  HavipView,
  HostView,
  PortView,
  Readiness,
  StatusView,
  UplinkView,
} from './types.ts';

export interface HttpSource {
  /** The main loop and the workers turn. */
  healthy(): boolean;
  readiness(): Readiness;
  status(): StatusView;
  havips(): Iterable<HavipView>;
  havip(id: string): HavipView | null;
  ports(): Iterable<PortView>;
  uplinks(): Iterable<UplinkView>;
  eips(): Iterable<EipView>;
  hosts(): Iterable<HostView>;
  /** Oldest first. */
  events(): readonly EventView[];
  /** A page of HAVIPs, as JSON. */
  page(query: Query): Promise<string>;
  /** The last failovers of a HAVIP, oldest first; null when there is no such HAVIP. */
  failovers(id: string): readonly FailoverView[] | null;
  /** Events as they come; null: there are too many readers. @param lastId of the event that the reader had last */
  stream(lastId: string | null): Feed | null;
  /** The verdict on a frame, by what is configured and held now. @param port an interface, whether it is a port or not */
  explain(port: string, frame: Uint8Array, length: number): object;
  /** The flight recorder of a HAVIP as pcapng; null when there is no such HAVIP. */
  recording(id: string): Uint8Array | null;
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array | AsyncIterable<string> | Feed;
}

type Handler = (source: HttpSource, id: string, query: URLSearchParams, lastEventId: string) => Answer | Promise<Answer>;

/** What answers and is read at once, so that it needs no more than a moment of a connection. */
export function isHealth(target: string): boolean {
  return /^\/-\/(healthy|ready)(\?|$)/.test(target);
}

const STARTING = { ready: false, reason: 'the agent is starting' };

const ROUTES: readonly (readonly [RegExp, Handler])[] = [
  [/^\/metrics$/, async (source) => metrics(await source.metrics())],
  [/^\/-\/healthy$/, (source) => json(source.healthy() ? 200 : 503, { healthy: source.healthy() })],
  [/^\/-\/ready$/, (source) => ready(source.readiness())],
  [/^\/api\/v1\/status$/, (source) => json(200, source.status())],
  [/^\/api\/v1\/havips$/, (source, _id, query) => (query.size === 0 ? jsonList(source.havips()) : page(source, query))],
  [/^\/api\/v1\/havips\/([^/]+)$/, (source, id) => found(source.havip(id), id)],
  [/^\/api\/v1\/havips\/([^/]+)\/record$/, (source, id) => recording(source.recording(id), id)],
  [/^\/api\/v1\/ports$/, (source) => jsonList(source.ports())],
  [/^\/api\/v1\/uplinks$/, (source) => jsonList(source.uplinks())],
  [/^\/api\/v1\/eips$/, (source, _id, query) => firstOf(source.eips(), query)],
  [/^\/api\/v1\/hosts$/, (source) => jsonList(source.hosts())],
  [/^\/api\/v1\/havips\/([^/]+)\/failovers$/, (source, id) => failovers(source.failovers(id), id)],
  [/^\/api\/v1\/events$/, (source, _id, query) => events(source.events(), query)],
  [/^\/api\/v1\/explain$/, (source, _id, query) => explain(source, query)],
  [/^\/api\/v1\/stream$/, (source, _id, query, last) => stream(source.stream(last || query.get('lastEventId')))],
];

/**
 * @param source null while the agent starts
 * @param target path and query of the request; also in absolute form (RFC 9112, 3.2.2), as a proxy gets it
 */
export function answer(source: HttpSource | null, method: string, target: string, lastEventId = ''): Answer | Promise<Answer> {
  const [path = '/', search = ''] = target.replace(/^https?:\/\/[^/?]*/i, '').split('?', 2);
  if (source === null) return path === '/-/healthy' ? json(200, { healthy: true }) : json(503, STARTING);
  for (const [pattern, handle] of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    // A stream has no end to speak of.
    if (method === 'HEAD' && path === '/api/v1/stream') return { status: 200, type: 'text/event-stream', body: '' };
    if (method !== 'GET' && method !== 'HEAD') return json(405, { error: `${method} is not allowed; only GET and HEAD` });
    const id = decode(match[1] ?? '');
    return id === null
      ? json(400, { error: 'the path is not well-formed' })
      : handle(source, id, new URLSearchParams(search), lastEventId);
  }
  return json(404, { error: `there is no ${path}` });
}

export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function jsonList(items: Iterable<unknown>): Answer {
  return { status: 200, type: 'application/json', body: pieces(items) };
}

/** `limit`: how many at most. */
function firstOf(items: Iterable<unknown>, query: URLSearchParams): Answer {
  const limit = query.has('limit') ? wholeNumber(query.get('limit') ?? '') : Infinity;
  if (limit === null || limit < 1) return json(400, { error: 'limit must be a whole number of at least 1' });
  return jsonList(first(items, limit));
}

function* first(items: Iterable<unknown>, limit: number): Iterable<unknown> {
  let left = limit;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
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

async function page(source: HttpSource, parameters: URLSearchParams): Promise<Answer> {
  const query = readQuery(parameters);
  if (typeof query === 'string') return json(400, { error: query });
  return { status: 200, type: 'application/json', body: await source.page(query) };
}

function failovers(list: readonly FailoverView[] | null, id: string): Answer {
  return list === null ? json(404, { error: `there is no HAVIP "${id}"` }) : json(200, list);
}

function stream(feed: Feed | null): Answer {
  if (feed === null) return json(503, { error: 'too many readers of the stream' });
  return { status: 200, type: 'text/event-stream', body: feed };
}

/** `port`: an interface. `frame`: its first bytes in hex. `length`: bytes on the wire, where those are more. */
function explain(source: HttpSource, query: URLSearchParams): Answer {
  const port = query.get('port') ?? '';
  const hex = query.get('frame') ?? '';
  if (port === '') return json(400, { error: 'port must be an interface' });
  if (!/^([0-9a-f]{2})+$/i.test(hex)) return json(400, { error: 'frame must be the bytes of a frame in hex' });
  const frame = Uint8Array.from(Buffer.from(hex, 'hex'));
  const length = wholeNumber(query.get('length') ?? String(frame.length));
  if (length === null) return json(400, { error: 'length must be a whole number' });
  return json(200, source.explain(port, frame, length));
}

function metrics({ type, text }: { readonly type: string; readonly text: string }): Answer {
  return { status: 200, type, body: text };
}

function ready(readiness: Readiness): Answer {
  return json(readiness.ready ? 200 : 503, readiness);
}

function found(view: HavipView | null, id: string): Answer {
  return view === null ? json(404, { error: `there is no HAVIP "${id}"` }) : json(200, view);
}

function recording(bytes: Uint8Array | null, id: string): Answer {
  if (bytes === null) return json(404, { error: `there is no HAVIP "${id}"` });
  return { status: 200, type: 'application/x-pcapng', body: bytes };
}

/** `havip`: of this one alone. `since`: the events after this number or time, oldest first; without it the newest. `limit`: how many at most. */
function events(every: readonly EventView[], query: URLSearchParams): Answer {
  const havip = query.get('havip');
  const all = havip === null ? every : every.filter((event) => event.havip === havip);
  const limit = wholeNumber(query.get('limit') ?? '1000');
  if (limit === null || limit < 1) return json(400, { error: 'limit must be a whole number of at least 1' });
  const since = query.get('since');
  if (since === null) return json(200, all.slice(-limit));
  const number = wholeNumber(since);
  const from = number ?? (TIME.test(since) ? Date.parse(since) : Number.NaN);
  if (Number.isNaN(from)) return json(400, { error: 'since must be an event number or a time like 2026-01-31T12:00:00Z' });
  return json(200, all.filter((event) => (number === null ? Date.parse(event.at) : event.seq) > from).slice(0, limit));
}

/** RFC 3339. Date.parse() takes a lot more: `-1` is a day in 2001 to it. */
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function wholeNumber(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
