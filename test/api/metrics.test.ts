import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { VERDICTS } from '../../src/base/verdict.ts';
import { cachedFor } from '../../src/api/cached.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import type { MetricsSource } from '../../src/api/metrics.ts';
import { Census } from '../../src/ledger/findings.ts';

function source(changes: Partial<MetricsSource> = {}): MetricsSource {
  return {
    frames: () => [4, 3, 2, 1],
    verdicts: () => VERDICTS.map((_, i) => i),
    captureDrops: () => 5,
    eipPackets: () => ({ in: 0, out: 0 }),
    eipErrors: () => ({ readdressed: 0, 'over-budget': 0 }),
    guardDropped: () => 6,
    guardDroppedFor: () => ({ source: 3, 'dhcp-offer': 0, redirect: 1, fence: 2, 'vmac-held': 0, 'unknown-port': 0 }),
    claims: () => ({ takeover: 1, refresh: 2, release: 3, deferred: 4 }),
    bindings: () => ({ bound: 1, unbound: 2, contested: 0 }),
    failovers: () => ({ resign: 0, silence: 7, preempt: 0, 'link-down': 0, hung: 0, takeover: 0 }),
    migrations: () => 2,
    boundAfterOutage: () => 4,
    assists: () => ({ 'link-down': { hastened: 3, plain: 2 }, hung: { hastened: 1, plain: 0 } }),
    ports: () => ({ captured: 3, down: 0, absent: 1, unknown: 0 }),
    filesRefused: () => 1,
    silentHolders: async () => 3,
    bindingChanges: () => 8,
    services: () => [{ havip: 'havip-1', up: true }],
    lastFailoverMs: () => 1_700_000_000_000,
    holders: () => [{ havip: 'havip-1', vpc: 'vpc-1', instance: 'cvm-1', host: 'host-a' }],
    workerTurnAgesNs: () => [2e8, 4e8],
    programming: () => ({ driver: 'nftables', attempts: 9, failures: 1 }),
    resyncs: () => 2,
    driftRepaired: () => 1,
    logLinesDropped: () => 4,
    unguardedBridgePorts: () => 2,
    guardIneffectivePorts: () => 1,
    reload: () => ({ successful: true, succeededAtMs: 1_700_000_000_000 }),
    findings: () => ({ 'no-refresh': 1 }),
    store: () => null,
    probes: () => [{ havip: 'havip-1', up: true, rttSeconds: 0.001 }],
    ...changes,
  };
}

const STORE = {
  connected: true,
  pending: 2,
  transactions: { committed: 5, beaten: 1, unknown: 0 },
  relists: { start: 2, compacted: 0, gap: 0, restored: 0, asked: 0 },
  gaps: 0,
  badValues: 1,
  refusedBindings: 3,
  dbBytes: 40_960,
  hosts: 3,
};

const CONTRACT =
  `frames_total verdicts_total capture_drops_total guard_dropped_total guard_reason_dropped_total fence_dropped_total claims_total bindings
  failovers_total failover_duration_seconds claim_to_programmed_seconds programming_attempts_total programming_failures_total
  programming_duration_seconds resync_total drift_repaired_total ports log_lines_dropped_total config_last_reload_successful
  config_last_reload_success_timestamp_seconds build_info findings assisted_resigns_total probe_up probe_rtt_seconds migrations_total
  worker_turn_age_seconds config_files_refused binding_changes_total holder_silent last_failover_timestamp_seconds binding_info bound_after_outage_total
  unguarded_bridge_ports guard_ineffective_ports`.split(/\s+/);

const read = (file: string) => readFileSync(join(projectRoot(), file), 'utf8');
const named = (file: string) =>
  new Set([...read(file).matchAll(/\bhavip_[a-z_]*[a-z]/g)].map(([name]) => name.replace(/_bucket$/, '')));

describe('metrics', () => {
  it('are all there, and promtool has nothing to say', async () => {
    const metrics = createMetrics(source({ store: () => STORE }), '1.2.3');
    metrics.observeSpread(0.004);
    metrics.observeRemoteProgramming(0.0005);
    metrics.observeTransaction(0.004);
    metrics.observeFailover({ detection: 3690, programming: 0.2, total: 3690.9 });
    metrics.observeClaimToProgrammed(0.0002);
    metrics.observeProgramming('nftables', 0.00007);
    const text = await metrics.render();
    for (const name of CONTRACT) expect(text).toContain(`# TYPE havip_${name} `);
    expect(text).toContain('# TYPE process_resident_memory_bytes ');
    expect(text).toContain('# TYPE nodejs_eventloop_lag_seconds ');
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect([promtool.status, promtool.stdout, promtool.stderr]).toEqual([0, '', '']);
  });

  it('are in docs/operating.md, each of them and no other', async () => {
    const text = await createMetrics(source({ store: () => STORE }), '1.2.3', false).render();
    const exported = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(named('docs/operating.md')).toEqual(new Set(exported));
    expect(exported).toEqual(expect.arrayContaining([...named('README.md')]));
    for (const kind of Object.keys(new Census().counts)) expect(read('docs/operating.md')).toContain(`| \`${kind}\` |`);
  });

  it('tell of a store where there is one, and have no series of it where there is none', async () => {
    let dbBytes: number | null = null;
    const shared = createMetrics(source({ store: () => ({ ...STORE, dbBytes }) }), '1.2.3', false);
    expect(await shared.render()).not.toMatch(/^havip_store_db_bytes /m);
    dbBytes = 40_960;
    const text = await shared.render();
    for (const line of [
      'havip_store_connected 1',
      'havip_store_pending 2',
      'havip_store_txn_total{outcome="beaten"} 1',
      'havip_store_relists_total{reason="start"} 2',
      'havip_store_refused_bindings_total 3',
      'havip_store_db_bytes 40960',
      'havip_hosts 3',
    ])
      expect(text).toContain(`\n${line}\n`);
    const alone = createMetrics(source(), '1.2.3', false);
    alone.observeSpread(1);
    expect(await alone.render()).not.toMatch(/havip_(store|hosts|spread|remote)/);
  });

  it('read their source at each scrape', async () => {
    let drops = 1;
    const metrics = createMetrics(source({ captureDrops: () => drops }), '1.2.3', false);
    expect(await metrics.render()).toContain('\nhavip_capture_drops_total 1\n');
    drops = 2;
    const text = await metrics.render();
    for (const line of [
      'havip_capture_drops_total 2',
      'havip_frames_total{protocol="arp"} 3',
      'havip_verdicts_total{verdict="accept",reason="probe"} 1',
      'havip_failovers_total{cause="silence"} 7',
      'havip_failovers_total{cause="resign"} 0',
      'havip_migrations_total 2',
      'havip_bound_after_outage_total 4',
      'havip_assisted_resigns_total{on="link-down",kind="hastened"} 3',
      'havip_assisted_resigns_total{on="hung",kind="plain"} 0',
      'havip_build_info{version="1.2.3"} 1',
      'havip_config_last_reload_success_timestamp_seconds 1700000000',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });

  it('count a 70 us commit below 100 us and above 50 us', async () => {
    const metrics = createMetrics(source(), '1.2.3', false);
    metrics.observeProgramming('memory', 70e-6);
    const text = await metrics.render();
    expect(text).toContain('havip_programming_duration_seconds_bucket{le="0.00005",driver="memory"} 0');
    expect(text).toContain('havip_programming_duration_seconds_bucket{le="0.0001",driver="memory"} 1');
  });
});

describe('a scrape', () => {
  it('is made anew when the last is a quarter of a second old, or failed', async () => {
    let nowMs = 0;
    let made = 0;
    const scrape = cachedFor(
      250,
      async () => {
        if (++made === 3) throw new Error('lost');
        return String(made);
      },
      () => nowMs,
    );
    expect([await scrape(), await scrape()]).toEqual(['1', '1']);
    nowMs = 249;
    expect(await scrape()).toBe('1');
    nowMs = 250;
    expect(await scrape()).toBe('2');
    nowMs = 500;
    await expect(scrape()).rejects.toThrow('lost');
    expect(await scrape()).toBe('4');
  });
});
