/**
 * Fails made-up HAVIPs over, back and forth, before the agent is ready. Main thread, once, at start.
 *
 * Failovers are rare: without this the first one runs code that V8 has not compiled yet. From the capture of a claim to the
 * acknowledged commit, first failover after a start: 3.7 ms without, 1.5 ms with 100 (2 cores, medians of 6 and 5 starts). 30 were tried
 * and lost: 3.9 ms, V8 was still compiling when the real one came. 500 instead of 100 take 0.05 s more, while the workers start, and
 * the first claim after a start 1.3 ms instead of 1.6 (medians of three times 7 starts, on a faster machine); 2,000 did no better.
 *
 * The whole cold half takes part: an agent of its own, with a manual clock, no ports to capture and a table of its own, which is
 * removed again. Its interfaces exist nowhere, so the kernel hooks that table to nothing and no frame ever meets it.
 */
import { Agent } from './agent.ts';
import { must } from '../base/assert.ts';
import { ManualClock } from '../base/clock.ts';
import { V } from '../base/verdict.ts';
import { type Config, parseConfig } from '../config/config.ts';
import type { Claim, ClaimKind, ClaimSource, LinkChange, VrrpFacts } from '../lane/claim.ts';
import { LIMITS } from '../ledger/limits.ts';
import type { Log } from '../base/log.ts';
import type { VSwitch } from '../vswitch/vswitch.ts';

const FAILOVERS = 500;
/**
 * Before them whole groups move, as many HAVIPs at once: one transaction of many elements is encoded otherwise than one of few. After
 * them, groups would undo what V8 had compiled for single ones.
 */
const GROUP_MOVES = 20;
const GROUP = 50;
/** Who would move it back need not wait any more by then, and 5 moves are not within the time that makes a contest. */
const APART_MS = 60_000;
const HAVIP = 0;
const ANNOUNCEMENTS = 5;

/** What can be restated in somebody's name: the lengths and numbers of an advert for one address, and else nothing. */
const ADVERT = new Uint8Array(46);
ADVERT.set([0x08, 0x00, 0x45, 0, 0, 32], 12);
ADVERT.set([112], 23);

/** Documentation addresses (RFC 5737) in a namespace of tables and interfaces that is ours. */
const MADE_UP = {
  host: { id: 'rehearsal' },
  vpcs: [
    {
      id: 'rehearsal',
      cidr: '192.0.2.0/24',
      subnets: [{ id: 'rehearsal', cidr: '192.0.2.0/24' }],
      havips: Array.from({ length: GROUP }, (_, i) => ({
        id: `rehearsal-${i}`,
        subnet: 'rehearsal',
        address: `192.0.2.${100 + i}`,
        assist: 'resign',
      })),
    },
  ],
  ports: [1, 2].map((n) => ({
    interface: `rehearsal${n}`,
    instance: `rehearsal-${n}`,
    subnet: 'rehearsal',
    mac: `02:00:c0:00:02:0${n}`,
    addresses: [`192.0.2.1${n}`],
  })),
};

export const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, setLevel: () => {} };

/** @param vswitch a scratch one: it is emptied and closed. Throws VSwitchError when it cannot be used. */
export async function rehearse(vswitch: VSwitch): Promise<void> {
  const clock = new ManualClock();
  const source = new MadeUpSource();
  const found = await vswitch.list();
  const agent = new Agent({ config: madeUp(), clock, log: SILENT, vswitch, found, workers: null, sources: [source] });
  try {
    for (let i = 0; i < GROUP_MOVES; i++) {
      clock.advanceMs(APART_MS);
      const [from, to] = [(i + 1) % 2, i % 2];
      // A host's backups are told of the first death as soon as of the hundredth.
      for (let havip = 0; havip < GROUP; havip++) source.say(agent, 'advert', from, havip);
      source.link(agent, from, 'down');
      agent.turn();
      clock.advanceMs(LIMITS.assistGuardMs);
      agent.turn();
      for (let repeat = 0; repeat < 2; repeat++)
        for (let havip = 0; havip < GROUP; havip++) source.say(agent, 'announce', to, havip);
      source.link(agent, from, 'up');
      agent.turn();
    }
    for (let i = 0; i < FAILOVERS; i++) {
      const [from, to] = [i % 2, (i + 1) % 2];
      // A clean stop, a death, and a claim out of the blue: each has its own way through the ledger.
      if (i % 3 === 0) source.say(agent, 'resign', from);
      else if (i % 3 === 1) source.link(agent, from, 'down');
      agent.turn();
      clock.advanceMs(1);
      source.say(agent, 'advert', to);
      for (let n = 0; n < ANNOUNCEMENTS; n++) source.say(agent, 'announce', to);
      agent.turn();
      clock.advanceMs(APART_MS);
      source.link(agent, from, 'up');
      source.say(agent, 'announce', to);
      agent.turn();
    }
  } finally {
    await vswitch.cleanup();
    await agent.stop();
  }
}

function madeUp(): Config {
  const parsed = parseConfig(JSON.stringify(MADE_UP));
  if (!parsed.ok) throw new Error(parsed.mistakes.map(({ message }) => message).join('; '));
  return parsed.config;
}

class MadeUpSource implements ClaimSource {
  #waiting: (Claim | LinkChange)[] = [];

  drain(onClaim: (claim: Claim) => void, onLink: (change: LinkChange) => void): void {
    for (const one of this.#waiting.splice(0)) {
      if ('kind' in one) onClaim(one);
      else onLink(one);
    }
  }

  wait(): Promise<void> {
    return new Promise(() => {});
  }

  link({ clock }: Agent, port: number, state: LinkChange['state']): void {
    this.#waiting.push({ port, state, ifindex: port + 1, atNs: clock.nowNs() });
  }

  say({ clock, network }: Agent, kind: ClaimKind, port: number, havip = HAVIP): void {
    const { mac, addresses } = must(network.ports[port], 'a made-up port');
    const vrrp: VrrpFacts | null =
      kind === 'announce'
        ? null
        : {
            version: 3,
            vrid: havip + 1,
            priority: kind === 'resign' ? 0 : 100,
            intervalMs: 1000,
            auth: 'none',
            checksum: 'pseudo',
            unicast: false,
            source: must(addresses[0], 'its address'),
            destination: 0xe000_0012,
          };
    const verdict = kind === 'announce' ? V['havip-claim'] : kind === 'resign' ? V['vrrp-resign'] : V['vrrp-advert'];
    const frame = kind === 'advert' ? ADVERT : new Uint8Array(42);
    this.#waiting.push({ kind, verdict, port, havip, mac, capturedNs: clock.nowNs(), vrrp, frame });
  }
}
