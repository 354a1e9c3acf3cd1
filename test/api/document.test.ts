/** docs/api.md says what the API answers: every field that is there, and no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AgentOptions } from '../../src/agent/agent.ts';
import { Sharing } from '../../src/agent/sharing.ts';
import { answer, type Answer } from '../../src/api/routes.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { V } from '../../src/base/verdict.ts';
import { MemoryFabric } from '../../src/fabric/memory/memory.ts';
import { MemoryStore } from '../../src/fabric/memory/store.ts';
import { NO_FAULTS, Wire } from '../../src/fabric/memory/wire.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { hostsOf } from '../../src/api/surroundings.ts';
import { httpSource } from '../../src/api/views.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { CONFIG, handAgent } from '../agent/hand.ts';
import { randomFrom, Timeline } from '../fabric/time.ts';
import { quiet } from './source.ts';

/** Objects whose keys are words of a list, by the name of their field. */
const WORDS: Readonly<Record<string, string>> = { drops: 'REASON', verdicts: 'REASON', phasesMs: 'PHASE' };
/** What workers alone count, of which there are none here. */
const UNSEEN = new Set(['verdicts.REASON']);

/** Everything that there is something to say of: other hosts, a store, an address outside, a dispute, findings, refusals. */
const FULL = `${CONFIG}
uplinks: [{ interface: vx10, vpc: vpc-1 }]
eips: [{ id: eip-1, address: 203.0.113.10, havip: havip-1 }]
external: { interface: ext0, gateway: 203.0.113.1 }
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

/** `a.b`, `list[].c`, `words.WORD`: the paths of everything that is no object itself. A list of nothing is one thing. */
function pathsIn(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [path] : value.flatMap((item: unknown) => pathsIn(item, `${path}[]`));
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

/** The agent's own protocol over the model store, which answers within milliseconds of `time`. */
function shareOver(time: Timeline, clock: ManualClock): NonNullable<AgentOptions['share']> {
  const wire = new Wire(time, randomFrom(1), NO_FAULTS);
  const record = { vtep: null, version: '1.2.3', startedMs: 0, bootId: 'boot' };
  const log = { ...quiet, setLevel: () => {} };
  return ({ network, ...parts }) =>
    new Sharing(
      {
        ...parts,
        clock,
        log,
        record,
        host: 'host-a',
        vtep: null,
        fabric: new MemoryFabric({ host: 'host-a', store: new MemoryStore(), wire }),
        random: randomFrom(1),
        later: (ms, act) => {
          time.after(ms, act);
          return () => {};
        },
      },
      network,
    );
}

describe('docs/api.md', () => {
  const time = new Timeline();
  const clock = new ManualClock();
  const vswitch = new MemorySwitch();
  vswitch.bypassed = new Map([['tap13', 'an XDP program forwards its frames']]);
  vswitch.notes.push('ports are hooked late here');
  vswitch.droppedReasons.set('source', 3);
  const hand = handAgent({ config: FULL, vswitch, clock, share: shareOver(time, clock) });
  const metrics = createMetrics({ ...metricsSource(hand.agent), logLinesDropped: () => 0 }, '1.2.3', false);
  const source = httpSource(hand.agent, metrics);
  const get = async (path: string) => bodyOf(await answer(source, 'GET', path));
  const facts = { version: 2, vrid: 51, priority: 100, intervalMs: 1000, auth: 'none', checksum: 'v2', unicast: false } as const;
  const advertFrom = (port: number, mac: number, priority: number) =>
    hand.source.waiting.push({
      kind: 'advert',
      verdict: V['vrrp-advert'],
      port,
      havip: 0,
      mac,
      capturedNs: clock.nowNs(),
      vrrp: { ...facts, priority, source: 0xac11_1007 + port, destination: 0xe000_0012 },
      frame: new Uint8Array(42),
    });
  const pass = (ms: number) => {
    clock.advanceMs(ms);
    time.run(ms);
    hand.agent.turn();
  };

  hand.agent.sharing?.start();
  for (const tap of ['tap7', 'tap13']) hand.link(tap, 'up');
  advertFrom(0, 0x0200_ac11_1007, 100);
  hand.say('tap7', 'havip-1');
  pass(9_000);
  // The two take it from each other until it counts as contested, and both are masters.
  for (let i = 0; i < 6; i++) {
    advertFrom(0, 0x0200_ac11_1007, 100);
    advertFrom(1, 0x0200_ac11_100d, 100);
    hand.say(i % 2 === 0 ? 'tap13' : 'tap7', 'havip-1');
    pass(2_000);
  }
  hand.say('tap13', 'havip-1', 'refused');
  hand.say('tap7', 'havip-1', 'refused');
  pass(100);

  it.each([
    ['/api/v1/status', '/api/v1/status'],
    ['A HAVIP', '/api/v1/havips/havip-1'],
    ['A page of HAVIPs', '/api/v1/havips?limit=1'],
    ['A failover', '/api/v1/havips/havip-1/failovers'],
    ['A port', '/api/v1/ports'],
    ['An uplink', '/api/v1/uplinks'],
    ['An EIP', '/api/v1/eips'],
    ['An event', '/api/v1/events'],
  ])('%s', async (heading, path) => {
    const fields = documented(heading);
    // Of a list what any of it has; a page's HAVIPs have a section of their own.
    const paths = pathsIn(await get(path)).map((one) => one.replace(/^\[\]\.?/, '').replace(/^havips\[\]\..*/, 'havips[]'));
    const seen = new Set(paths);
    // null stands for an object that is not there in one of them, or a list of nothing.
    const known = (one: string) =>
      fields.includes(one) || fields.some((field) => field.startsWith(`${one}.`) || field.startsWith(`${one}[]`));
    expect(paths.length).toBeGreaterThan(0);
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
