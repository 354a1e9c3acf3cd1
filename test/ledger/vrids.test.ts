import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { Vrids } from '../../src/ledger/vrids.ts';
import { CVM1, CVM2, CVM3, CVM4, HAVIP1, HAVIP2, HAVIP_OPEN, seedNetwork } from '../network.ts';
import { networkWith } from './scene.ts';

const SECOND = 1e9;
const at = (index: number) => must(seedNetwork.ports[index], 'a port');

function vridsOf(network = seedNetwork): Vrids {
  const vrids = new Vrids();
  vrids.configure(network);
  return vrids;
}

describe('whose a VRID is', () => {
  it('is the first cluster’s that lives with it, until 60 s after the last advert of any member', () => {
    const vrids = vridsOf();
    vrids.hear(at(CVM1), HAVIP1, 51, 0);
    vrids.hear(at(CVM4), HAVIP2, 51, 1 * SECOND);
    expect([vrids.vridsOf(HAVIP1), vrids.vridsOf(HAVIP2)]).toEqual([[51], []]);
    expect(vrids.takeChanged()).toEqual([HAVIP1]);
    expect(vrids.takeChanged()).toEqual([]);
    vrids.hear(at(CVM2), HAVIP1, 51, 50 * SECOND);
    vrids.expire(109 * SECOND);
    expect(vrids.vridsOf(HAVIP1)).toEqual([51]);
    vrids.expire(111 * SECOND);
    expect(vrids.vridsOf(HAVIP1)).toEqual([]);
    expect(vrids.takeChanged()).toEqual([HAVIP1]);
    vrids.hear(at(CVM4), HAVIP2, 51, 112 * SECOND);
    expect(vrids.vridsOf(HAVIP2)).toEqual([51]);
  });

  it('is not kept by a stranger’s adverts, nor by a third VRID of one HAVIP', () => {
    const vrids = vridsOf();
    for (const vrid of [51, 52, 53]) vrids.hear(at(CVM1), HAVIP1, vrid, 0);
    expect(vrids.vridsOf(HAVIP1)).toEqual([51, 52]);
    vrids.hear(at(CVM3), HAVIP_OPEN, 51, 59 * SECOND);
    vrids.expire(61 * SECOND);
    expect(vrids.vridsOf(HAVIP1)).toEqual([]);
  });

  it('goes on with a cluster that is heard from other hosts', () => {
    const vrids = vridsOf();
    vrids.hear(null, HAVIP1, 51, 0);
    vrids.hear(null, HAVIP2, 51, 50 * SECOND);
    vrids.hear(null, HAVIP1, 51, 50 * SECOND);
    vrids.expire(100 * SECOND);
    expect([vrids.vridsOf(HAVIP1), vrids.vridsOf(HAVIP2)]).toEqual([[51], []]);
  });

  it('is not learned where the configuration says it, for its HAVIP or for another', () => {
    const vrids = vridsOf(networkWith({ vrid: 51 }));
    vrids.hear(at(CVM1), HAVIP1, 60, 0);
    vrids.hear(at(CVM4), HAVIP2, 51, 0);
    expect([vrids.vridsOf(HAVIP1), vrids.vridsOf(HAVIP2)]).toEqual([[], []]);
  });

  it('ends with its HAVIP, and when a reload gives it to somebody', () => {
    const vrids = vridsOf();
    vrids.hear(at(CVM1), HAVIP1, 51, 0);
    vrids.hear(at(CVM4), HAVIP2, 52, 0);
    vrids.takeChanged();
    vrids.configure({ ...networkWith({ vrid: 52 }), ports: seedNetwork.ports });
    expect([vrids.vridsOf(HAVIP1), vrids.vridsOf(HAVIP2)]).toEqual([[], []]);
    expect(vrids.takeChanged().sort((one, other) => one - other)).toEqual([HAVIP1, HAVIP2]);
    const gone = vridsOf();
    gone.hear(at(CVM1), HAVIP1, 51, 0);
    gone.configure({ ...seedNetwork, havips: seedNetwork.havips.map((havip) => (havip?.index === HAVIP1 ? null : havip)) });
    expect(gone.vridsOf(HAVIP1)).toEqual([]);
  });

  it('goes over a restart, as the switch says', () => {
    const vrids = vridsOf();
    vrids.adopt(HAVIP1, [51], 5 * SECOND);
    vrids.hear(at(CVM4), HAVIP2, 51, 6 * SECOND);
    expect([vrids.vridsOf(HAVIP1), vrids.vridsOf(HAVIP2)]).toEqual([[51], []]);
    vrids.expire(66 * SECOND);
    expect(vrids.vridsOf(HAVIP1)).toEqual([]);
  });
});
