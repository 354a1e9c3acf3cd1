/**
 * `havip-agent events [HAVIP] [--follow]`
 */
import { setTimeout } from 'node:timers/promises';
import type { EventView } from '../api/types.ts';
import { failureOf, messageOf } from '../base/failure.ts';
import { type Client, clientOf, HTTP_OPTION } from './client.ts';
import { DONE, readArgs } from './command.ts';
import type { Command, Io } from './command.ts';
import { type Colour, paintOn } from './table.ts';

const POSITIONALS = [{ name: 'HAVIP', optional: true }];
const OPTIONS = {
  follow: { type: 'boolean', description: 'go on with those to come, until interrupted, also over a restart of the agent' },
  since: {
    type: 'string',
    value: 'TIME',
    description: 'those after an event’s number, or after a time like 2026-01-31T12:00:00Z',
  },
  limit: { type: 'string', value: 'N', description: 'at most so many; 1000 are kept' },
  json: { type: 'boolean', description: 'one JSON document per line and event' },
  http: HTTP_OPTION,
} as const;

const LOOK_MS = 500;
const COLOURS: Readonly<Record<string, Colour>> = { contested: 'red', failover: 'yellow', unbound: 'yellow', bound: 'green' };

export const command: Command = {
  name: 'events',
  summary: 'what happened to HAVIPs since the agent started',
  positionals: POSITIONALS,
  about:
    'Lists what happened since the agent started, oldest first: HAVIPs that were bound, went to another holder, were contested.',
  options: OPTIONS,
  exits: { 0: 'done', 1: 'the agent refuses the question', 2: 'wrong use', 3: 'no agent answers' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const client = clientOf(values.http, io);
    const query = { havip: positionals[0], since: values.since, limit: values.limit };
    const say = (events: readonly EventView[]) => {
      for (const event of events) io.stdout(values.json === true ? `${JSON.stringify(event)}\n` : textOf(event, io));
    };
    const events = await client.json<EventView[]>(pathOf(query));
    say(events);
    if (values.follow !== true) return DONE;
    return follow(client, query, events.at(-1) ?? null, say, io);
  },
};

type Query = Readonly<Record<'havip' | 'since' | 'limit', string | undefined>>;

/** Never ends. By number, and by time after the agent was away: numbers begin anew when it does. */
async function follow(
  client: Client,
  query: Query,
  last: EventView | null,
  say: (events: readonly EventView[]) => void,
  io: Io,
): Promise<never> {
  let since = String(last?.seq ?? 0);
  let lastAt = last?.at ?? new Date().toISOString();
  let isAway = false;
  for (;;) {
    await setTimeout(LOOK_MS);
    try {
      const events = await client.json<EventView[]>(pathOf({ ...query, since, limit: undefined }));
      say(events);
      since = String(events.at(-1)?.seq ?? since);
      lastAt = events.at(-1)?.at ?? lastAt;
      isAway = false;
    } catch (error) {
      if (failureOf(error) !== 'no-agent') throw error;
      if (!isAway) io.stderr(`${messageOf(error)}; waiting for it\n`);
      isAway = true;
      since = lastAt;
    }
  }
}

function pathOf(query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return `/api/v1/events?${new URLSearchParams(given).toString()}`;
}

function textOf({ at, kind, havip, text }: EventView, { terminal }: Io): string {
  const paint = paintOn(terminal);
  const colour = COLOURS[kind];
  const word = kind.padEnd(9);
  return `${at}  ${colour === undefined ? word : paint(colour, word)}  ${havip}: ${text}\n`;
}
