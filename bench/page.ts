/**
 * How long a page of HAVIPs takes to come, of the real daemon over its unix socket and through the console: the first one, all pages one after the
 * other, by what is searched and by state. Of the HAVIPs some are bound, by real claims. The answers are compared with a search of the whole list.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { hasChromium, openBrowser, openPage } from '../native-fixtures/lab/browser.ts';
import { ConsoleProcess } from '../native-fixtures/lab/console.ts';
import { until } from '../native-fixtures/lab/until.ts';
import { Wire } from '../native-fixtures/lab/wire.ts';
import type { HavipPage } from '../src/api/list.ts';
import type { HavipView } from '../src/api/types.ts';
import { Client } from '../src/cli/client.ts';
import { type Bench, median } from './bench.ts';
import { quantile } from './quantile.ts';
import { addressOf, macOf, ScaleHost, type Size, usageOf } from './scale-host.ts';

const LARGE: Size = { ports: 100, havips: 100_000 };
const SMALL: Size = { ports: 10, havips: 1000 };
/** Of the HAVIPs, so many are bound: one of five. */
const BOUND = 5;
const BURST = 50;
const SETTLE_MS = 3000;
const AGAIN_MS = 100;
const LIMIT_MS = 60_000;

interface Asking {
  readonly name: string;
  /** A question for each time: what was asked before may be known already. */
  readonly query: (time: number) => string;
  readonly isIn?: (havip: HavipView, time: number) => boolean;
}

const ASKED: readonly Asking[] = [
  { name: 'the first page', query: () => 'limit=100', isIn: () => true },
  { name: 'by address, descending', query: () => 'sort=-address' },
  { name: 'by the last change', query: () => 'sort=-since' },
  { name: 'q: a part of a name', query: (i) => `q=havip-${i}7`, isIn: ({ id }, i) => id.includes(`havip-${i}7`) },
  { name: 'q: a part of an address', query: (i) => `q=16.${i}.1`, isIn: ({ address }, i) => address.includes(`16.${i}.1`) },
  { name: 'q: a holder', query: (i) => `q=vm-${i}`, isIn: ({ holder }, i) => holder?.instance.includes(`vm-${i}`) ?? false },
  { name: 'q: nothing', query: (i) => `q=none-${i}`, isIn: () => false },
  { name: 'state: bound', query: () => 'state=bound', isIn: ({ state }) => state === 'bound' },
  { name: 'state: unbound', query: () => 'state=unbound', isIn: ({ state }) => state === 'unbound' },
  { name: 'state: contested', query: () => 'state=contested', isIn: ({ contested }) => contested },
];

export const bench: Bench = {
  name: 'page',
  question: 'how long does a page of many HAVIPs take, and does it say what the whole list says?',
  async run({ small, print }) {
    const size = small ? SMALL : LARGE;
    const times = small ? 3 : 100;
    const host = await ScaleHost.create(size);
    let console: ConsoleProcess | null = null;
    try {
      host.writeConfig();
      const agent = host.startAgent();
      await agent.ready(LIMIT_MS);
      const direct = new Client(host.listen);
      await bind(host, agent);
      print(`  ${size.havips} HAVIPs, ${size.havips / BOUND} of them bound      p50     p99     max ms  CPU ms each`);
      const cold: number[] = [];
      const row = rows(agent.process.pid);
      for (let i = 0; i < 10; i++) await ask(direct, 'limit=100', cold);
      print(row('the first ten after the start', cold));
      const before = usageOf(agent.process.pid);
      const views = JSON.parse((await direct.get('/api/v1/havips')).body.toString()) as HavipView[];
      // What 27 MB of text leave behind is no page's.
      await sleep(small ? 0 : SETTLE_MS);
      row('', []);
      const hash = createHash('sha256');
      for (const asking of ASKED) print(row(asking.name, await measure(direct, asking, times, views, hash)));
      for (const limit of [100, 1000]) print(row(`all, by ${limit}`, await readAll(direct, limit, views, hash)));
      console = await ConsoleProcess.start({ agents: [host.listen.replace('unix:', '')] });
      const through = new Client(new URL(console.url).host);
      print(row('through the console, all by 100', await readAll(through, 100, views, hash, '/agents/0')));
      if (hasChromium()) print(await paint(console.url, small ? 1 : 5));
      const after = usageOf(agent.process.pid);
      print(`  resident ${before.residentMb.toFixed(0)} MB before, ${after.residentMb.toFixed(0)} MB after all that`);
      print(`  hash of the answers ${hash.digest('hex').slice(0, 8)}, equal to a search of the whole list`);
      await agent.stop();
    } finally {
      await console?.stop();
      host.remove();
    }
  },
};

/** The page in Chromium, each time in a window that has nothing of it yet. */
async function paint(url: string, times: number): Promise<string> {
  const browser = await openBrowser();
  const ms: [number, number][] = [];
  try {
    for (let time = 0; time < times; time++) {
      const { page } = await openPage(browser, url);
      ms.push(
        await page.evaluate<[number, number]>(
          `[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()]`,
        ),
      );
      await page.context().close();
    }
  } finally {
    await browser.close();
  }
  const column = (of: 0 | 1) =>
    `median ${median(ms.map((one) => one[of])).toFixed(0)}, max ${Math.max(...ms.map((one) => one[of])).toFixed(0)} ms`;
  return `  in Chromium, first paint: ${column(0)}; until its list was seen by who drives it: ${column(1)}`;
}

/** One of five HAVIPs, each by its VPC's guest, few in a burst; what a port said too quickly it says again. */
async function bind(host: ScaleHost, agent: AgentProcess): Promise<void> {
  const { ports, havips } = host.size;
  const wanted = Array.from({ length: havips / ports / BOUND }, (_, nth) => nth);
  for (let at = 0; at < wanted.length; at += BURST) {
    const some = wanted.slice(at, at + BURST);
    await until(
      'claims that were taken',
      async () => {
        for (let port = 0; port < ports; port++) announce(host, port, some);
        await sleep(AGAIN_MS);
        return (await agent.metric('havip_bindings', { state: 'bound' })) >= (at + some.length) * ports;
      },
      LIMIT_MS,
    );
  }
}

function announce(host: ScaleHost, port: number, nths: readonly number[]): void {
  const wire = new Wire(host.namespace.path, `g${port}`);
  wire.sendAll(
    nths.map((nth) => {
      const senderAddress = addressOf(host.size, port + host.size.ports * nth);
      return arp({ source: macOf(port), senderAddress, targetAddress: senderAddress });
    }),
  );
  wire.close();
}

/** The time is that until the whole answer is here. */
async function ask(client: Client, query: string, took: number[], path = ''): Promise<HavipPage> {
  const fromMs = performance.now();
  const { status, body } = await client.get(`${path}/api/v1/havips?${query}`);
  took.push(performance.now() - fromMs);
  if (status !== 200) throw new Error(`page: ${query}: status ${status}`);
  return JSON.parse(body.toString()) as HavipPage;
}

type Hash = ReturnType<typeof createHash>;

async function measure(client: Client, { name, query, isIn }: Asking, times: number, views: readonly HavipView[], hash: Hash) {
  const took: number[] = [];
  for (let time = 0; time < times; time++) {
    const { matched, havips } = await ask(client, query(time), took);
    const ids = havips.map(({ id }) => id);
    hash.update(`${matched} ${ids.join()}`);
    if (isIn === undefined) continue;
    const expected = idsOf(views.filter((havip) => isIn(havip, time)));
    same(`${name}, ${query(time)}`, [matched, ids], [expected.length, expected.slice(0, 100)]);
  }
  return took;
}

/** Page by page: each HAVIP once, in order. */
async function readAll(client: Client, limit: number, views: readonly HavipView[], hash: Hash, path = ''): Promise<number[]> {
  const took: number[] = [];
  const ids: string[] = [];
  for (let after: string | null = ''; after !== null;) {
    const page: HavipPage = await ask(client, `limit=${limit}${after === '' ? '' : `&after=${after}`}`, took, path);
    ids.push(...page.havips.map(({ id }) => id));
    after = page.next;
  }
  same(`all by ${limit}`, ids, idsOf(views));
  hash.update(ids.join());
  return took;
}

function idsOf(views: readonly HavipView[]): string[] {
  return views.map(({ id }) => id).toSorted();
}

function same(what: string, found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) throw new Error(`page: ${what} is not what the whole list says`);
}

/** A row for what was asked since the one before, with what it cost the agent, on all its threads. */
function rows(pid: number): (name: string, ms: readonly number[]) => string {
  let beforeMs = usageOf(pid).cpuMs;
  return (name, ms) => {
    const { cpuMs } = usageOf(pid);
    const each = (cpuMs - beforeMs) / ms.length;
    beforeMs = cpuMs;
    const columns = [0.5, 0.99, 1].map((q) => quantile(ms, q).toFixed(1).padStart(7));
    return `  ${name.padEnd(34)}${columns.join(' ')} ${each.toFixed(1).padStart(12)}`;
  };
}
