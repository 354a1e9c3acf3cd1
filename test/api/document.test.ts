/** docs/api.md says what the API answers: every field that is there, and no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { answer, type Answer } from '../../src/api/routes.ts';
import { V } from '../../src/base/verdict.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { hostsOf } from '../../src/api/surroundings.ts';
import { httpSource } from '../../src/api/views.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { CONFIG, handAgent } from '../agent/hand.ts';

/** Objects whose keys are words of a list, by the name of their field. */
const WORDS: Readonly<Record<string, string>> = { drops: 'REASON', verdicts: 'REASON', phasesMs: 'PHASE' };
/** What an agent without workers, without a store, and without anybody in dispute has nothing of. */
const UNSEEN = new Set(['drops.REASON', 'verdicts.REASON', 'notes[]', 'sides[]']);
for (const field of ['state', 'why', 'pending', 'revision', 'hosts']) UNSEEN.add(`store.${field}`);

const AROUND = `
uplinks: [{ interface: vx10, vpc: vpc-1 }]
external: { interface: ext0, gateway: 203.0.113.1 }
eips: [{ id: eip-1, address: 203.0.113.10, havip: havip-1 }]
`;

function documented(heading: string): string[] {
  const text = readFileSync(join(projectRoot(), 'docs/api.md'), 'utf8');
  const start = text.indexOf(`\n## ${heading}\n`);
  expect(start).toBeGreaterThan(0);
  const end = text.indexOf('\n## ', start + 1);
  const section = text.slice(start, end < 0 ? undefined : end);
  return [...section.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, field = '']) => field),
  );
}

/** `a.b`, `list[].c`, `words.WORD`: the paths of everything that is no object itself. */
function pathsIn(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => pathsIn(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, inner]) => {
    const word = WORDS[path.slice(path.lastIndexOf('.') + 1)];
    return pathsIn(inner, `${path}${path === '' ? '' : '.'}${word ?? key}`);
  });
}

async function bodyOf({ body }: Answer): Promise<unknown> {
  if (typeof body === 'string') return JSON.parse(body) as unknown;
  let text = '';
  for await (const piece of body) text += String(piece);
  return JSON.parse(text) as unknown;
}

describe('docs/api.md', () => {
  const hand = handAgent({ config: `${CONFIG}${AROUND}` });
  const metrics = createMetrics({ ...metricsSource(hand.agent), logLinesDropped: () => 0 }, '1.2.3', false);
  const source = httpSource(hand.agent, metrics);
  const get = async (path: string) => bodyOf(await answer(source, 'GET', path));
  for (const tap of ['tap7', 'tap13']) hand.link(tap, 'up');
  hand.agent.turn();
  const facts = { version: 2, vrid: 51, priority: 100, intervalMs: 1000, auth: 'none', checksum: 'v2', unicast: false } as const;
  hand.source.waiting.push({
    kind: 'advert',
    verdict: V['vrrp-advert'],
    port: 0,
    havip: 0,
    mac: 0x0200_ac11_1007,
    capturedNs: hand.clock.nowNs(),
    vrrp: { ...facts, source: 0xac11_1007, destination: 0xe000_0012 },
    frame: new Uint8Array(42),
  });
  hand.say('tap7', 'havip-1');
  hand.agent.turn();
  hand.clock.advanceMs(9_000);
  hand.say('tap13', 'havip-1');
  hand.agent.turn();

  it.each([
    ['/api/v1/status', '/api/v1/status', (document: unknown) => document],
    ['A HAVIP', '/api/v1/havips/havip-1', (document: unknown) => document],
    ['A page of HAVIPs', '/api/v1/havips?limit=1', (document: unknown) => ({ ...(document as object), havips: ['as above'] })],
    ['A failover', '/api/v1/havips/havip-1/failovers', (document: unknown) => (document as unknown[])[0]],
    ['A port', '/api/v1/ports', (document: unknown) => (document as unknown[])[0]],
    ['An uplink', '/api/v1/uplinks', (document: unknown) => (document as unknown[])[0]],
    ['An EIP', '/api/v1/eips', (document: unknown) => (document as unknown[])[0]],
    ['An event', '/api/v1/events', (document: unknown) => Object.assign({}, ...(document as object[])) as object],
  ])('%s', async (heading, path, shownOf) => {
    const fields = documented(heading);
    const seen = new Set(pathsIn(shownOf(await get(path))));
    // null stands for an object, or a list of nothing, that is not there.
    const known = (one: string) =>
      fields.includes(one) || fields.some((field) => field.startsWith(`${one}.`) || field === `${one}[]`);
    expect([...seen].filter((one) => !known(one))).toEqual([]);
    expect(fields.filter((one) => !seen.has(one) && !UNSEEN.has(one))).toEqual([]);
  });

  it('A host', async () => {
    expect(await get('/api/v1/hosts')).toEqual([]);
    const { config } = hand.agent;
    const hosts = new Map<string, { vtep: string | null; version: string; startedMs: number }>([
      ['host-a', { vtep: '10.99.0.1', version: '1.2.3', startedMs: 0 }],
      ['host-b', { vtep: null, version: '1.2.3', startedMs: 0 }],
    ]);
    const [one, other] = hostsOf({ config, sharing: { hosts } });
    expect(pathsIn(one).toSorted()).toEqual(documented('A host').toSorted());
    expect([one, other]).toMatchObject([
      { here: true, vtep: '10.99.0.1' },
      { here: false, vtep: null, startedAt: '1970-01-01T00:00:00.000Z' },
    ]);
  });
});
