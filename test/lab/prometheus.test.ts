/** Debian's Prometheus scrapes the agent in the lab, and its queries return the failover. Needs root. */
import { describe, expect, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('Prometheus in the lab: skipped, it needs root to make network namespaces');

const LIMIT_MS = 30_000;
const AGENT = '127.0.0.1:9712';
const PROMETHEUS = '127.0.0.1:9090';

interface Answer {
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[];
  };
}

const KNOWS_NOTHING = '{"data":{"result":[]}}';

describe.runIf(root)('Prometheus', () => {
  test('scrapes the agent and answers what the README asks it', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'client'] });
    // Over TCP, as in production; the lab's own helper speaks to a unix socket, so readiness shows in Prometheus instead.
    await lab.startAgent({ config: lab.config((config) => (config.http = { listen: AGENT })), ready: false });
    const job = { job_name: 'havip-agent', scrape_interval: '1s', static_configs: [{ targets: [AGENT] }] };
    const file = lab.writeFile('prometheus.yml', JSON.stringify({ scrape_configs: [job] }));
    const flags = [`--config.file=${file}`, `--storage.tsdb.path=${lab.directory}/tsdb`, `--web.listen-address=${PROMETHEUS}`];
    lab.host.spawn(['prometheus', ...flags]);

    const query = async (expression: string): Promise<Answer['data']['result']> => {
      const url = `http://${PROMETHEUS}/api/v1/query?query=${encodeURIComponent(expression)}`;
      // Not listening yet, and answering 503 while its storage opens, are the same: it knows nothing so far.
      const known = `r.status === 503 ? '${KNOWS_NOTHING}' : r.text()`;
      const script = `fetch(${JSON.stringify(url)}).then((r) => ${known}).then(console.log, () => console.log('${KNOWS_NOTHING}'))`;
      return (JSON.parse(await lab.host.exec([process.execPath, '-e', script])) as Answer).data.result;
    };
    const value = (expression: string, wanted: (value: number) => boolean) =>
      until(expression, async () => (await query(expression)).some((one) => wanted(Number(one.value[1]))) || undefined, LIMIT_MS);

    await value('havip_ports{state="captured"}', (ports) => ports === 3);
    for (const instance of ['cvm-1', 'cvm-2']) {
      lab.guest(instance).sendFrame(arp({ source: lab.guest(instance).spec.mac, senderAddress: HAVIP }));
      await value('sum(havip_bindings{state="bound"})', (bound) => bound === 1);
    }
    await value('up{job="havip-agent"}', (up) => up === 1);
    await value('sum(havip_failovers_total{cause="takeover"})', (failovers) => failovers === 1);
    await value(
      'histogram_quantile(0.99, havip_failover_duration_seconds_bucket{phase="programming"})',
      (seconds) => seconds > 0,
    );
    await value('sum(havip_verdicts_total) - sum(havip_frames_total)', (difference) => difference === 0);

    const script = `fetch('http://${AGENT}/metrics').then((r) => r.text()).then((t) => process.stdout.write(t))`;
    const text = await lab.host.exec([process.execPath, '-e', script]);
    expect(await lab.host.exec(['promtool', 'check', 'metrics'], { input: text })).toBe('');
  });
});
