/** What a real agent shows of itself over HTTP: states of ports, types of content, and which moves count as failovers. */
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import { metricsSource } from '../../src/api/metrics-source.ts';
import { createMetrics } from '../../src/api/metrics.ts';
import type { PortView } from '../../src/api/types.ts';
import { httpSource } from '../../src/api/views.ts';
import { ipv4, udpHeader } from '../../native-fixtures/packets.ts';
import { CONFIG, handAgent } from '../agent/hand.ts';
import { quiet } from './source.ts';

/** cvm-1 has a second port, as it has while it migrates within a host. */
const TWO_SEATS = CONFIG.replace(
  'vswitch:',
  `  - { interface: tap70, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:46" }
vswitch:`,
);

const open: { close(): unknown }[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function serve() {
  const hand = handAgent({ config: TWO_SEATS });
  const metrics = createMetrics({ ...metricsSource(hand.agent), logLinesDropped: () => 0 }, '1.2.3', false);
  const server = createHttp(() => httpSource(hand.agent, metrics), quiet);
  open.push(server);
  const address = await listenOn(server, { host: '127.0.0.1', port: 0 });
  return { ...hand, metrics, get: (path: string) => fetch(`http://${address}${path}`) };
}

describe('an agent over HTTP', () => {
  it('says what the metrics are, in the words of who wrote them', async () => {
    const { get, metrics } = await serve();
    const reply = await get('/metrics');
    expect(reply.headers.get('content-type')).toBe(metrics.contentType);
    expect(metrics.contentType).toMatch(/^text\/plain; version=\d/);
  });

  it('says in the status what the driver has to say, in its words', async () => {
    const { get, vswitch } = await serve();
    vswitch.notes.push('ports are hooked late here');
    expect(await (await get('/api/v1/status')).json()).toMatchObject({ driver: 'memory', notes: ['ports are hooked late here'] });
  });

  it('explains a frame by what is held now, which a configuration alone does not know', async () => {
    const { get, agent, say } = await serve();
    const packet = ipv4({
      source: '02:00:ac:11:10:0d',
      ipSource: '172.17.16.3',
      ipDestination: '172.17.16.9',
      protocol: 17,
      payload: udpHeader(53, 53),
    });
    const asked = (more = '') => get(`/api/v1/explain?port=tap13&frame=${Buffer.from(packet).toString('hex')}${more}`);
    expect(await (await asked()).json()).toMatchObject({ port: 'tap13', verdict: 'accept', reason: 'other-ip' });
    say('tap7', 'havip-1');
    agent.turn();
    expect(await (await asked()).json()).toMatchObject({
      verdict: 'drop',
      havip: 'havip-1',
      because: [expect.stringContaining('172.17.16.3 is havip-1')],
    });
    for (const query of ['', '?port=tap7', '?port=tap7&frame=xyz', '?port=tap7&frame=00&length=-1', '?frame=00'])
      expect((await get(`/api/v1/explain${query}`)).status).toBe(400);
    expect(await (await get('/api/v1/explain?port=tap999&frame=00')).json()).toMatchObject({ reason: 'unknown-port' });
  });

  it('tells of each port whether it is captured, or what is waited for', async () => {
    const { get, link } = await serve();
    link('tap7', 'up');
    link('tap13', 'down');
    const ports = (await (await get('/api/v1/ports')).json()) as PortView[];
    expect(ports.map(({ interface: name, state }) => [name, state])).toEqual([
      ['tap7', 'captured'],
      ['tap13', 'down'],
      ['tap70', 'unknown'],
    ]);
    const text = await (await get('/metrics')).text();
    for (const line of ['captured"} 1', 'down"} 1', 'absent"} 0', 'unknown"} 1'])
      expect(text).toContain(`\nhavip_ports{state="${line}\n`);
  });

  it('counts a migration apart: no failover, by no cause', async () => {
    const { get, link, say } = await serve();
    for (const name of ['tap7', 'tap13', 'tap70']) link(name, 'up');
    say('tap7', 'havip-1');
    link('tap7', 'up');
    say('tap70', 'havip-1');
    link('tap70', 'up');
    const migrated = await (await get('/metrics')).text();
    expect(migrated).toContain('\nhavip_migrations_total 1\n');
    expect(migrated.match(/^havip_failovers_total\{.*$/gm)).toEqual(
      ['resign', 'silence', 'preempt', 'link-down', 'hung', 'takeover'].map(
        (cause) => `havip_failovers_total{cause="${cause}"} 0`,
      ),
    );
  });

  it('counts a failover, and no migration with it', async () => {
    const { get, link, say, clock } = await serve();
    for (const name of ['tap7', 'tap13']) link(name, 'up');
    say('tap7', 'havip-1');
    link('tap13', 'up');
    clock.advanceMs(60_000);
    link('tap7', 'absent');
    clock.advanceMs(6_000);
    say('tap13', 'havip-1');
    link('tap13', 'up');
    const text = await (await get('/metrics')).text();
    expect(text).toContain('\nhavip_migrations_total 0\n');
    expect(text).toContain('\nhavip_bound_after_outage_total 0\n');
    expect(text).toContain('\nhavip_failovers_total{cause="link-down"} 1\n');
  });
});
