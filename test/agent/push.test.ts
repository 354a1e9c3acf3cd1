/** Events told to a real HTTP server that is quick, slow, dead and back, and to programs; through the process that does it (dist/). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { until } from '../../native-fixtures/lab/until.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { PUSH_LIMITS, type PushLimits, type Target } from '../../src/agent/push/message.ts';
import { Push } from '../../src/agent/push/push.ts';
import type { LedgerEvent } from '../../src/ledger/effects.ts';

interface CloudEvent {
  readonly id: string;
  readonly subject: string;
  readonly data: { readonly epoch: number };
}

/** Listens, answers as it is told to, and keeps what it was sent. */
class Receiver {
  readonly events: CloudEvent[] = [];
  readonly types: (string | undefined)[] = [];
  answer: (count: number) => { status: number; afterMs?: number } | null = () => ({ status: 204 });
  #server: Server | null = null;
  port = 0;

  async open(): Promise<void> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const answer = this.answer(this.events.length);
        if (answer === null) return;
        setTimeout(() => {
          if (answer.status < 300) this.events.push(JSON.parse(Buffer.concat(chunks).toString()) as CloudEvent);
          this.types.push(request.headers['content-type']);
          response.writeHead(answer.status).end();
        }, answer.afterMs ?? 0);
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }
}

let seq = 0;
const event = (epoch: number, havip = 'havip-1'): LedgerEvent & { seq: number } => ({
  seq: ++seq,
  kind: 'failover',
  at: new Date().toISOString(),
  havip,
  vpc: 'vpc-1',
  epoch,
  from: 'cvm-1',
  to: 'cvm-2',
  cause: 'silence',
  phasesMs: null,
  text: `${havip}: cvm-1 -> cvm-2`,
});
const QUICK: PushLimits = { ...PUSH_LIMITS, backoff: { firstMs: 20, mostMs: 100 } };
const LATE_MS = 30_000;
const epochsOf = (events: readonly CloudEvent[], havip: string) =>
  events.filter(({ subject }) => subject === `vpc-1/${havip}`).map(({ data }) => data.epoch);

const childrenOf = () =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

describe('events are told', () => {
  let folder: string;
  let receiver: Receiver;
  let push: Push;
  const said: string[] = [];
  const path = (name: string) => join(folder, name);
  const program = (name: string, text: string) => {
    writeFileSync(path(name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return path(name);
  };
  const start = (targets: readonly Target[], limits = QUICK) => {
    const log = { info: () => {}, debug: () => {}, warn: () => {}, error: (_: object, text: string) => void said.push(text) };
    const childFile = join(projectRoot(), 'dist/src/agent/push/child.js');
    push = new Push({ host: 'host-a', log, isRoot: process.getuid?.() === 0, limits, childFile });
    push.configure(targets);
  };
  const reaches = (outcome: 'delivered' | 'dropped' | 'retried', least: number) =>
    until(`${least} ${outcome}`, () => (push.counts()[0]?.[outcome] ?? 0) >= least, LATE_MS);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'havip-push-'));
    said.length = 0;
    receiver = new Receiver();
    await receiver.open();
  });
  afterEach(async () => {
    push.close();
    await receiver.close();
    rmSync(folder, { recursive: true });
  });

  it('to a webhook as CloudEvents, each HAVIP’s in the order of its epochs', async () => {
    start([{ webhook: receiver.url }]);
    // Later answers sooner: only who waits for the one before keeps the order.
    receiver.answer = (count) => ({ status: 200, afterMs: 20 - (count % 20) });
    for (let epoch = 1; epoch <= 20; epoch++) for (const havip of ['havip-1', 'havip-2']) push.tell(event(epoch, havip));
    await reaches('delivered', 40);
    const inOrder = Array.from({ length: 20 }, (_, i) => i + 1);
    expect([epochsOf(receiver.events, 'havip-1'), epochsOf(receiver.events, 'havip-2')]).toEqual([inOrder, inOrder]);
    expect(receiver.events[0]).toMatchObject({
      specversion: '1.0',
      source: '/havip-agent/host-a',
      type: 'havip.failover',
      subject: 'vpc-1/havip-1',
      time: expect.stringMatching(/Z$/),
      datacontenttype: 'application/json',
      data: { host: 'host-a', kind: 'failover', from: 'cvm-1', to: 'cvm-2', cause: 'silence', epoch: 1 },
    });
    expect(receiver.events[0]?.id).toMatch(/^host-a\/1\/[0-9a-f]{8}-\d+$/);
    expect(new Set(receiver.events.map(({ id }) => id)).size).toBe(40);
    expect(receiver.types[0]).toContain('application/cloudevents+json');
    expect(push.counts()).toEqual([{ target: '0-webhook', delivered: 40, retried: 0, dropped: 0, waiting: 0 }]);
  });

  it('after the receiver was dead, in order, when it is back', async () => {
    await receiver.close();
    start([{ webhook: receiver.url }]);
    for (let epoch = 1; epoch <= 5; epoch++) push.tell(event(epoch));
    await reaches('retried', 3);
    expect(push.troubles).toEqual([expect.stringMatching(/^notify: http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/)]);
    expect(push.troubles[0]).not.toContain('hook');
    await receiver.open();
    await reaches('delivered', 5);
    expect(epochsOf(receiver.events, 'havip-1')).toEqual([1, 2, 3, 4, 5]);
    expect(push.troubles).toEqual([]);
  });

  it('once more by a receiver that fails, and not when it does not want them', async () => {
    start([{ webhook: receiver.url }]);
    let asked = 0;
    receiver.answer = () => ({ status: ++asked <= 3 ? 503 : asked === 4 ? 200 : 404 });
    push.tell(event(1));
    push.tell(event(2));
    await reaches('dropped', 1);
    expect(push.counts()[0]).toMatchObject({ delivered: 1, retried: 3, dropped: 1, waiting: 0 });
    expect(epochsOf(receiver.events, 'havip-1')).toEqual([1]);
  });

  it('up to a bound where the receiver hangs: the oldest go and are counted, and the newest come when it answers', async () => {
    start([{ webhook: receiver.url }], { ...QUICK, waiting: 50, attemptMs: 500 });
    receiver.answer = () => null;
    for (let epoch = 1; epoch <= 500; epoch++) push.tell(event(epoch, `havip-${epoch % 5}`));
    await reaches('dropped', 440);
    await reaches('retried', 4);
    receiver.answer = () => ({ status: 200 });
    await until('nothing that waits', () => push.counts()[0]?.waiting === 0, LATE_MS);
    const { delivered, dropped } = push.counts()[0]!;
    expect(delivered + dropped).toBe(500);
    expect(delivered).toBe(receiver.events.length);
    expect(Math.max(...receiver.events.map(({ data }) => data.epoch))).toBe(500);
    for (let i = 0; i < 5; i++) {
      const epochs = epochsOf(receiver.events, `havip-${i}`);
      expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    }
  });

  test.skipIf(process.getuid?.() !== 0)('to a program, without privilege, as an ordinary process', async () => {
    const file = path('seen');
    const script = `cat >>${file}; echo >>${file}
grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status >>${file}; chrt -p $$ >>${file}
echo "$1 $HAVIP_EVENT $HAVIP_ID $HAVIP_EPOCH $HAVIP_FROM $HAVIP_TO" >>${file}`;
    start([{ exec: [program('told', script), 'word'] }]);
    push.tell(event(7));
    await reaches('delivered', 1);
    const seen = readFileSync(file, 'utf8');
    expect(JSON.parse(seen.split('\n')[0]!)).toMatchObject({ type: 'havip.failover', data: { epoch: 7 } });
    expect(seen.match(/^Cap\w+:\t0+$/gm)).toHaveLength(5);
    expect(seen).toContain('NoNewPrivs:\t1');
    expect(seen).toContain('SCHED_OTHER');
    expect(seen).toContain('word failover havip-1 7 cvm-1 cvm-2');
  });

  it('to a program that fails or takes too long: killed with all that it started, tried some times, and no longer', async () => {
    const file = path('tries');
    const script = `cat >/dev/null; echo x >>${file}; [ $HAVIP_EPOCH = 2 ] || { sleep 60 & echo $! >>${path('pids')}; wait; }`;
    start([{ exec: [program('slow', script)] }], { ...QUICK, attemptMs: 1000 });
    push.tell(event(1));
    push.tell(event(2));
    await reaches('delivered', 1);
    expect(push.counts()[0]).toMatchObject({ delivered: 1, retried: 4, dropped: 1 });
    expect(readFileSync(file, 'utf8').match(/x/g)).toHaveLength(6);
    for (const pid of readFileSync(path('pids'), 'utf8').trim().split('\n'))
      await until(`end of ${pid}`, () => {
        try {
          return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
        } catch {
          return true;
        }
      });
    expect(said.some((line) => /slow: took longer than 1000 ms/.test(line))).toBe(true);
  });

  it('though one receiver is wrong: the other hears all', async () => {
    start([{ exec: ['/nowhere/program'] }, { webhook: receiver.url }]);
    for (let epoch = 1; epoch <= 3; epoch++) push.tell(event(epoch));
    await until('all three', () => receiver.events.length === 3, LATE_MS);
    await until('its trouble', () => push.troubles.some((line) => line.includes('/nowhere/program')), LATE_MS);
  });

  it('by another process when the first is killed; what that had is counted as dropped', async () => {
    start([{ webhook: receiver.url }], { ...QUICK, attemptMs: 5000 });
    receiver.answer = () => null;
    push.tell(event(1));
    await until('a child', () => childrenOf().length === 1, LATE_MS);
    await until('one under way', () => push.counts()[0]?.waiting === 1);
    process.kill(childrenOf()[0]!, 'SIGKILL');
    await reaches('dropped', 1);
    receiver.answer = () => ({ status: 200 });
    push.tell(event(2));
    await reaches('delivered', 1);
    expect(epochsOf(receiver.events, 'havip-1')).toEqual([2]);
    expect(said.some((line) => line.includes('the process that pushes has ended'))).toBe(true);
  });

  it('to others after a reload, and what others had to hear waits on', async () => {
    receiver.answer = () => ({ status: 503 });
    start([{ webhook: receiver.url }]);
    push.tell(event(1));
    await reaches('retried', 1);
    push.configure([{ webhook: receiver.url }, { exec: [program('quiet', 'cat >/dev/null')] }]);
    push.tell(event(2));
    receiver.answer = () => ({ status: 200 });
    await until('both', () => push.counts().every(({ waiting }) => waiting === 0), LATE_MS);
    expect(epochsOf(receiver.events, 'havip-1')).toEqual([1, 2]);
    expect(push.counts()[1]).toMatchObject({ target: '1-exec', delivered: 1 });
    push.configure([]);
    await until('no child', () => childrenOf().length === 0, LATE_MS);
  });
});
