/** What is asked of the console, and of agents through it. */
import type {
  EipView,
  EventView,
  FailoverView,
  HavipView,
  HostView,
  PortView,
  StatusView,
  UplinkView,
} from '../src/api/types.ts';
import type { HavipPage } from '../src/api/list.ts';

export type { EipView, EventView, FailoverView, HavipPage, HavipView, HostView, PortView, StatusView, UplinkView };

/** What the console is. */
export interface About {
  readonly version: string;
  /** Their addresses. */
  readonly agents: readonly string[];
  readonly writes: boolean;
  /** Why it does not. */
  readonly why: string | null;
}

async function documentOf<T>(path: string, init: RequestInit = {}): Promise<T> {
  const reply = await fetch(path, { ...init, signal: init.signal ?? AbortSignal.timeout(15_000) });
  const document: T & { readonly error?: string } = await reply.json();
  if (!reply.ok) throw new Error(document.error ?? `${path}: HTTP status ${reply.status}`);
  return document;
}

export function about(): Promise<About> {
  return documentOf('/console');
}

export function get<T>(agent: number, path: string, signal?: AbortSignal): Promise<T> {
  return documentOf(`/agents/${agent}/api/v1/${path}`, signal === undefined ? {} : { signal });
}

/** A wish of its own each time: pressed twice, or sent twice, it is followed once. */
export function write<T>(agent: number, method: 'POST' | 'DELETE', path: string, key: string, value?: object): Promise<T> {
  const headers = { 'idempotency-key': key, 'content-type': 'application/json' };
  const body = value === undefined ? {} : { body: JSON.stringify(value) };
  return documentOf(`/agents/${agent}/api/v1/${path}`, { method, headers, ...body });
}

export interface Listener {
  event(agent: number, event: EventView): void;
  /** A HAVIP as it is now; without an address it is released. */
  havip(agent: number, havip: HavipView | { readonly id: string; readonly state: 'released' }): void;
  /** Something was missed: read again. */
  reset(agent: number): void;
  /** @param why null: it answers */
  away(agent: number, why: string | null): void;
  /** The console itself is there, or not. */
  live(isLive: boolean): void;
}

interface Told {
  readonly agent: number;
  readonly data: unknown;
}

export function listen(listener: Listener): () => void {
  const source = new EventSource('/stream');
  const on = (kind: string, take: (agent: number, data: unknown) => void) =>
    source.addEventListener(kind, ({ data }: MessageEvent<string>) => {
      const told: Told = JSON.parse(data);
      take(told.agent, told.data);
    });
  /* oxlint-disable typescript/no-unsafe-type-assertion -- the API's word for what each kind carries */
  on('event', (agent, data) => listener.event(agent, data as EventView));
  on('havip', (agent, data) => listener.havip(agent, data as HavipView));
  on('away', (agent, data) => listener.away(agent, (data as { why: string }).why));
  /* oxlint-enable typescript/no-unsafe-type-assertion */
  on('reset', (agent) => {
    listener.away(agent, null);
    listener.reset(agent);
  });
  source.addEventListener('open', () => listener.live(true));
  source.addEventListener('error', () => listener.live(false));
  return () => source.close();
}
