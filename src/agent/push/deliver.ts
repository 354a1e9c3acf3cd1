/** One attempt to tell one receiver of one event; it ends within its limit. Runs in the process that pushes (child.ts). */
import { spawn } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import { codeOf } from '../../base/failure.ts';
import type { Delivery, Pushed, Target } from './message.ts';
import type { Receiver } from './queue.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DELIVERED: Delivery = { outcome: 'delivered', why: null };
/** Of what a program says when it fails, for the log. */
const SAID_MOST = 300;

export function receiverOf(target: Target, limitMs: number, atOnce: number): Receiver {
  if ('exec' in target) return { deliver: (event) => run(target.exec, event, limitMs) };
  const url = new URL(target.webhook);
  const options = { keepAlive: true, maxSockets: atOnce };
  const agent = url.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
  return { deliver: (event) => post(url, agent, event, limitMs) };
}

/** The event on stdin and in the environment. A process group of its own: what it started ends with it. */
function run(argv: readonly string[], event: Pushed, limitMs: number): Promise<Delivery> {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { PATH, ...event.words },
    });
    let said = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      killGroup(child.pid);
    }, limitMs);
    const end = (delivery: Delivery) => {
      clearTimeout(timer);
      child.stderr.destroy();
      resolve(delivery);
    };
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length < SAID_MOST) said += chunk.toString();
    });
    child.stdin.on('error', () => {}); // a program need not read it: its exit code is what counts
    child.stdin.end(event.body);
    child.on('error', (error) => end({ outcome: 'failed', why: `${program}: ${error.message}` }));
    child.on('exit', (code, signal) => {
      if (code === 0) return end(DELIVERED);
      const how = isLate ? `took longer than ${limitMs} ms` : signal === null ? `exit code ${code}` : signal;
      const words = said.trim().split('\n').at(-1)?.slice(0, SAID_MOST) ?? '';
      end({ outcome: 'failed', why: `${program}: ${how}${words === '' ? '' : `: ${words}`}` });
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function post(url: URL, agent: http.Agent, event: Pushed, limitMs: number): Promise<Delivery> {
  const away = (why: string): Delivery => ({ outcome: 'away', why: `${url.origin}: ${why}` });
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'content-length': Buffer.byteLength(event.body),
      'user-agent': 'havip-agent',
    };
    const asked = request(url, { method: 'POST', agent, headers, signal: AbortSignal.timeout(limitMs) }, (response) => {
      const status = response.statusCode ?? 0;
      response.on('error', (error) => resolve(away(error.message)));
      response.on('end', () => resolve(judge(url, status)));
      response.resume();
    });
    asked.on('error', (error) => resolve(away(error.name === 'AbortError' ? `no answer within ${limitMs} ms` : error.message)));
    asked.end(event.body);
  });
}

/** Its trouble may pass; that it does not want this event does not. */
function judge(url: URL, status: number): Delivery {
  if (status >= 200 && status < 300) return DELIVERED;
  const isAway = [408, 425, 429, 502, 503, 504].includes(status);
  return { outcome: isAway ? 'away' : status >= 500 ? 'failed' : 'refused', why: `${url.origin}: status ${status}` };
}
