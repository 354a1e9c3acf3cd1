/**
 * Forged neighbour discovery against a real Linux neighbour behind the real guard: nothing changes of what it believes. Each attack first
 * without a guard, so that one that does nothing here is noticed. Needs root.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import type { AgentConfig } from '../../native-fixtures/lab/topology.ts';
import { ND_ATTACKS } from '../../native-fixtures/nd-attacks.ts';
import { type Reason, reasonOf } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { CVM3 } from '../network.ts';
import { ipv6Network } from '../network6.ts';
import { listing, NEIGHBOUR, type State, STATES, Victim } from './victim.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('neighbour discovery in the lab: skipped, it needs root to make network namespaces');

/** The address that is attacked, of its owner's name in the configuration. */
const TARGETS: Readonly<Record<State, string>> = {
  known: NEIGHBOUR,
  none: NEIGHBOUR,
  resolving: NEIGHBOUR,
  detecting: 'fd00:16::55',
  routing: NEIGHBOUR,
};
const NEIGHBOUR_LINK_LOCAL = 'fe80::acff:fe11:1007';

describe.runIf(root)('forged neighbour discovery and a Linux neighbour', () => {
  let lab: Lab;
  let victim: Victim;
  let agent: AgentProcess | null = null;

  beforeAll(async () => {
    lab = await Lab.create({ guests: ['cvm-1', 'cvm-3', 'client'], ipv6: true });
    victim = await Victim.of(lab);
  });
  afterAll(() => {
    victim.close();
    lab.destroy();
  });

  const guarded = async (change?: (config: AgentConfig) => void) => {
    await agent?.stop('SIGTERM');
    agent = await lab.startAgent({ config: lab.config(change) });
  };

  test('without a guard the harmful ones do harm', async () => {
    const harmed = new Set<string>();
    for (const { name, frames } of ND_ATTACKS) {
      for (const state of STATES) {
        if (!harmed.has(name) && (await victim.changedBy(frames, state, TARGETS[state])) !== null) harmed.add(name);
      }
    }
    expect(ND_ATTACKS.map(({ name }) => name).filter((name) => harmed.has(name))).toEqual(
      ND_ATTACKS.filter(({ harms }) => harms).map(({ name }) => name),
    );
  });

  test('where addresses are listed none changes anything', async () => {
    await guarded(listing({ client: [TARGETS.detecting] }));
    const all = ND_ATTACKS.flatMap(({ frames }) => frames);
    for (const state of STATES) expect(await victim.changedBy(all, state, TARGETS[state])).toBeNull();
    expect(await agent?.metric('havip_guard_dropped_total')).toBeGreaterThan(50 * STATES.length);
  });

  test('where nothing is known of IPv6: no advertisement of routers, redirect, hidden or malformed form, or foreign MAC', async () => {
    await guarded();
    const policy = compilePolicy(ipv6Network('any'));
    const sighting = new Sighting();
    const passing: ReadonlySet<Reason> = new Set(['own-address', 'probe']);
    const isRefused = (frame: Uint8Array) => !passing.has(reasonOf(judge(policy, frame, 0, frame.length, 0, CVM3, sighting)));
    const refused = ND_ATTACKS.filter(({ frames }) => frames.every(isRefused)).flatMap(({ frames }) => frames);
    expect(refused.length).toBeGreaterThan(50);
    for (const state of STATES) expect(await victim.changedBy(refused, state, TARGETS[state])).toBeNull();
  });

  test('nor anything about the link-local address that a port makes of its MAC', async () => {
    const all = ND_ATTACKS.flatMap(({ frames }) => frames);
    for (const state of ['known', 'none', 'resolving', 'routing'] as const)
      expect(await victim.changedBy(all, state, NEIGHBOUR_LINK_LOCAL)).toBeNull();
    await lab.client.space.ip('addr del fe80::acff:fe11:1064/64 dev eth0');
    expect(await victim.changedBy(all, 'detecting', 'fe80::acff:fe11:1064')).toBeNull();
  });
});
