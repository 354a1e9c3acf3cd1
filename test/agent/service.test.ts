/** Connections to real services over a real network: two namespaces and a veth pair between them. */
import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openConnection, ServiceProber } from '../../src/agent/service.ts';
import { formatIpv4, parseIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';
import { systemClock } from '../../src/base/clock.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { enterNewNamespace } from '../capture/netns.ts';
import { seedNetwork } from '../network.ts';

const ADDRESS = must(parseIpv4('127.0.0.7'), 'an address');
const NOBODY = must(parseIpv4('10.99.0.9'), 'an address');

interface Said {
  readonly silent: { readonly lastNs: number; readonly foundNs: number }[];
  answers: number;
  readonly troubles: string[];
}

describe.skipIf(process.getuid?.() !== 0)('services (needs root: a network namespace)', () => {
  let leave: () => void;
  const closing: (() => void)[] = [];
  beforeAll(() => {
    leave = enterNewNamespace();
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    execFileSync('ip', ['link', 'add', 'hole', 'type', 'veth', 'peer', 'name', 'end']);
    for (const name of ['hole', 'end']) execFileSync('ip', ['link', 'set', name, 'up']);
    execFileSync('ip', ['address', 'add', '10.99.0.1/24', 'dev', 'hole']);
    // Somebody is said to be there, and does not answer.
    execFileSync('ip', ['neighbour', 'add', '10.99.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'hole']);
  });
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });
  afterAll(() => leave());

  const listening = async (port = 0): Promise<{ server: Server; port: number }> => {
    const server = createServer((socket) => socket.on('error', () => {}).end()).listen(port, formatIpv4(ADDRESS));
    await once(server, 'listening');
    closing.push(() => server.close());
    const bound = server.address();
    return { server, port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
  };

  const havip = must(seedNetwork.havips[0], 'the seed has a HAVIP');
  const asking = (address: number, tcp: number, device = 'lo') => {
    const said: Said = { silent: [], answers: 0, troubles: [] };
    const prober = new ServiceProber({
      open: openConnection,
      clock: systemClock,
      onSilent: (_, lastNs, foundNs) => said.silent.push({ lastNs, foundNs }),
      onAnswer: () => said.answers++,
      onTrouble: (message) => message !== null && said.troubles.push(message),
    });
    closing.push(() => prober.close());
    const configure = (to: number, port: number) =>
      prober.configure({ ...seedNetwork, havips: [{ ...havip, address: to, probe: { tcp: port } }] }, () => device);
    configure(address, tcp);
    const isUp = () => [...prober.results()][0]?.up === true;
    return { said, prober, isUp, configure };
  };

  it('answer, fall silent by a refusal, and answer again', async () => {
    const { server, port } = await listening();
    const { said, isUp } = asking(ADDRESS, port);
    await until('an answer', isUp);
    const stoppedNs = systemClock.nowNs();
    server.close();
    await until('silence', () => said.silent.length > 0);
    const [silence] = said.silent;
    expect(silence?.lastNs).toBeLessThan(stoppedNs);
    expect(silence?.foundNs).toBeGreaterThan(stoppedNs);
    expect(isUp()).toBe(false);
    await listening(port);
    await until('an answer again', () => said.answers === 1 && isUp());
    expect(said.silent).toHaveLength(1);
    expect(said.troubles).toEqual([]);
  });

  it('that never answered are not said to have fallen silent', async () => {
    const { server, port } = await listening();
    server.close();
    const refused = asking(ADDRESS, port);
    const unanswered = asking(NOBODY, 80, 'hole');
    const { port: other } = await listening();
    const beside = asking(ADDRESS, other);
    await until('some rounds', beside.isUp);
    await until('another', () => !refused.isUp() && !unanswered.isUp());
    expect([refused.said.silent, unanswered.said.silent]).toEqual([[], []]);
  });

  it('that stop answering at all are silent too, once a whole interval was in vain', async () => {
    const { port } = await listening();
    const { said, isUp } = asking(ADDRESS, port);
    await until('an answer', isUp);
    execFileSync('nft', ['add table ip hush; add chain ip hush in { type filter hook input priority 0; }']);
    execFileSync('nft', [`add rule ip hush in tcp dport ${port} drop`]);
    await until('silence', () => said.silent.length > 0);
    execFileSync('nft', ['delete table ip hush']);
    const [silence] = said.silent;
    expect((silence?.foundNs ?? 0) - (silence?.lastNs ?? 0)).toBeGreaterThan(250e6);
    await until('an answer again', isUp);
  });

  it('that are not asked any more are not called silent', async () => {
    const { server, port } = await listening();
    const { said, isUp, prober } = asking(ADDRESS, port);
    await until('an answer', isUp);
    server.close();
    await until('silence', () => said.silent.length > 0);
    prober.configure({ ...seedNetwork, havips: [{ ...havip, probe: true }] }, () => 'lo');
    expect(said.answers).toBe(1);
    expect([...prober.results()]).toEqual([]);
  });

  it('cannot be asked from an interface that is not there, which is said', async () => {
    const { said, isUp } = asking(ADDRESS, 80, 'gone0');
    await until('the trouble', () => said.troubles.length > 0);
    expect(said.troubles[0]).toMatch(/^probe of a service on gone0: .*(No such device|ENODEV)/);
    expect(isUp()).toBe(false);
  });
});
