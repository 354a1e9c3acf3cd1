/** Findings about ports and subnets: IPv6 addresses that the configuration does not know. */
import { expect, it } from 'vitest';
import { nd, nonce, sourceMac, targetMac } from '../../native-fixtures/frames6.ts';
import type { Network } from '../../src/base/network.ts';
import { V } from '../../src/base/verdict.ts';
import type { Claim } from '../../src/lane/claim.ts';
import { openSubnets, Unlisted } from '../../src/ledger/port-findings.ts';
import { CVM3, MAC3 } from '../network.ts';
import { ipv6Network } from '../network6.ts';

const SECOND = 1e9;
const HOUR = 3600 * SECOND;
const listed = ipv6Network('listed');

const refused = (frame: Uint8Array, capturedNs = SECOND, verdict = V['not-havip']): Claim => ({
  kind: 'refused',
  verdict,
  port: CVM3,
  havip: -1,
  mac: 0,
  capturedNs,
  vrrp: null,
  frame,
});
const announced = (target: string) =>
  nd({ icmpType: 136, source: MAC3, ipSource: 'fe80::acff:fe11:1009', target, options: [targetMac(MAC3)] });
const asked = (ipSource: string) =>
  nd({ icmpType: 135, source: MAC3, ipSource, target: 'fd00:16::1', options: [ipSource === '::' ? nonce : sourceMac(MAC3)] });
const detected = (target: string) => nd({ icmpType: 135, source: MAC3, ipSource: '::', target, options: [nonce] });

function findingsAfter(frames: readonly Uint8Array[], network: Network = listed, atNs = 2 * SECOND) {
  const unlisted = new Unlisted();
  for (const [i, frame] of frames.entries()) unlisted.note(refused(frame, SECOND + i), 'tap9');
  return unlisted.findings(network, atNs);
}

it('names the addresses that a guest uses and nobody listed, by whatever it spoke for them', () => {
  expect(
    findingsAfter([announced('fd00:16::77'), asked('fd00:16::78'), detected('fd00:16::79'), announced('fd00:16::77')]),
  ).toEqual([
    {
      kind: 'address-not-listed',
      about: 'tap9',
      text: 'cvm-3 uses fd00:16::78, fd00:16::79, fd00:16::77, which are not listed, and is refused; add to `addresses` of tap9, or set `addresses: slaac` in `ipv6` of its subnet',
    },
  ]);
});

it('is silent of what is somebody’s, of other frames and reasons, and after an hour', () => {
  const somebodys = [announced('fd00:16::7'), announced('fd00:16::1'), announced('fe80::acff:fe11:1007'), announced('fe80::1')];
  expect(findingsAfter(somebodys)).toEqual([]);
  expect(findingsAfter([new Uint8Array(60), announced('fd00:16::77').subarray(0, 70)])).toEqual([]);
  expect(findingsAfter([announced('fd00:16::77')], listed, HOUR + 2 * SECOND)).toEqual([]);
  const unlisted = new Unlisted();
  unlisted.note(refused(announced('fd00:16::77'), SECOND, V['mac-mismatch']), 'tap9');
  expect(unlisted.findings(listed, SECOND)).toEqual([]);
});

it('keeps the last eight of a guest that makes up addresses', () => {
  const frames = Array.from({ length: 100 }, (_, i) => announced(`fd00:16::${(0x100 + i).toString(16)}`));
  const [finding] = findingsAfter(frames);
  expect(finding?.text.match(/fd00:16::1[0-9a-f]+/g)).toEqual(
    Array.from({ length: 8 }, (_, i) => `fd00:16::${(0x15c + i).toString(16)}`),
  );
});

const abouts = (network: Network) => openSubnets(network).map(({ kind, about }) => `${kind} ${about}`);

it('names the subnets of which nobody says whose addresses are', () => {
  expect(abouts(listed)).toEqual(['nd-unlisted subnet-z']);
  expect(abouts(ipv6Network('any'))).toEqual(['nd-unlisted subnet-a', 'nd-unlisted subnet-z']);
  expect(abouts({ ...ipv6Network('any'), ports: [] })).toEqual([]);
});
