/** An address outside where many hosts have a way there: exactly one of them speaks for it, whatever happens to the others. Needs root. */
import { describe, expect, test } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Hosts } from '../../native-fixtures/lab/hosts.ts';
import { EIP, Outside, withEip } from '../../native-fixtures/lab/outside.ts';
import type { AgentConfig } from '../../native-fixtures/lab/topology.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('EIPs of many hosts: skipped, they need root to make network namespaces');

const THREE = { 'host-a': ['cvm-1'], 'host-b': ['cvm-2'], 'host-c': ['client'] };
const NO_GATEWAY = '02:00:ac:11:10:01';
const LIMIT = 30_000;

class Scene implements AsyncDisposable {
  readonly hosts: Hosts;
  readonly outside: Outside;
  readonly agents = new Map<string, AgentProcess>();

  private constructor(hosts: Hosts, outside: Outside) {
    this.hosts = hosts;
    this.outside = outside;
  }

  static async create(options: { readonly store?: object }): Promise<Scene> {
    const hosts = await Hosts.create({ guests: THREE, ...options });
    const spaces = hosts.hosts.map(({ space }) => space);
    const scene = new Scene(hosts, await Outside.build(hosts.name, spaces));
    await Promise.all(hosts.hosts.map(({ id }) => scene.startAgent(id)));
    // What leaves for the outside is forwarded whatever MAC it is addressed to.
    for (const name of ['cvm-1', 'cvm-2']) await hosts.guest(name).pinNeighbour('172.17.16.1', NO_GATEWAY);
    return scene;
  }

  async startAgent(id: string): Promise<void> {
    const away = this.hosts.hosts.flatMap((host) => (host.id === id ? [] : host.guests.map(({ spec }) => spec)));
    const peers = away.map(({ instance, mac, address }) => ({ instance, vpc: 'vpc-1', mac, addresses: [address] }));
    const change = (config: AgentConfig) => {
      withEip(config);
      if (config.store === undefined) config.peers = peers;
    };
    this.agents.set(id, await this.hosts.startAgent(id, change));
  }

  /** All agents, or these. */
  async held(instance: string, ids: readonly string[] = [...this.agents.keys()]): Promise<void> {
    const isIt = ({ holder }: HavipView) => holder?.instance === instance;
    const path = '/api/v1/havips/havip-1';
    for (const id of ids)
      await this.agents.get(id)!.waitForApi<HavipView>(path, `${instance} as the holder at ${id}`, isIt, LIMIT);
  }

  /** The hosts whose MACs answer three ARP requests, each with how often. */
  async answering(): Promise<Record<string, number>> {
    const said = await this.outside.router.exec(['bash', '-c', `arping -b -c 3 -w 4 -I in0 ${EIP} || true`]);
    const found: Record<string, number> = {};
    for (const [, mac = ''] of said.matchAll(/reply from \S+ \[([0-9A-F:]{17})\]/g)) {
      const id = (await this.#hostOf(mac.toLowerCase())) ?? mac;
      found[id] = (found[id] ?? 0) + 1;
    }
    return found;
  }

  async #hostOf(mac: string): Promise<string | undefined> {
    for (const { id, space } of this.hosts.hosts)
      if ((await space.exec(['cat', '/sys/class/net/ext0/address'])).trim() === mac) return id;
    return undefined;
  }

  /** Where the router sends what is for it. */
  async leadsTo(id: string): Promise<boolean> {
    const [, mac = ''] = /lladdr (\S+)/.exec(await this.outside.router.exec(['ip', 'neigh', 'show', EIP])) ?? [];
    return (await this.#hostOf(mac)) === id;
  }

  async pings(count: number): Promise<number> {
    const said = await this.outside.client.exec(['bash', '-c', `ping -n -i 0.05 -W 1 -c ${count} ${EIP} || true`]);
    return Number(/(\d+) received/.exec(said)?.[1] ?? 0);
  }

  async answers(): Promise<void> {
    await until('an answer through the EIP', async () => (await this.pings(1)) === 1, LIMIT);
  }

  /** What this host's kernel has of EIPs. */
  async entries(id: string): Promise<number> {
    const listed = await this.hosts.host(id).space.exec(['nft', 'list', 'set', 'netdev', 'havip', 'eips']);
    return listed.match(/\d+\.\d+\.\d+\.\d+/g)?.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outside[Symbol.asyncDispose]();
    await this.hosts[Symbol.asyncDispose]();
  }
}

describe.runIf(root)('an EIP of three hosts', () => {
  test.each([
    ['without a store', {}],
    ['with etcd', { store: {} }],
  ])('is spoken for by the one that has the holder, %s', { timeout: 240_000 }, async (_, options) => {
    await using scene = await Scene.create(options);
    const { hosts } = scene;
    const first = await hosts.guest('cvm-1').keepalived();
    await scene.held('cvm-1');
    await scene.answers();
    expect(await scene.answering()).toEqual({ 'host-a': 3 });

    // From host to host: the router is told, and asks nobody.
    const second = await hosts.guest('cvm-2').keepalived();
    const heard = scene.outside.router.spawn([
      'tcpdump',
      '-l',
      '-n',
      '-e',
      '-i',
      'in0',
      'arp',
      'and',
      'arp[14:4]',
      '==',
      '0xcb00710a',
    ]);
    await until('tcpdump', () => heard.stderr.some((line) => line.includes('listening')));
    await first.stop();
    await scene.held('cvm-2');
    await until('a router that was told', () => scene.leadsTo('host-b'), LIMIT);
    expect(await scene.pings(20)).toBe(20);
    expect(await scene.answering()).toEqual({ 'host-b': 3 });
    expect([await scene.entries('host-a'), await scene.entries('host-b'), await scene.entries('host-c')]).toEqual([0, 1, 0]);
    const announced = () => heard.stdout.filter((line) => /Request who-has 203\.0\.113\.10 .*tell 203\.0\.113\.10/.test(line));
    await until('a second announcement', () => announced().length >= 2, LIMIT);
    expect(new Set(announced().map((line) => line.split(' ')[1])).size).toBe(1);
    await heard.stop();

    // An agent that is killed leaves its switch as it is; nobody answers ARP there meanwhile.
    await scene.agents.get('host-b')!.stop('SIGKILL');
    expect(await scene.pings(20)).toBe(20);
    expect(await scene.answering()).toEqual({});

    // The holder leaves that host: another one's agent tells the outside, whatever the dead one's switch still has.
    const again = await hosts.guest('cvm-1').keepalived();
    await second.stop();
    await scene.held('cvm-1', ['host-a', 'host-c']);
    await until('a router that was told', () => scene.leadsTo('host-a'), LIMIT);
    await scene.answers();
    expect(await scene.answering()).toEqual({ 'host-a': 3 });
    await scene.startAgent('host-b');
    await scene.held('cvm-1', ['host-b']);
    await until('no entry left at host-b', async () => (await scene.entries('host-b')) === 0, LIMIT);
    expect(await scene.answering()).toEqual({ 'host-a': 3 });

    // A host that stands still, with its agent and its guests.
    await hosts.guest('cvm-2').keepalived();
    hosts.freeze('host-a');
    await scene.held('cvm-2', ['host-b', 'host-c']);
    await scene.answers();
    expect(await scene.answering()).toEqual({ 'host-b': 3 });
    hosts.thaw('host-a');
    await until(
      'one who answers',
      async () => {
        const { holder } = await scene.agents.get('host-a')!.api<HavipView>('/api/v1/havips/havip-1');
        const one = holder?.instance === 'cvm-1' ? 'host-a' : 'host-b';
        const found = await scene.answering();
        return found[one] === 3 && Object.keys(found).length === 1 && (await scene.leadsTo(one));
      },
      LIMIT,
    );
    await scene.answers();
    await again.stop();
  });
});
