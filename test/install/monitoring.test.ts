/** What is shipped for Prometheus and Grafana: rules that promtool finds right and that ring when they should, and a dashboard that asks for what there is. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import { CONFIG, handAgent } from '../agent/hand.ts';

const folder = join(projectRoot(), 'packaging/monitoring');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');
const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;
if (!hasPromtool) console.warn('promtool is not installed: expressions are not tried');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
}

const dashboard: Dashboard = JSON.parse(read('dashboard.json'));
const expressions = [
  ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];

/** What an agent says that has a failover and a holder behind it; with a store's metrics, which another has. */
async function scrape(): Promise<Set<string>> {
  const { agent, say, link } = handAgent({ config: `${CONFIG}metrics: { bindings: true }\n` });
  for (const name of ['tap7', 'tap13']) {
    link(name, 'up');
    say(name, 'havip-1');
    agent.turn();
  }
  const store = {
    connected: true,
    pending: 0,
    transactions: { committed: 1, beaten: 0, unknown: 0 },
    relists: { start: 1, compacted: 0, gap: 0, restored: 0, asked: 0 },
    gaps: 0,
    badValues: 0,
    refusedBindings: 0,
    dbBytes: 1,
    hosts: 2,
    provisional: 0,
  };
  const source = { ...metricsSource(agent), logLinesDropped: () => 0, store: () => store, workerTurnAgesNs: () => [1] };
  const metrics = createMetrics(source, '1.2.3');
  metrics.observeFailover({ total: 1 });
  metrics.observeClaimToProgrammed(0.001);
  metrics.observeProgramming('memory', 0.001);
  // A name alone is no series: `# HELP` is there for every metric.
  return new Set([...(await metrics.render()).matchAll(/^([a-z]\w*)[ {]/gm)].map(([, name = '']) => name));
}

/** Names of series, not of functions, labels or records. */
const seriesIn = (text: string) => [...text.matchAll(/\b(?:havip|nodejs|process)_\w+/g)].map(([name]) => name);

describe('the dashboard', () => {
  it('has panels of their own numbers, each of which asks something', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { title, targets } of dashboard.panels) expect([title, targets.length > 0]).toEqual([title, true]);
  });

  it.runIf(hasPromtool)('asks nothing that Prometheus does not understand', () => {
    const made = mkdtempSync(join(tmpdir(), 'havip-dashboard-'));
    try {
      const rules = expressions.map((expr, i) => ({
        record: `dashboard:${i}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
      }));
      writeFileSync(join(made, 'rules.yaml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
      expect(execFileSync('promtool', ['check', 'rules', join(made, 'rules.yaml')], { encoding: 'utf8' })).toContain(
        `SUCCESS: ${rules.length} rules found`,
      );
    } finally {
      rmSync(made, { recursive: true });
    }
  });

  it('and the rules ask for series that an agent has', async () => {
    const has = await scrape();
    const asked = new Set(
      [...expressions, ...dashboard.templating.list.map(({ query }) => query), read('alerts.yaml')].flatMap(seriesIn),
    );
    expect(asked.size).toBeGreaterThan(20);
    expect([...asked].filter((name) => !has.has(name))).toEqual([]);
  });
});

const promtool = (...args: string[]) => spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' });

describe.runIf(hasPromtool)('the rules', () => {
  it('are right, and ring when they should and only then', () => {
    expect(promtool('check', 'rules', 'alerts.yaml')).toMatchObject({ status: 0, stderr: '' });
    const { status, stdout, stderr } = promtool('test', 'rules', 'alerts-test.yaml');
    expect([status, stdout, stderr]).toEqual([0, expect.stringContaining('SUCCESS'), '']);
  });

  it('are all tried by the test, and named in docs/operating.md', () => {
    const names = [...read('alerts.yaml').matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
    const operating = readFileSync(join(projectRoot(), 'docs/operating.md'), 'utf8');
    for (const name of names) {
      expect(read('alerts-test.yaml')).toMatch(new RegExp(`alertname: ${name}\\s+exp_alerts:(?! \\[\\])`));
      expect(operating).toContain(`| \`${name}\` |`);
    }
    expect([...operating.matchAll(/^\| `(Havip\w+)` \|/gm)].map(([, name]) => name)).toEqual(names);
  });
});
