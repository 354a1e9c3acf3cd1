/**
 * A rack dies: 1,000 claims within a second, in VPCs of 50 hosts each, among up to 100,000 hosts. How long until every host of a VPC has the
 * new holder programmed?
 *
 * Simulated: each host that hears of it runs the real protocol (src/fabric/peers.ts) on a clock that is stepped from event to event. Delays
 * are drawn from what was measured (docs/hosts.md), and the store is three members, each a queue of one delivery after another, and one of
 * writes. Above 10,000 hosts VPCs are divided among clusters of 10,000 hosts each.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './quantile.ts';
import { Storm } from './storm.ts';
import { plotPanels } from './svg-plot.ts';

const SIZES = [100, 1000, 10_000, 100_000];
const CLAIMS = 1000;
const SEED = 13;
/** Of the spread of one claim to all hosts of its VPC. */
const GOAL_MS = 1000;

interface Row {
  readonly hosts: number;
  readonly clusters: number;
  readonly deliveries: number;
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly last50: number;
  readonly last99: number;
}

function measure(hosts: number, claims: number): { row: Row; hash: string } {
  const clusters = Math.max(1, Math.ceil(hosts / 10_000));
  const storm = new Storm({ hosts, clusters, claims, seed: SEED });
  storm.run();
  const spreads = storm.deliveries.map(({ ms }) => ms);
  const lasts = storm.lastMs();
  const hash = createHash('sha256')
    .update(spreads.map((ms) => ms.toFixed(3)).join(' '))
    .digest('hex')
    .slice(0, 8);
  const row = {
    hosts,
    clusters,
    deliveries: spreads.length,
    p50: quantile(spreads, 0.5),
    p99: quantile(spreads, 0.99),
    most: Math.max(...lasts),
    last50: quantile(lasts, 0.5),
    last99: quantile(lasts, 0.99),
  };
  return { row, hash };
}

async function run({ small, print }: BenchOptions): Promise<void> {
  const rows: Row[] = [];
  print('    hosts  clusters  deliveries   spread p50     p99    last host p50     p99    most, ms');
  for (const hosts of small ? SIZES.slice(0, 2) : SIZES) {
    const { row, hash } = measure(hosts, small ? 100 : CLAIMS);
    rows.push(row);
    const figures = [row.p50, row.p99, row.last50, row.last99, row.most].map((ms) => ms.toFixed(1));
    const [p50 = '', p99 = '', last50 = '', last99 = '', most = ''] = figures;
    print(
      `  ${String(hosts).padStart(7)} ${String(row.clusters).padStart(9)} ${String(row.deliveries).padStart(11)} ${p50.padStart(12)} ${p99.padStart(7)} ${last50.padStart(16)} ${last99.padStart(7)} ${most.padStart(8)}   hash ${hash}`,
    );
  }
  if (small) return;
  const series = (name: string, value: (row: Row) => number) => ({
    name,
    points: rows.map((row) => [row.hosts, value(row)] as const),
  });
  const panels = [
    {
      title: 'a storm of 1,000 claims: spread, ms',
      xLabel: 'hosts',
      limit: GOAL_MS,
      series: [series('p50', (row) => row.p50), series('p99', (row) => row.p99)],
    },
    {
      title: 'until the last host of the VPC, ms',
      xLabel: 'hosts',
      limit: GOAL_MS,
      series: [series('p50', (row) => row.last50), series('p99', (row) => row.last99)],
    },
  ];
  const folder = join(projectRoot(), 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'scale-hosts.svg'), plotPanels(panels));
  print('  bench/results/scale-hosts.svg: the dashed line is the goal');
}

export const bench: Bench = {
  name: 'scale-hosts',
  question: 'how long does a storm of claims take to spread to every host, up to 100,000 hosts?',
  run,
};
