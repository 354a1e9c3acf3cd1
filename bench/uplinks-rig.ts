/**
 * Two hosts joined by an uplink, real keepalived in its reference configuration on both, and a client on the holder's host that pings the
 * HAVIP each 50 ms: how long it hears nothing when the holder fails half a second after an advert. With agents on both hosts or none, in one
 * lab, by turns.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { Hosts } from '../native-fixtures/lab/hosts.ts';
import type { Keepalived } from '../native-fixtures/lab/keepalived.ts';
import { monotonicMs, type Ping } from '../native-fixtures/lab/ping.ts';
import { HAVIP } from '../native-fixtures/lab/topology.ts';
import { until } from '../native-fixtures/lab/until.ts';
import { Wire } from '../native-fixtures/lab/wire.ts';
import type { HavipView } from '../src/ledger/view.ts';

export const FAULTS = ['clean stop', 'processes killed, address gone', 'link down'] as const;
export type Fault = (typeof FAULTS)[number];
export const MODES = ['no agent', 'agents', 'agents, etcd', 'agents, assisted'] as const;
export type Mode = (typeof MODES)[number];

export interface Gap {
  readonly mode: Mode;
  readonly fault: Fault;
  readonly gapMs: number;
  /** What the agent of each host says afterwards; null without agents. */
  readonly views: readonly [holders: HavipView, successors: HavipView] | null;
}

const PATH = '/api/v1/havips/havip-1';
const AFTER_ADVERT_MS = 500;
const PING_MS = 50;
const PING_LIMIT_MS = 900_000;
/** Longer than a take-over, and than the wait of who would move it back. */
const SETTLED_MS = 2500;
const TAKEOVER_MS = 30_000;

const isAdvert = (frame: Buffer) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 112;

export class UplinksRig {
  readonly hosts: Hosts;
  #agents: AgentProcess[] = [];
  #mode: Mode = 'no agent';
  #keepaliveds: Keepalived[] = [];
  readonly #ping: Ping;

  private constructor(hosts: Hosts) {
    this.hosts = hosts;
    this.#ping = hosts.guest('client').ping(HAVIP, { intervalMs: PING_MS, limitMs: PING_LIMIT_MS });
  }

  static async create(uplink: 'plain' | 'vxlan' = 'plain'): Promise<UplinksRig> {
    const guests = { 'host-a': ['cvm-1', 'client'], 'host-b': ['cvm-2'] };
    const hosts = await Hosts.create({ guests, uplink, store: {} });
    return new UplinksRig(hosts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hosts[Symbol.asyncDispose]();
  }

  /** One failure of the holder, cvm-1 on the client's host. */
  async run(mode: Mode, fault: Fault): Promise<Gap> {
    await this.#setMode(mode);
    await this.#setUp();
    await this.#untilAdvert();
    await sleep(AFTER_ADVERT_MS);
    const sinceMs = monotonicMs();
    await this.#fail(fault);
    await this.#keepaliveds[1]!.enters('MASTER', TAKEOVER_MS);
    const outage = await this.#ping.outageUntilReply(sinceMs, TAKEOVER_MS);
    await sleep(SETTLED_MS);
    const views = await Promise.all(this.#agents.map((agent) => agent.api<HavipView>(PATH)));
    await this.#tearDown();
    const [holders, successors] = views;
    return {
      mode,
      fault,
      gapMs: outage?.durationMs ?? 0,
      views: holders === undefined || successors === undefined ? null : [holders, successors],
    };
  }

  async #setMode(mode: Mode): Promise<void> {
    if (mode === this.#mode) return;
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    this.#agents = [];
    await Promise.all(this.hosts.hosts.map(({ id }) => this.hosts.cleanUp(id)));
    this.#mode = mode;
    if (mode === 'no agent') return;
    this.#agents = await this.hosts.startAgents((config) => {
      if (mode === 'agents, assisted') config.vpcs[0]!.havips[0]!['assist'] = 'resign';
      if (mode !== 'agents, etcd') delete config.store;
    });
    if (mode !== 'agents, etcd') return;
    for (const agent of this.#agents)
      await until('store in touch', async () => (await agent.metric('havip_store_connected')) === 1, TAKEOVER_MS);
  }

  async #setUp(): Promise<void> {
    const first = await this.hosts.guest('cvm-1').keepalived();
    await first.enters('MASTER', TAKEOVER_MS);
    const second = await this.hosts.guest('cvm-2').keepalived();
    this.#keepaliveds = [first, second];
    await this.#ping.reply();
    await sleep(SETTLED_MS);
    for (const agent of this.#agents)
      await agent.waitForApi<HavipView>(PATH, 'cvm-1 as the holder', ({ holder }) => holder?.instance === 'cvm-1');
  }

  async #untilAdvert(): Promise<void> {
    const wire = new Wire(this.hosts.host('host-a').space.path, 'tap7');
    try {
      if ((await wire.expect(isAdvert, 5000)) === null) throw new Error('the holder does not advertise');
    } finally {
      wire.close();
    }
  }

  async #fail(fault: Fault): Promise<void> {
    const [holder] = this.#keepaliveds;
    const guest = this.hosts.guest('cvm-1');
    if (fault === 'clean stop') await holder!.stop();
    else if (fault === 'link down') await guest.linkDown();
    else {
      await holder!.crash();
      await guest.forget(HAVIP);
    }
  }

  /** Nobody has the address any more, and both can start over. */
  async #tearDown(): Promise<void> {
    await this.hosts.guest('cvm-1').linkUp();
    await Promise.all(this.#keepaliveds.map((keepalived) => keepalived.stop()));
    await sleep(SETTLED_MS);
  }
}
