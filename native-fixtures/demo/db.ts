/**
 * `npm run demo -- db`: a PostgreSQL primary and its standby behind one HAVIP; the primary's server is killed, keepalived promotes the
 * standby, and then the old primary comes back with the address still on: nothing that clients write lands there.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { command } from '../lab/command.ts';
import type { Guest } from '../lab/guest.ts';
import { Lab } from '../lab/lab.ts';
import { monotonicMs } from '../lab/ping.ts';
import type { LabProcess } from '../lab/process.ts';
import { HAVIP } from '../lab/topology.ts';
import { asking, bound, Client, costOf, demand, eventually, FALL, LIMIT_MS, require, tellCost } from './scenario.ts';
import type { Timeline } from './timeline.ts';

const EVERY_MS = 100;
/** It refuses to be root. */
const AS_POSTGRES = ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'];
const SETTINGS = `listen_addresses = '*'
shared_buffers = 16MB
max_connections = 40
wal_level = replica
hot_standby = on
synchronous_commit = remote_apply
wal_receiver_status_interval = 1
`;
const ROWS_MS = 3000;

/** One server: its program's folder, its guest, its data. */
class Database {
  readonly guest: Guest;
  readonly data: string;
  readonly socket: string;
  readonly bin: string;
  process: LabProcess | null = null;

  constructor(bin: string, lab: Lab, name: string) {
    this.guest = lab.guest(name);
    this.bin = bin;
    this.data = join(lab.directory, `${name}.pg`);
    this.socket = join(lab.directory, `${name}.sql`);
  }

  async start(...settings: readonly string[]): Promise<void> {
    const flags = [`unix_socket_directories=${this.socket}`, ...settings].flatMap((one) => ['-c', one]);
    this.process = this.guest.spawn([...AS_POSTGRES, join(this.bin, 'postgres'), '-D', this.data, ...flags]);
    await eventually(`PostgreSQL on ${this.guest.spec.instance}`, async () => (await this.sql('select 1')) === '1');
  }

  /** By its own socket: whoever holds the HAVIP. */
  async sql(text: string): Promise<string> {
    const psql = ['psql', '-X', '-A', '-t', '-q', '-h', this.socket, '-U', 'postgres', '-d', 'postgres', '-c', text];
    return (await this.guest.exec(['env', 'PGCONNECT_TIMEOUT=2', ...psql])).trim();
  }

  async rows(): Promise<number> {
    return Number(await this.sql('select count(*) from work'));
  }
}

export async function showDatabases(timeline: Timeline, observed: Record<string, unknown>): Promise<void> {
  const postgres = newest();
  require(postgres, '/usr/bin/psql');
  await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'client'] });
  timeline.title(`A primary, its standby, and ${HAVIP}`);
  const agent = await lab.startAgent({ config: asking(lab, 5432) });
  const [old, standby] = ['cvm-1', 'cvm-2'].map((name) => new Database(dirname(postgres), lab, name)) as [Database, Database];
  await makePair(old, standby);
  timeline.event('guests', 'PostgreSQL in cvm-1, its standby in cvm-2: a commit is one when the standby has it (remote_apply)');
  const first = await lab.guest('cvm-1').keepalived(keepalivedFor(old, null));
  await first.enters('MASTER', 30_000);
  await lab.guest('cvm-2').keepalived(keepalivedFor(standby, promotion(lab, standby)));
  await bound(agent, 'cvm-1');

  const client = new Client(lab.client, 'sql', EVERY_MS);
  await client.answered(20);
  timeline.event('client', `an insert every ${EVERY_MS} ms through ${HAVIP}, a connection each`);
  const faultMs = monotonicMs();
  await old.process?.stop('SIGKILL');
  timeline.event('fault', 'the primary is killed; keepalived on cvm-1 and its link live on', 'bad');
  const cost = await costOf(agent, client, 'cvm-2', faultMs);
  tellCost(timeline, cost);

  // It comes back as it was, as after an operator's mistake: the address is on, and it takes writes.
  await first.crash();
  await lab.guest('cvm-1').space.ip(`addr replace ${HAVIP}/32 dev eth0`);
  await old.start('synchronous_standby_names=');
  await old.guest.exec(['arping', '-q', '-U', '-c', '3', '-I', 'eth0', '-s', HAVIP, HAVIP]).catch(() => '');
  const before = { old: await old.rows(), standby: await standby.rows() };
  await lab.client.space.ip('neigh flush dev eth0');
  await new Promise((resolve) => setTimeout(resolve, ROWS_MS));
  await client.answered(10);
  const after = { old: await old.rows(), standby: await standby.rows() };
  const [landedOnOld, landedOnNew] = [after.old - before.old, after.standby - before.standby];
  timeline.event(
    'revived',
    `the old primary has the address and takes writes: ${landedOnOld} rows landed there, ${landedOnNew} on cvm-2`,
    'good',
  );

  const commits = await client.stop();
  const kept = new Set((await standby.sql('select n from work')).split('\n').map(Number));
  const lost = client.work.filter(({ failed, number }) => failed === null && !kept.has(number)).length;
  timeline.event(
    'client',
    `${commits.ok} commits, ${commits.failed} failed, ${lost} lost, longest gap ${cost.gapMs} ms (at most ${LIMIT_MS})`,
  );
  Object.assign(observed, { scenario: 'db', ...cost, commits, lost, landedOnOld, landedOnNew });
  demand('no commit lost', lost === 0);
  demand('exactly one failover', cost.failovers === 1);
  demand('the cause: resign', cost.cause === 'resign');
  demand('no row on the revived old primary, and some on the new one', landedOnOld === 0 && landedOnNew > 0);
  demand(`a gap of at most ${LIMIT_MS} ms (it was ${cost.gapMs})`, cost.gapMs <= LIMIT_MS);
  await agent.stop();
}

async function makePair(primary: Database, standby: Database): Promise<void> {
  const { bin, data } = primary;
  for (const folder of [primary, standby].flatMap((one) => [one.data, one.socket])) {
    mkdirSync(folder, { mode: 0o700 });
    await command(['chown', 'postgres:postgres', folder]);
  }
  const initdb = [join(bin, 'initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'];
  await primary.guest.exec([...AS_POSTGRES, ...initdb], { limitMs: 60_000 });
  const settings = `cat >>${data}/postgresql.conf; echo 'host all,replication all 172.17.0.0/16 trust' >>${data}/pg_hba.conf`;
  await primary.guest.exec(['sh', '-c', settings], { input: SETTINGS });
  await primary.start();
  await primary.sql('create table work (n int)');
  const from = `host=${primary.guest.spec.address} user=postgres application_name=cvm2`;
  const backup = [join(bin, 'pg_basebackup'), '-D', standby.data, '-R', '-c', 'fast', '--no-sync', '-d', from];
  await standby.guest.exec([...AS_POSTGRES, ...backup], { limitMs: 60_000 });
  await standby.start();
  await primary.sql("alter system set synchronous_standby_names = 'cvm2'");
  await primary.sql('select pg_reload_conf()');
  const inSync = "select count(*) from pg_stat_replication where sync_state = 'sync'";
  await eventually('a standby in sync', async () => (await primary.sql(inSync)) === '1');
}

function keepalivedFor({ bin, socket }: Database, notifyMaster: string | null) {
  const command = `${join(bin, 'pg_isready')} -q -t 1 -h ${socket}`;
  return { check: { command, fall: FALL }, ...(notifyMaster !== null && { notifyMaster }) };
}

/** keepalived runs it as root, and only what nobody else may write. */
function promotion(lab: Lab, { bin, data }: Database): string {
  const promote = `${AS_POSTGRES.join(' ')} ${join(bin, 'pg_ctl')} promote -D ${data}`;
  const path = lab.writeFile('promote', `#!/bin/sh\nexec ${promote} >/dev/null\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Debian keeps a folder for each version. */
function newest(): string {
  const folder = '/usr/lib/postgresql';
  const versions = existsSync(folder) ? readdirSync(folder).sort((a, b) => Number(b) - Number(a)) : [];
  return join(folder, versions[0] ?? '15', 'bin/postgres');
}
