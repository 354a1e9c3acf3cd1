/** `npm run demo -- lb`: two load balancers (haproxy) behind one HAVIP, two servers behind them; the one that holds it is killed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../lab/lab.ts';
import { monotonicMs } from '../lab/ping.ts';
import type { LabProcess } from '../lab/process.ts';
import { HAVIP } from '../lab/topology.ts';
import { asking, bound, Client, costOf, demand, eventually, FALL, LIMIT_MS, require, tellCost } from './scenario.ts';
import type { Timeline } from './timeline.ts';

const EVERY_MS = 20;
const HAPROXY = '/usr/sbin/haproxy';
const BUSYBOX = '/bin/busybox';
const SERVERS = ['cvm-3', 'cvm-4'];

export async function showLoadBalancers(timeline: Timeline, observed: Record<string, unknown>): Promise<void> {
  require(HAPROXY, BUSYBOX, '/usr/bin/pkill');
  await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'cvm-3', 'cvm-4', 'client'] });
  timeline.title(`Two load balancers, two servers, and ${HAVIP}`);
  const agent = await lab.startAgent({ config: asking(lab, 80) });
  for (const name of SERVERS) startServer(lab, name);
  const haproxy = await startBalancer(lab, 'cvm-1');
  await startBalancer(lab, 'cvm-2');
  const first = await lab.guest('cvm-1').keepalived(keepalivedFor(lab, 'cvm-1'));
  await first.enters('MASTER', 30_000);
  const second = await lab.guest('cvm-2').keepalived(keepalivedFor(lab, 'cvm-2'));
  await bound(agent, 'cvm-1');
  timeline.event('guests', `haproxy and keepalived in cvm-1 and cvm-2; track_script: kill -0, interval 1, fall ${FALL}`);

  const client = new Client(lab.client, 'http', EVERY_MS);
  await client.answered(50);
  timeline.event('client', `${1000 / EVERY_MS} requests a second to ${HAVIP}, a connection each`);
  const faultMs = monotonicMs();
  await haproxy.stop('SIGKILL');
  timeline.event('fault', 'haproxy on cvm-1 is killed; keepalived there and its link live on', 'bad');
  const cost = await costOf(agent, client, 'cvm-2', faultMs);
  tellCost(timeline, cost);
  const requests = await client.stop();
  timeline.event(
    'client',
    `${requests.ok} answered, ${requests.failed} failed, longest gap ${cost.gapMs} ms (at most ${LIMIT_MS})`,
  );
  Object.assign(observed, { scenario: 'lb', ...cost, requests });
  demand('exactly one failover', cost.failovers === 1);
  demand('the cause: resign', cost.cause === 'resign');
  demand(`a gap of at most ${LIMIT_MS} ms (it was ${cost.gapMs})`, cost.gapMs <= LIMIT_MS);
  demand(
    'both servers at work',
    (await served(lab)).every((count) => count > 0),
  );
  await second.stop();
  await agent.stop();
}

function startServer(lab: Lab, name: string): void {
  lab.writeFile('index.html', 'served\n');
  // Its log, a line per request, is what tells that it was asked.
  lab.guest(name).spawn([BUSYBOX, 'sh', '-c', `exec ${BUSYBOX} httpd -f -vv -p 8080 -h ${lab.directory} 2>${logOf(lab, name)}`]);
}

async function startBalancer(lab: Lab, name: string): Promise<LabProcess> {
  const servers = SERVERS.map((each) => `  server ${each} ${lab.guest(each).spec.address}:8080 check inter 500`).join('\n');
  const text = `global
  maxconn 500
defaults
  mode http
  timeout connect 500ms
  timeout client 5s
  timeout server 5s
frontend web
  bind *:80
  default_backend servers
backend servers
  balance roundrobin
${servers}
`;
  const guest = lab.guest(name);
  const file = lab.writeFile(`${name}.haproxy.cfg`, text);
  const process = guest.spawn(['sh', '-c', `echo $$ >${pidOf(lab, name)}; exec ${HAPROXY} -db -f ${file}`]);
  const connects = ['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/80'];
  await eventually(`haproxy on ${name}`, async () => (await guest.exec(connects)) === '');
  return process;
}

function keepalivedFor(lab: Lab, name: string) {
  return { check: { command: `/usr/bin/pkill -0 -F ${pidOf(lab, name)}`, fall: FALL } };
}

function pidOf(lab: Lab, name: string): string {
  return join(lab.directory, `${name}.haproxy.pid`);
}

function logOf(lab: Lab, name: string): string {
  return join(lab.directory, `${name}.served`);
}

async function served(lab: Lab): Promise<number[]> {
  return SERVERS.map((name) => (readFileSync(logOf(lab, name), 'utf8').match(/200/g) ?? []).length);
}
