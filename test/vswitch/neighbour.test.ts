import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';
import { GatewayNeighbours, neighbourOf } from '../../src/vswitch/neighbour.ts';
import { enterNewNamespace, ip, neighboursOf, vethPair } from '../capture/netns.ts';
import { HAVIP1, HAVIP2, MAC1, MAC2, seedNetwork } from '../network.ts';
import { boundTo, macOf } from './values.ts';

const address = must(seedNetwork.havips[HAVIP1], 'havip-1').address;

describe('the host’s own neighbour entry', () => {
  const gateways = new Map([[0, 7]]);
  it('follows the holder where the gateway is an interface of this host', () => {
    expect(neighbourOf(seedNetwork, gateways, HAVIP1, macOf(MAC1))).toEqual({ ifindex: 7, address, mac: macOf(MAC1) });
  });
  it('is nobody’s business elsewhere, or while nobody holds the HAVIP', () => {
    expect(neighbourOf(seedNetwork, gateways, HAVIP2, macOf(MAC1))).toBeNull();
    expect(neighbourOf(seedNetwork, gateways, HAVIP1, null)).toBeNull();
    expect(neighbourOf(seedNetwork, new Map(), HAVIP1, macOf(MAC1))).toBeNull();
    expect(neighbourOf(seedNetwork, gateways, 99, macOf(MAC1))).toBeNull();
  });
});

describe.skipIf(process.getuid?.() !== 0)('in the kernel (needs root: a network namespace)', () => {
  let leave: () => void;
  beforeAll(() => {
    leave = enterNewNamespace();
    vethPair('gw', 'peer');
    ip('addr add 172.17.16.1/24 dev gw');
  });
  afterAll(() => leave());

  it('is replaced at each change, and never permanent', () => {
    const neighbours = new GatewayNeighbours();
    neighbours.configure(seedNetwork);
    for (const mac of [MAC1, MAC2]) {
      expect(neighbours.hold(HAVIP1, boundTo('tap7', mac, 1, 1))).toBeNull();
      expect(neighboursOf('gw')).toEqual([{ dst: formatIpv4(address), lladdr: mac, state: ['STALE'] }]);
    }
    ip('link delete gw');
    expect(neighbours.hold(HAVIP1, boundTo('tap7', MAC1, 1, 1))).toBe('neighbour entry of 172.17.16.3: ENODEV');
    neighbours.close();
  });
});
