/** The API's data of a small host, for tests of the server and of `status`. */
import { expect } from 'vitest';
import type { HavipView, PortState, StatusView } from '../../src/api/types.ts';
import { Lists } from '../../src/api/list.ts';
import type { HttpSource } from '../../src/api/routes.ts';
import type { Logger } from '../../src/base/log.ts';
import { type Havip, type Network, NO_NETWORK } from '../../src/base/network.ts';

export const HAVIP: HavipView = {
  id: 'havip-1',
  vpc: 'vpc-1',
  subnet: 'subnet-a',
  address: '172.17.16.3',
  state: 'bound',
  letGo: false,
  holder: { instance: 'cvm-2', interface: 'tap13', mac: '02:00:ac:11:10:0d', host: 'host-a' },
  lastSeenAgoMs: 400,
  since: '2026-01-01T00:00:00.000Z',
  epoch: 2,
  failovers: 1,
  lastFailover: {
    at: '2026-01-01T00:00:00.000Z',
    from: 'cvm-1',
    to: 'cvm-2',
    cause: 'silence',
    phasesMs: { detection: 3690, announce: 0.6, verdict: 0.1, programming: 0.2, total: 3690.9 },
    advice: null,
  },
  contested: false,
  sides: [],
  pending: null,
  evidence: [],
  successor: null,
  assist: null,
  findings: [{ kind: 'no-refresh', havip: 'havip-1', text: 'announces once only' }],
};

/** What lists are made of, for the one HAVIP. */
const NETWORK: Network = {
  ...NO_NETWORK,
  vpcs: [{ index: 0, id: HAVIP.vpc, cidr: { base: 0xac11_0000, bits: 16 } }],
  havips: [havipAt(0, HAVIP.id, 0xac11_1003)],
};

/** Nobody's in particular, of the VPC with index 0. */
export function havipAt(index: number, id: string, address: number, vpc = 0): Havip {
  const settings = { members: null, fence: true, vrid: null, assist: null, verify: 'auto', probe: false } as const;
  return { index, id, vpc, subnet: 0, address, ...settings };
}

export const STATUS: StatusView = {
  host: 'host-a',
  version: '0.1.0',
  mode: 'enforce',
  driver: 'nftables',
  ready: true,
  reason: null,
  drops: { 'not-havip': 3, malformed: 12 },
  guardDropped: 15,
  uplinks: [{ interface: 'vx10', vpc: 'vpc-1' }],
  findings: [{ kind: 'nd-unlisted', about: 'subnet-a', text: 'nobody says whose IPv6 addresses are' }],
  notes: ['the guard is re-made when an interface appears: this kernel has no hooks by name'],
};

const port = (name: string, state: PortState) => ({
  interface: name,
  instance: `cvm-${name}`,
  vpc: 'vpc-1',
  subnet: 'subnet-a',
  mac: '02:00:ac:11:10:0d',
  addresses: ['172.17.16.13'],
  state,
});

export function lists(): Lists {
  return new Lists({
    network: () => NETWORK,
    counts: () => ({ bound: 1, unbound: 0, contested: 0 }),
    look: (_havip, _nowNs, glance) => Object.assign(glance, { holder: 'cvm-2', failovers: 1 }),
    drawn: () => HAVIP,
    nowNs: () => 0,
  });
}

export function source(changes: Partial<HttpSource> = {}): HttpSource {
  return {
    healthy: () => true,
    readiness: () => ({ ready: true }),
    status: () => STATUS,
    havips: () => [HAVIP],
    havip: (id) => (id === HAVIP.id ? HAVIP : null),
    ports: () => [port('tap13', 'captured'), port('tap7', 'absent')],
    uplinks: () => [],
    eips: () => [],
    hosts: () => [],
    events: () =>
      Array.from({ length: 5 }, (_, i) => ({
        seq: i + 1,
        at: `2026-01-01T00:00:0${i}.000Z`,
        kind: 'bound' as const,
        havip: HAVIP.id,
        vpc: HAVIP.vpc,
        epoch: i + 1,
        from: null,
        to: 'cvm-2',
        cause: null,
        phasesMs: null,
        text: `event ${i + 1}`,
      })),
    page: (query) => lists().page(query),
    failovers: (id) => (id === HAVIP.id && HAVIP.lastFailover !== null ? [HAVIP.lastFailover] : null),
    stream: () => null,
    explain: (port) => ({ port }),
    recording: (id) => (id === HAVIP.id ? Uint8Array.of(10, 13, 13, 10) : null),
    metrics: async () => ({ type: 'text/plain; version=0.0.4', text: '# HELP x y\n' }),
    ...changes,
  };
}

/** A log whose lines no test expects. */
export const quiet: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_fields, message) => expect.fail(message),
  error: (_fields, message) => expect.fail(message),
};
