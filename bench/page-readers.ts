/**
 * Sixteen readers of an agent's stream, and a page that scrolls through all HAVIPs, in a process of their own:
 *
 *     node page-readers.js SOCKET EVERY_MS
 *
 * A page is asked for each EVERY_MS, the next one of the list or, behind the last, the first. Says `reading` when all read, and at SIGTERM
 * how many events and pages came.
 */
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HavipPage } from '../src/api/list.ts';
import { Client } from '../src/cli/client.ts';

const READERS = 16;

const [socketPath = '', everyMs = ''] = process.argv.slice(2);
const counted = { events: 0, pages: 0, cut: 0 };
const ending = new AbortController();
process.once('SIGTERM', () => ending.abort());
await Promise.all(Array.from({ length: READERS }, read));
process.stdout.write('reading\n');
const client = new Client(`unix:${socketPath}`);
for (let after: string | null = null; !ending.signal.aborted;) {
  const query = `limit=100${after === null ? '' : `&after=${encodeURIComponent(after)}`}`;
  const { body } = await client.get(`/api/v1/havips?${query}`);
  ({ next: after } = JSON.parse(body.toString()) as HavipPage);
  counted.pages++;
  await sleep(Number(everyMs));
}
process.stdout.write(`${JSON.stringify(counted)}\n`, () => process.exit());

function read(): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/api/v1/stream' }, (reply: IncomingMessage) => {
      reply.setEncoding('utf8');
      reply.on('data', (text: string) => {
        counted.events += text.split('event: event\n').length - 1;
        counted.cut += text.split('event: cut\n').length - 1;
      });
      resolve();
    });
    asked.on('error', reject);
    asked.end();
  });
}
