/** The alerts that are shipped, in Debian's Prometheus beside real keepalived: silent after a clean failover, and ringing for a holder that is missed. Needs root. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('alerts in the lab: skipped, they need root to make network namespaces');

const LIMIT_MS = 60_000;
const AGENT = '127.0.0.1:9712';
const PROMETHEUS = '127.0.0.1:9090';

/** Rings after two evaluations, not minutes: how long each waits is tried with promtool. */
const rules = () =>
  readFileSync(join(projectRoot(), 'packaging/monitoring/alerts.yaml'), 'utf8').replaceAll(/^( +for:) .*$/gm, '$1 2s');

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** Prometheus in the lab's host, which scrapes the agent there. */
function prometheusIn(lab: Lab): { readonly query: (expression: string) => Promise<readonly Sample[]> } {
  const job = { job_name: 'havip-agent', scrape_interval: '1s', static_configs: [{ targets: [AGENT] }] };
  const files = [lab.writeFile('alerts.yaml', rules())];
  const config = { global: { evaluation_interval: '1s' }, rule_files: files, scrape_configs: [job] };
  const file = lab.writeFile('prometheus.yml', JSON.stringify(config));
  lab.host.spawn([
    'prometheus',
    `--config.file=${file}`,
    `--storage.tsdb.path=${lab.directory}/tsdb`,
    `--web.listen-address=${PROMETHEUS}`,
  ]);
  const query = async (expression: string): Promise<readonly Sample[]> => {
    const url = `http://${PROMETHEUS}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const script = `fetch(${JSON.stringify(url)}).then((r) => (r.ok ? r.text() : '')).then(console.log, () => console.log(''))`;
    const said = (await lab.host.exec([process.execPath, '-e', script])).trim();
    // Not listening yet, or its storage opens: it knows nothing so far.
    return said === '' ? [] : (JSON.parse(said) as { data: { result: Sample[] } }).data.result;
  };
  return { query };
}

describe.runIf(root)('the alerts', () => {
  test(
    'are silent after a clean failover, ring for a holder that is missed, and end when it is back',
    { timeout: 240_000 },
    async () => {
      await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
      const config = lab.config((one) => {
        one.http = { listen: AGENT };
        Object.assign(one, { metrics: { bindings: true } });
        // Asked whether it is there, it would be let go of within seconds; then HavipUnbound is what rings.
        for (const havip of one.vpcs.flatMap(({ havips }) => havips)) Object.assign(havip, { verify: false });
      });
      await lab.startAgent({ config, ready: false });
      const { query } = prometheusIn(lab);
      const comes = (expression: string) =>
        until(expression, async () => (await query(expression)).length > 0 || undefined, LIMIT_MS);
      const holds = (instance: string) => comes(`havip_binding_info{havip="havip-1",exported_instance="${instance}"} == 1`);
      const rang = () => query('max_over_time(ALERTS{alertname=~"Havip(HolderSilent|Unbound|Contested|Flapping)"}[5m])');

      const first = await lab.guest('cvm-1').keepalived({ multicast: true, priority: 100 });
      await first.enters('MASTER');
      await holds('cvm-1');
      const second = await lab.guest('cvm-2').keepalived({ multicast: true, priority: 80 });
      await second.enters('BACKUP');
      await first.stop();
      await holds('cvm-2');
      await comes('sum(havip_failovers_total{cause="resign"}) == 1');
      // Scraped and ruled on several times since.
      await comes('count_over_time(havip_holder_silent[4s] offset 1s) >= 3');
      await comes('max_over_time(havip_holder_silent[1m]) == 0');
      expect(await rang()).toEqual([]);

      // Its link is up and it answers nothing: nobody says that it is gone, and nobody takes over.
      await lab.guest('cvm-2').hang();
      await comes('havip_holder_silent == 1');
      await comes('ALERTS{alertname="HavipHolderSilent",alertstate="firing"}');

      await lab.guest('cvm-2').wake();
      await comes('havip_holder_silent == 0');
      await until(
        'the alert ends',
        async () => (await query('ALERTS{alertname="HavipHolderSilent"}')).length === 0 || undefined,
        LIMIT_MS,
      );
    },
  );
});
