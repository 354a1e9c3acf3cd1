import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { Streams } from '../../src/api/stream.ts';
import type { EventView } from '../../src/api/types.ts';
import { httpSource } from '../../src/api/views.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { handAgent } from '../agent/hand.ts';
import { HAVIP, quiet, source } from './source.ts';

interface Message {
  readonly id?: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Server-sent events as a browser takes them apart; comments and `retry` left out. */
function messagesIn(text: string): Message[] {
  return text.split('\n\n').flatMap((block) => {
    const fields = Object.fromEntries(
      block.split('\n').flatMap((line) => {
        const at = line.indexOf(': ');
        return at > 0 ? [[line.slice(0, at), line.slice(at + 2)]] : [];
      }),
    );
    return fields['event'] === undefined || fields['data'] === undefined
      ? []
      : [{ ...fields, event: fields['event'], data: JSON.parse(fields['data']) as Record<string, unknown> }];
  });
}

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function serve() {
  const hand = handAgent();
  const metrics = createMetrics({ ...metricsSource(hand.agent), logLinesDropped: () => 0 }, '1.2.3', false);
  const api = httpSource(hand.agent, metrics);
  const server = createHttp(() => api, quiet);
  open.push({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  const address = await listenOn(server, { host: '127.0.0.1', port: 0 });
  /** @param lastId as a browser that comes back says it */
  const read = async (lastId?: string) => {
    const stop = new AbortController();
    open.push({ close: () => stop.abort() });
    const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId };
    const reply = await fetch(`http://${address}/api/v1/stream`, { signal: stop.signal, headers });
    let text = '';
    const take = async () => {
      for await (const piece of reply.body ?? []) text += Buffer.from(piece).toString();
    };
    take().catch(() => {}); // aborted at the end of the test
    return { reply, messages: () => messagesIn(text), stop: () => stop.abort() };
  };
  const bind = (tap: string) => {
    hand.link(tap, 'up');
    hand.say(tap, 'havip-1');
    hand.agent.turn();
  };
  return { ...hand, address, read, bind };
}

describe('the stream', () => {
  it('sends each event as it comes, and then the HAVIP as it is', async () => {
    const { read, bind } = await serve();
    const { reply, messages } = await read();
    expect(reply.headers.get('content-type')).toBe('text/event-stream');
    await until('reset', () => messages().length > 0);
    bind('tap7');
    await until('HAVIP', () => messages().some(({ event }) => event === 'havip'));
    expect(messages()).toMatchObject([
      { event: 'reset', id: expect.stringMatching(/^[0-9a-f]{8}-0$/) as string },
      {
        event: 'event',
        id: expect.stringMatching(/^[0-9a-f]{8}-1$/) as string,
        data: { kind: 'bound', havip: 'havip-1', to: 'cvm-1' },
      },
      { event: 'havip', data: { id: 'havip-1', state: 'bound', holder: { instance: 'cvm-1' } } },
    ]);
  });

  it('gives who comes back what was missed, and resets who comes from another life', async () => {
    const { read, bind } = await serve();
    const first = await read();
    await until('reset', () => first.messages().length > 0);
    bind('tap7');
    await until('event', () => first.messages().some(({ event }) => event === 'event'));
    const { id = '' } = first.messages().find(({ event }) => event === 'event') ?? {};
    first.stop();
    bind('tap13');
    const again = await read(id);
    await until('missed event', () => again.messages().length > 0);
    expect(again.messages()[0]).toMatchObject({ event: 'event', data: { seq: 2 } });
    for (const other of ['0badc0de-1', `${id.slice(0, 8)}-999`, 'nonsense']) {
      const stranger = await read(other);
      await until('reset', () => stranger.messages().length > 0);
      expect(stranger.messages()[0]?.event).toBe('reset');
      stranger.stop();
    }
  });

  it('has room for sixteen', async () => {
    const { read } = await serve();
    const readers = [];
    for (let i = 0; i < 16; i++) readers.push(await read());
    expect((await read()).reply.status).toBe(503);
    readers[0]?.stop();
    await until('room', async () => (await read()).reply.status === 200);
  });

  it('is read by a socket, not by HEAD', async () => {
    const { address } = await serve();
    const head = await fetch(`http://${address}/api/v1/stream`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});

const event = (seq: number): EventView => ({ ...source().events()[0]!, seq, text: 'x'.repeat(1000) });

describe('a reader of whom nothing is to be told', () => {
  it('hears each 15 seconds that the agent is there', async () => {
    vi.useFakeTimers();
    try {
      const streams = new Streams({ events: () => [], havip: () => HAVIP, onEvent: () => () => {} });
      const reader = streams.open(null);
      let read = '';
      const reading = (async () => {
        for await (const text of reader ?? []) read += text;
      })();
      await vi.advanceTimersByTimeAsync(14_000);
      const before = read;
      await vi.advanceTimersByTimeAsync(2_000);
      expect(read.slice(before.length)).toBe(': \n\n');
      reader?.leave();
      await reading;
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a reader that does not keep up', () => {
  it('is told so and cut, and nobody else waits for it', async () => {
    const listeners = new Set<(event: EventView) => void>();
    const streams = new Streams({
      events: () => [],
      havip: () => HAVIP,
      onEvent: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    });
    const slow = streams.open(null);
    const quick = streams.open(null);
    let read = '';
    const reading = (async () => {
      for await (const text of quick ?? []) read += text;
    })();
    for (let i = 1; i <= 400; i++) {
      for (const tell of listeners) tell(event(i));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const said: string[] = [];
    for await (const text of slow ?? []) said.push(text);
    expect(said).toEqual(['event: cut\ndata: {}\n\n']);
    await until('last event', () => read.includes('-400\n'));
    expect(messagesIn(read).filter(({ event: kind }) => kind === 'event').length).toBe(400);
    expect(listeners.size).toBe(1);
    quick?.leave();
    await reading;
    expect(listeners.size).toBe(0);
  });

  it('gives its place back when it is gone', async () => {
    const { address, read } = await serve();
    const [host = '', port = ''] = address.split(':');
    for (let i = 0; i < 40; i++) {
      const socket = connect(Number(port), host);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write('GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await new Promise((resolve) => socket.once('data', resolve));
      socket.destroy();
    }
    await until('room', async () => (await read()).reply.status === 200);
  });
});
