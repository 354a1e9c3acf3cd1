/** What is told of interfaces beside ports, and of ports that the guard cannot guard; on the memory switch. Kernel: test/lab/strangers.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Beside } from '../../src/vswitch/vswitch.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { CONFIG, configOf, handAgent } from './hand.ts';

const one = (name: string, kind: string, index = 9): Beside => ({ interface: name, index, kind, bridge: 'br0', beside: 'tap7' });
const ALL = [
  one('eth1', ''),
  one('bond0', 'bond'),
  one('eth1.5', 'vlan'),
  one('vx9', 'vxlan'),
  one('tap99', 'tun'),
  one('veth9', 'veth'),
  one('gre1', 'gretap'),
  one('macvtap0', 'macvtap'),
  one('odd"name', 'veth'),
];
const DENY = `${CONFIG}\nstrangers: deny\n`;

function agentBeside(strangers: readonly Beside[], config = CONFIG) {
  const vswitch = new MemorySwitch();
  vswitch.strangers = strangers;
  const made = handAgent({ vswitch, config });
  const shut = () =>
    vswitch
      .list()
      .flatMap(({ kind, key }) => (kind === 'shut' ? [key] : []))
      .sort();
  const said = (level: string) => made.lines.filter((line) => line.level === level).map(({ message }) => message);
  return { ...made, shut, said };
}

describe('strangers', () => {
  it('are named with their cure; a NIC, a bond, a VLAN and a tunnel are to be uplinks', () => {
    const { agent, shut, said } = agentBeside(ALL);
    const { strangers } = agent.upkeep;
    expect([strangers.unguarded, shut()]).toEqual([ALL.length, []]);
    const textOf = (name: string) => strangers.findings().find(({ about }) => about === name)?.text ?? '';
    for (const { interface: name, kind } of ALL) {
      const cure = kind === 'veth' || kind === 'tun' ? /add it to `ports`.*`strangers: deny`/ : /name it in `uplinks`/;
      expect(textOf(name)).toMatch(cure);
      expect(textOf(name)).toContain('on br0 beside tap7');
    }
    expect(textOf('eth1')).toContain('a NIC');
    expect(strangers.note).toMatch(/^9 interfaces on a bridge of ports, .*: eth1 \(br0\), .* and 1 more$/);
    expect(said('warn')).toEqual([strangers.note]);
  });

  it('of which there are too many are told by the first of them', () => {
    const { agent } = agentBeside(Array.from({ length: 500 }, (_, i) => one(`tap${i + 100}`, 'tun', i)));
    expect(agent.upkeep.strangers.unguarded).toBe(500);
    expect(agent.upkeep.strangers.findings()).toHaveLength(32);
    expect(agent.upkeep.strangers.note?.length).toBeLessThan(250);
  });

  it('are shut by `deny` if a guest may be behind them and their name is one that a switch takes', () => {
    const { agent, shut, said } = agentBeside(ALL, DENY);
    expect(shut()).toEqual(['tap99', 'veth9']);
    expect(agent.upkeep.strangers.unguarded).toBe(ALL.length - 2);
    expect(said('warn').at(-1)).toBe('strangers: deny: nothing passes from tap99, veth9');
  });

  it('are shut when a reload says so, opened when it no longer does, and said to be gone when they are', () => {
    const { agent, vswitch, shut, said } = agentBeside([one('tap99', 'tun')]);
    agent.reconfigure(configOf(DENY));
    expect([shut(), agent.upkeep.strangers.note]).toEqual([['tap99'], null]);
    agent.reconfigure(configOf(CONFIG));
    expect(shut()).toEqual([]);
    vswitch.strangers = [];
    expect(agent.upkeep.strangers.look()).toBe(false);
    expect(agent.upkeep.strangers.unguarded).toBe(0);
    expect(said('info').at(-1)).toBe('no interface on a bridge of ports is without a guard any more');
  });

  it('that come again under the same name are hooked anew; nothing is told twice', () => {
    const { agent, vswitch, shut } = agentBeside([one('tap99', 'tun', 7)], DENY);
    const { commits } = vswitch;
    expect(agent.upkeep.strangers.look()).toBe(false);
    vswitch.strangers = [one('tap99', 'tun', 8)];
    expect(agent.upkeep.strangers.look()).toBe(true);
    agent.reconciler.flush();
    expect([vswitch.commits, shut()]).toEqual([commits + 1, ['tap99']]);
  });

  it('are adopted after a restart', () => {
    const first = agentBeside([one('tap99', 'tun')], DENY);
    const { commits } = first.vswitch;
    handAgent({ vswitch: first.vswitch, config: DENY });
    expect(first.vswitch.commits).toBe(commits);
  });
});

describe('ports that the guard cannot guard', () => {
  it('are said once each, when it begins and when it ends', () => {
    const vswitch = new MemorySwitch();
    const { agent, lines } = handAgent({ vswitch });
    const { bypasses } = agent.upkeep;
    const said = (level: string) => lines.filter((line) => line.level === level).map(({ message }) => message);
    vswitch.bypassed = new Map([
      ['tap7', 'somebody else forwards'],
      ['tap13', 'somebody else forwards'],
      ['tap77', 'no port of ours'],
    ]);
    for (let times = 0; times < 3; times++) bypasses.look();
    agent.reconfigure(configOf(CONFIG));
    expect(bypasses.ports).toBe(2);
    expect(bypasses.findings().map(({ about, kind }) => `${kind} ${about}`)).toEqual([
      'guard-ineffective tap7',
      'guard-ineffective tap13',
    ]);
    expect(bypasses.note).toBe('the guard does not hold on tap7: somebody else forwards; and on 1 more');
    expect(said('error')).toEqual(['tap7', 'tap13'].map((name) => `the guard does not hold on ${name}: somebody else forwards`));
    vswitch.bypassed = new Map();
    bypasses.look();
    expect([bypasses.ports, bypasses.note]).toEqual([0, null]);
    expect(said('info')).toHaveLength(2);
  });
});
