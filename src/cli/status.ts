/**
 * `havip-agent status [HAVIP|PATTERN]`
 */
import { setTimeout } from 'node:timers/promises';
import type { HavipView, PortView, StatusView } from '../api/types.ts';
import { failureOf, messageOf } from '../base/failure.ts';
import { type Client, clientOf, HTTP_OPTION } from './client.ts';
import { CommandError, DONE, JSON_OPTION, NO, readArgs, secondsOf } from './command.ts';
import type { Command, Io } from './command.ts';
import { formatHavip } from './havip-text.ts';
import { formatStatus, HAVIP_STATES, statesOf } from './status-text.ts';

const POSITIONALS = [{ name: 'HAVIP', optional: true }];
const OPTIONS = {
  state: { type: 'string', choices: HAVIP_STATES, description: 'only HAVIPs in this state' },
  all: { type: 'boolean', description: 'every HAVIP: on a terminal the 50 that need attention most are shown otherwise' },
  watch: { type: 'string', value: 'SECONDS', bare: '2', description: 'again and again, each 2 s or SECONDS, until interrupted' },
  wait: {
    type: 'string',
    value: 'SECONDS',
    bare: '30',
    description: 'until the agent is ready, 30 s or SECONDS at most; it need not run yet',
  },
  json: JSON_OPTION,
  http: HTTP_OPTION,
} as const;

/** Between two looks of --wait. */
const LOOK_MS = 250;
const CLEAR = '\u001B[H\u001B[2J';

interface Wanted {
  readonly pattern: string | undefined;
  readonly state: string | undefined;
  readonly all: boolean;
  readonly json: boolean;
}

interface Answer {
  readonly status: StatusView;
  readonly havips: readonly HavipView[];
  readonly ports: readonly PortView[];
}

export const command: Command = {
  name: 'status',
  summary: 'who holds what, since when, the last failovers, ports and drops',
  positionals: POSITIONALS,
  about:
    'Asks a running agent who holds which HAVIP, since when, when the holder was last seen, who is expected to be next, how the last failover went, and what was dropped.\nOf one HAVIP, by its id or its address, everything that is known; of those whose id or address matches a pattern with * and ?, the table.',
  options: OPTIONS,
  exits: {
    0: 'the agent is ready',
    1: 'it is not ready, or has no such HAVIP',
    2: 'wrong use',
    3: 'no agent answers',
  },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const [watchSeconds, waitSeconds] = [secondsOf(values.watch, '--watch'), secondsOf(values.wait, '--wait')];
    const client = clientOf(values.http, io);
    const { state, all = false, json = false } = values;
    const wanted: Wanted = { pattern: positionals[0], state, all, json };
    if (waitSeconds !== null) await untilReady(client, waitSeconds);
    for (;;) {
      const answer = watchSeconds === null ? await ask(client, wanted) : await tryToAsk(client, wanted, io);
      if (answer !== null) tell(answer, wanted, watchSeconds !== null, io);
      if (watchSeconds === null) return answer === null ? NO : exitCodeOf(answer, io);
      await setTimeout(watchSeconds * 1000);
    }
  },
};

function exitCodeOf({ status: { ready, reason } }: Answer, io: Io): number {
  if (ready) return DONE;
  io.stderr(`not ready: ${reason ?? 'no reason given'}\n`);
  return NO;
}

/** Whoever waits is told by what follows how it ended. */
async function untilReady(client: Client, seconds: number): Promise<void> {
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    try {
      if ((await client.get('/-/ready')).status === 200) return;
    } catch (error) {
      if (failureOf(error) !== 'no-agent') throw error;
    }
    await setTimeout(LOOK_MS);
  }
}

async function ask(client: Client, { pattern, state }: Wanted): Promise<Answer> {
  const [status, found, ports] = await Promise.all([
    client.json<StatusView>('/api/v1/status'),
    find(client, pattern),
    client.json<PortView[]>('/api/v1/ports'),
  ]);
  return { status, havips: state === undefined ? found : found.filter((havip) => statesOf(havip).includes(state)), ports };
}

/** For who watches: an agent that is away may come back. */
async function tryToAsk(client: Client, wanted: Wanted, io: Io): Promise<Answer | null> {
  try {
    return await ask(client, wanted);
  } catch (error) {
    if (failureOf(error) !== 'no-agent') throw error;
    io.stdout(`${io.terminal === null ? '' : CLEAR}${messageOf(error)}\n`);
    return null;
  }
}

async function find(client: Client, pattern: string | undefined): Promise<readonly HavipView[]> {
  if (pattern !== undefined && !/[*?]/.test(pattern)) {
    const path = `/api/v1/havips/${encodeURIComponent(pattern)}`;
    // Else it may be an address.
    if ((await client.get(path)).status === 200) return [await client.json<HavipView>(path)];
  }
  const all = await client.json<HavipView[]>('/api/v1/havips');
  if (pattern === undefined) return all;
  const matching = matcherOf(pattern);
  const found = all.filter(({ id, address }) => matching.test(id) || matching.test(address));
  if (found.length === 0) throw new CommandError('refusal', `there is no HAVIP "${pattern}"`);
  return found;
}

function matcherOf(pattern: string): RegExp {
  const parts = pattern.split(/([*?])/).map((part) => {
    if (part === '*') return '.*';
    return part === '?' ? '.' : part.replaceAll(/[\\^$.|+()[\]{}]/g, String.raw`\$&`);
  });
  return new RegExp(`^${parts.join('')}$`);
}

function tell(answer: Answer, { pattern, all, json }: Wanted, again: boolean, io: Io): void {
  const { status, havips, ports } = answer;
  if (json) return io.stdout(`${JSON.stringify({ ...status, havips, ports }, null, again ? undefined : 2)}\n`);
  const [only] = havips;
  const isOne = pattern !== undefined && !/[*?]/.test(pattern) && havips.length === 1 && only !== undefined;
  const nowMs = Date.now();
  const text = isOne ? formatHavip(only, nowMs, io.terminal) : formatStatus({ status, havips, ports, all, nowMs }, io.terminal);
  io.stdout(`${again && io.terminal !== null ? CLEAR : ''}${text}`);
}
