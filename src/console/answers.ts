/** What the console itself answers. */
import type { ServerResponse } from 'node:http';

export function say(reply: ServerResponse, status: number, document: object): void {
  if (reply.headersSent) return void reply.destroy();
  reply.statusCode = status;
  reply.setHeader('content-type', 'application/json');
  reply.end(`${JSON.stringify(document)}\n`);
}
