import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { parseCidr6 } from '../../src/base/ipv6.ts';
import type { Network } from '../../src/base/network.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { entryId } from '../../src/vswitch/entries.ts';
import { label } from '../../src/vswitch/label.ts';
import { domainOf } from '../../src/vswitch/nftables/domain.ts';
import { fieldsOf, flowMapOf, SETS } from '../../src/vswitch/nftables/keys.ts';
import { NftablesSwitch } from '../../src/vswitch/nftables/nftables.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { enterNewNamespace } from '../capture/netns.ts';
import { HAVIP1, HAVIP2, HAVIP_OPEN, MAC1, seedNetwork } from '../network.ts';
import { itConforms } from './conformance.ts';
import { KeptLog, boundTo } from './values.ts';

const byText = (a: string, b: string) => a.localeCompare(b);
const nft = (text: string) => execFileSync('nft', [text], { encoding: 'utf8' });

const elementsIn = (set: string) => {
  const [, elements = ''] = /elements = \{([\s\S]*?)\}/.exec(nft(`list set netdev havip ${set}`)) ?? [];
  return elements
    .split(',')
    .map((one) => one.trim().replaceAll(/ (expires|comment) (\w+|"[^"]*")/g, ''))
    .filter((one) => one !== '');
};

const rulesOf = (chain: string) => nft(`list chain netdev havip ${chain}`).replaceAll(/packets \d+ bytes \d+/g, '');

function ruleLine(chain: string): string {
  return must(
    execFileSync('nft', ['-a', 'list', 'chain', 'netdev', 'havip', chain], { encoding: 'utf8' })
      .split('\n')
      .find((line) => line.includes('comment')),
    chain,
  );
}

const DOMAIN = domainOf('vpc-1');
const FLOWS = flowMapOf(DOMAIN);
const VMAC = '00:00:5e:00:01:33';

const MAC_OUT = 0x0200_cb00_7102;
const EIP: Partial<Network> = {
  eips: [{ id: 'eip-1', address: 0xcb00_710a, havip: HAVIP1 }],
  external: { interface: 'ext0', gateway: 0xcb00_7101, notNat: [{ base: 0xac10_0000, bits: 12 }] },
};

/** This network with holders, a VRID, an EIP and a stranger, as the kernel has it; and what its listing says. */
const programmed = (network = seedNetwork) => {
  // No interface of this network is here; lo stands for each.
  const vswitch = Object.assign(new NftablesSwitch('havip'), { indexOf: () => 1 });
  const reconciler = new Reconciler({ vswitch, clock: new ManualClock(), log: new KeptLog() });
  reconciler.configure({ ...network, ...EIP }, 'enforce');
  reconciler.letHoldersGo();
  reconciler.want((desired) => desired.keepAlive(10));
  reconciler.hold(HAVIP1, boundTo('tap7', MAC1, 1, 1));
  reconciler.hold(HAVIP_OPEN, boundTo('tap13', VMAC, 1, 1));
  reconciler.want((desired) => desired.own(HAVIP_OPEN, [51]));
  reconciler.want((desired) => desired.shut(new Map([['tap99', 7]])));
  const way = { interface: 'ext0', ifindex: 1, mac: MAC_OUT, gateway: MAC_OUT - 1, from: () => MAC_OUT };
  reconciler.want((desired) => desired.leads(way));
  expect(reconciler.flush().state).toBe('committed');
  const listed = () =>
    vswitch
      .list()
      .map((item) => `${entryId(item)} ${item.value}`)
      .sort();
  return { vswitch, reconciler, listed };
};

/** A port whose chain leads to chains and sets that are none of ours. */
const OTHER_VERSION = `
add set netdev havip fenced_vpc-1 { type ipv4_addr; elements = { 172.17.16.3 }; }
add chain netdev havip vpc_vpc-1
add chain netdev havip subnet_a
add rule netdev havip subnet_a ip saddr @fenced_vpc-1 goto guard
add rule netdev havip vpc_vpc-1 goto subnet_a
flush chain netdev havip port_tap7
add rule netdev havip port_tap7 jump vpc_vpc-1`;

/** A process without any privilege says what is missing, in one line. */
const unprivileged = fileURLToPath(new URL('../../dist/src/vswitch/nftables/nftables.js', import.meta.url));
const tryIt = `import(process.argv[1]).then(({ NftablesSwitch }) => new NftablesSwitch()).catch((e) => console.log(e.kind, e.message))`;

describe.skipIf(process.getuid?.() !== 0)('nftables (needs root: a network namespace)', () => {
  let leave: () => void;
  beforeAll(() => {
    leave = enterNewNamespace();
  });
  afterAll(() => leave());

  itConforms(() => new NftablesSwitch('havip'));

  describe('drift', () => {
    /** What a stranger does, and how many entries that damages. */
    /** Of tap7. */
    const LINK_LOCAL = '0xfe800000000000000000acfffe111007';
    const rows: [says: string, command: (handle: (chain: string) => string) => string, damaged: number][] = [
      ['a flow is deleted', () => `delete element netdev havip ${FLOWS} { ${DOMAIN} . 172.17.16.3 }`, 1],
      ['a flow is added', () => `add element netdev havip ${FLOWS} { ${DOMAIN} . 172.17.16.99 : 02:00:00:00:00:99 }`, 1],
      ['a fence is deleted', () => `delete element netdev havip fenced { ${DOMAIN} . 172.17.16.3 }`, 1],
      ['a holder is deleted', () => 'delete element netdev havip holder { "tap7" . 172.17.16.3 }', 1],
      ['a second holder is added', () => 'add element netdev havip holder { "tap13" . 172.17.16.3 }', 1],
      ['a claim is added', () => 'add element netdev havip claims { "tap9" . 0xac111003 }', 1],
      ['a sender is added', () => 'add element netdev havip sender { "tap9" . 02:00:00:00:00:01 . 02:00:00:00:00:02 }', 1],
      ['all claims are flushed', () => 'flush set netdev havip claims', 6],
      ['an IPv6 address is taken off a port', () => `delete element netdev havip own6 { "tap7" . ${LINK_LOCAL} }`, 1],
      ['an IPv6 address is given to another port', () => `add element netdev havip own6 { "tap9" . ${LINK_LOCAL} }`, 1],
      ['nobody’s IPv6 address is nobody’s any more', () => 'flush set netdev havip taken6', 5],
      ['any IPv6 address is forbidden', () => 'delete element netdev havip open6 { "tap9" }', 1],
      ['a guest is made a router', () => 'add element netdev havip router { "tap9" }', 1],
      ['a prefix is added', () => 'add element netdev havip prefix6 { "tap9" . 0xfe80000000000000 }', 1],
      ['a MAC for options is added', () => 'add element netdev havip option6 { "tap9" . 0x020000000001 }', 1],
      ['an IPv6 chain is flushed', () => 'flush chain netdev havip nd_na', 1],
      ['a guard chain is flushed', () => 'flush chain netdev havip guard_arp', 1],
      ['a rule is inserted', () => 'insert rule netdev havip deny accept', 1],
      ['a guard rule is deleted', (handle) => `delete rule netdev havip guard handle ${handle('guard')}`, 1],
      ['the sign of life is taken away', () => 'flush set netdev havip alive', 1],
      ['it has no end', () => 'flush set netdev havip alive; add element netdev havip alive { ip, arp, ip6 timeout 0s }', 1],
      ['a virtual MAC is free', () => `delete element netdev havip vmacs { ${DOMAIN} . ${VMAC} }`, 1],
      ['a virtual MAC has two holders', () => `add element netdev havip vholder { "tap9" . ${VMAC} }`, 1],
      ['a virtual MAC leads elsewhere', () => `add element netdev havip vports { ${DOMAIN} . ${VMAC} : "lo" }`, 1],
      ['a member more of a virtual MAC', () => `add element netdev havip vmember { "tap5" . ${VMAC} }`, 1],
      ['a VRID is nobody’s', () => `delete element netdev havip vrid { ${DOMAIN} . 0x33 }`, 1],
      ['a VRID is everybody’s', () => 'add element netdev havip vrider { "tap5" . 0x33 }', 1],
      ['who speaks is added', () => 'add element netdev havip speaks { "tap9" . 02:00:ac:11:10:09 . 172.17.16.77 }', 1],
      ['who is a fellow is added', () => 'add element netdev havip fellow { "tap9" . 172.17.16.7 }', 1],
      ['a fence of no VPC is added', () => 'add element netdev havip fenced { 02:00:00:00:00:77 . 172.17.16.3 }', 1],
      ['an EIP is forgotten', () => 'delete element netdev havip eips { 203.0.113.10 }', 1],
      [
        'an EIP leads to another MAC',
        () =>
          'delete element netdev havip eip_mac { 203.0.113.10 }; add element netdev havip eip_mac { 203.0.113.10 : 02:00:00:00:00:99 }',
        1,
      ],
      [
        'an EIP leads to another address',
        () => 'flush map netdev havip eip_havip; add element netdev havip eip_havip { 203.0.113.10 : 172.17.16.9 }',
        1,
      ],
      ['an EIP leads nowhere', () => 'flush map netdev havip eip_port', 1],
      [
        'an EIP has another mark',
        () => 'flush map netdev havip eip_mark; add element netdev havip eip_mark { 203.0.113.10 : 7 }',
        1,
      ],
      ['an EIP comes from another MAC', () => 'flush map netdev havip eip_from', 1],
      ['another port sends as an EIP', () => 'add element netdev havip eip_out { "tap9" . 172.17.16.9 : 203.0.113.11 }', 1],
      ['nobody sends as an EIP', () => 'flush map netdev havip eip_go', 1],
      ['the way out is flushed', () => 'flush chain netdev havip external_out', 1],
      ['the way in is unhooked', () => 'flush chain netdev havip external_ext0; delete chain netdev havip external_ext0', 1],
      ['a map is added', () => 'add map netdev havip strange { type ipv4_addr : ether_addr; }', 1],
      ['a set is added', () => 'add set netdev havip stranger { type ipv4_addr; elements = { 172.17.16.3 }; }', 1],
      ['a port’s rules are flushed', () => 'flush chain netdev havip port_tap7', 1],
      ['a port is unhooked', () => 'flush chain netdev havip port_tap7; delete chain netdev havip port_tap7', 1],
      ['a port drops everything', () => 'add chain netdev havip port_tap7 { policy drop; }', 1],
      ['a chain is added', () => 'add chain netdev havip stranger { type filter hook ingress device "tap7" priority -5; }', 1],
      ['a port has another version’s rules', () => OTHER_VERSION, 4],
      ['the table sleeps', () => 'add table netdev havip { flags dormant; }', 1],
      ['the table is deleted', () => 'delete table netdev havip', 79],
      ['a stranger is let in', () => 'flush chain netdev havip shut_tap99', 1],
      ['a stranger is unhooked', () => 'flush chain netdev havip shut_tap99; delete chain netdev havip shut_tap99', 1],
    ];

    it.each(rows)('%s: noticed and repaired', (_says, command, damaged) => {
      const { vswitch, reconciler, listed } = programmed();
      const before = listed();
      expect(vswitch.changed()).toBe(false);

      nft(command((chain) => must(/handle (\d+)/.exec(ruleLine(chain)), chain)[1] ?? ''));
      expect(vswitch.changed()).toBe(true);
      expect(vswitch.changed()).toBe(false);
      expect(reconciler.resync()).toBe(damaged);
      expect(reconciler.inSync).toBe(true);
      expect(reconciler.counters.driftRepaired).toBe(damaged);
      expect(listed()).toEqual(before);
      expect(reconciler.resync()).toBe(0);
      vswitch.cleanup();
      vswitch.close();
    });

    /** An element that fits nothing, as nft text, by the types of the set's key. */
    const STRANGE: Readonly<Record<string, string>> = {
      ifname: '"tap77"',
      ipv4: '192.0.2.77',
      ether: '02:00:00:00:00:77',
      domain: '02:00:00:00:00:77',
      raw4: '0xc000024d',
      octet: '0x4d',
      ethertype: '0x88b5',
      ipv6: '0x20010db8000000000000000000000077',
      bits64: '0x20010db800000077',
      bits48: '0x020000000077',
    };
    /** A router, DSR and more subnets: every set has an element. */
    const open = must(seedNetwork.havips[HAVIP_OPEN], 'an open HAVIP');
    const everything = (): typeof seedNetwork => ({
      ...seedNetwork,
      ports: seedNetwork.ports.map((port) => (port?.interface === 'tap9' ? { ...port, router: true } : port)),
      havips: [
        ...seedNetwork.havips.flatMap((havip) => {
          if (havip?.index === HAVIP_OPEN) return [{ ...havip, members: ['cvm-1', 'cvm-2'] }];
          return havip?.index === HAVIP2 ? [{ ...havip, members: null }] : [havip];
        }),
        {
          ...open,
          index: seedNetwork.havips.length,
          id: 'direct-return',
          address: open.address + 1,
          fence: false,
          members: ['cvm-1'],
        },
      ],
      subnets: seedNetwork.subnets.map((subnet) =>
        subnet?.index === 0
          ? {
              ...subnet,
              ipv6: { cidr: must(parseCidr6('fd00:16::/64'), 'a prefix'), gateway: null, routers: [], addresses: 'slaac' },
            }
          : subnet,
      ),
    });
    /** Maps have rows of their own above, and test/vswitch/alive.test.ts: what stands in another VPC's map is never asked for. */
    const PLAIN_SETS = SETS.filter(
      (set) => !set.startsWith('flows_') && set !== 'vports' && set !== 'vown' && !set.startsWith('eip_'),
    );
    it.each(PLAIN_SETS)('set %s: one element less, a strange one more, or none at all is noticed and repaired', (set) => {
      const { vswitch, reconciler, listed } = programmed(everything());
      const before = listed();
      const present = elementsIn(set);
      const key = fieldsOf(set).map((field) => STRANGE[field] ?? field);
      const attacks = [`add element netdev havip ${set} { ${key.join(' . ')} }`, `flush set netdev havip ${set}`];
      const first = must(present[0] ?? null, `${set} has elements`).replace(/ timeout \w+/, '');
      attacks.push(`delete element netdev havip ${set} { ${first} }`);
      for (const attack of attacks) {
        nft(attack);
        expect(vswitch.changed()).toBe(true);
        reconciler.resync();
        expect([attack, reconciler.inSync]).toEqual([attack, true]);
        expect([attack, listed()]).toEqual([attack, before]);
        expect([attack, elementsIn(set).toSorted(byText)]).toEqual([attack, present.toSorted(byText)]);
      }
      vswitch.cleanup();
      vswitch.close();
    });

    it('every chain: its rules flushed, one rule more, or another hook is noticed and repaired', () => {
      const { vswitch, reconciler, listed } = programmed();
      const before = listed();
      const chains = [...nft('list ruleset').matchAll(/chain (\S+) \{/g)].map(([, name = '']) => name);
      expect(chains.length).toBeGreaterThan(30);
      for (const chain of chains) {
        const rules = rulesOf(chain);
        for (const attack of [
          'flush chain netdev havip X',
          'insert rule netdev havip X accept',
          'add rule netdev havip X drop',
        ]) {
          nft(attack.replace('X', chain));
          expect(vswitch.changed()).toBe(true);
          // Without its rules a port does not say whose VPC it is, so names of that are not told apart either.
          expect([chain, attack, (reconciler.resync() ?? 0) > 0]).toEqual([chain, attack, true]);
          expect([chain, attack, rulesOf(chain)]).toEqual([chain, attack, rules]);
        }
      }
      expect(listed()).toEqual(before);
      vswitch.cleanup();
      vswitch.close();
    });
  });

  it('says what is missing without the privilege', () => {
    const drop = ['--bounding-set=-net_admin', '--inh-caps=-net_admin', '--'];
    const said = execFileSync('setpriv', [...drop, process.execPath, '-e', tryIt, unprivileged], { encoding: 'utf8' });
    expect(said).toEqual(
      expect.stringMatching(/^unavailable nftables needs CAP_NET_ADMIN, which user .* does not have here \(run as root\)\n$/),
    );
  });

  it('does not mind what happens in other tables, nor touches them', () => {
    const vswitch = new NftablesSwitch('havip');
    nft('add table netdev other; add chain netdev other mine; add table inet havip');
    expect(vswitch.changed()).toBe(false);
    vswitch.cleanup();
    expect(nft('list tables')).toContain('table netdev other');
    expect(nft('list tables')).toContain('table inet havip');
    vswitch.close();
  });

  it('takes ids that are no nft names', () => {
    const vswitch = new NftablesSwitch('havip');
    const odd = 'Kunde "5"; drop / ' + 'ü'.repeat(80);
    const reconciler = new Reconciler({ vswitch, clock: new ManualClock(), log: new KeptLog() });
    const vpcs = seedNetwork.vpcs.map((vpc) => (vpc?.index === 0 ? { ...vpc, id: odd } : vpc));
    reconciler.configure({ ...seedNetwork, vpcs }, 'enforce');
    expect(reconciler.flush()).toMatchObject({ state: 'committed', error: null });
    expect(reconciler.resync()).toBe(0);
    expect(nft('list table netdev havip')).toContain(`port tap7 ${label(odd)} `);
    vswitch.cleanup();
    vswitch.close();
  });
});
