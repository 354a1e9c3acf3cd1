/** An agent's answer, handed through as it comes. */
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { codeOf, messageOf } from '../base/failure.ts';
import { formatListen, type Listen } from '../config/listen.ts';
import { say } from './answers.ts';

const TIMEOUT_MS = 10_000;
const KEPT = ['content-type', 'content-length'] as const;

export function toOf(listen: Listen): { socketPath: string } | { host: string; port: number } {
  return 'unix' in listen ? { socketPath: listen.unix } : { host: listen.host, port: listen.port };
}

/** @param headers for the agent; nothing of what the page sent beside its body goes on */
export function handThrough(
  asked: IncomingMessage,
  reply: ServerResponse,
  agent: Listen,
  path: string,
  headers: Readonly<Record<string, string>>,
): void {
  const method = asked.method ?? 'GET';
  const onward = request({ ...toOf(agent), method, path, headers, timeout: TIMEOUT_MS }, (answer) => {
    reply.statusCode = answer.statusCode ?? 502;
    for (const name of KEPT) {
      const value = answer.headers[name];
      if (value !== undefined) reply.setHeader(name, value);
    }
    if (path.endsWith('/record')) reply.setHeader('content-disposition', `attachment; filename="${nameOf(path)}.pcapng"`);
    answer.pipe(reply);
    answer.on('error', () => reply.destroy());
  });
  onward.on('timeout', () => onward.destroy(new Error(`nothing for ${TIMEOUT_MS / 1000} s`)));
  onward.on('error', (error) => say(reply, 502, { error: noAnswer(agent, error) }));
  reply.on('close', () => onward.destroy());
  if (method === 'POST') asked.pipe(onward);
  else onward.end();
}

export function noAnswer(agent: Listen, error: unknown): string {
  return `no agent answers at ${formatListen(agent)}: ${codeOf(error) ?? messageOf(error)}`;
}

/** Of a HAVIP's path, as a file may be called. */
function nameOf(path: string): string {
  return (path.split('/').at(-2) ?? 'havip').replaceAll(/[^A-Za-z0-9._-]/g, '_');
}
