/**
 * After `nft flush ruleset`, as firewalld and docker may do it: how long is the guard away, and how long until all is back? From the
 * kernel's announcement of the flush to those of the first and the last transaction with rules, all read by a witness in the host's
 * namespace. With the first the guard stands for every port (src/vswitch/nftables/interim.ts), where the table fits one commit.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from '../native-fixtures/lab/namespace.ts';
import { pollReadable } from '../native-fixtures/lab/libc.ts';
import { inNamespace } from '../native-fixtures/lab/wire.ts';
import { setQueueBytes } from '../src/abi/libc.ts';
import { attribute, NetlinkSocket } from '../src/abi/netlink.ts';
import { systemClock } from '../src/base/clock.ts';
import { NETLINK_NETFILTER, SUBSYSTEM } from '../src/vswitch/nftables/wire.ts';
import { type Bench, type BenchOptions, median } from './bench.ts';
import { quantile } from './quantile.ts';
import { ScaleHost, type Size } from './scale-host.ts';

const GROUP_NFTABLES = 1 << 6;
const NEWGEN = (SUBSYSTEM << 8) | 15;
const DELTABLE = (SUBSYSTEM << 8) | 2;
const NEWRULE = (SUBSYSTEM << 8) | 6;
const NEWCHAIN = (SUBSYSTEM << 8) | 3;
const CHAIN_NAME = 3;
const SIZES: readonly (Size & { readonly flushes: number })[] = [
  { ports: 20, havips: 200, flushes: 30 },
  { ports: 1000, havips: 10_000, flushes: 5 },
];
const SMALL: typeof SIZES = [{ ports: 5, havips: 20, flushes: 3 }];
/** With the chains of all ports there, and after so long without another transaction of the agent's, the repair is over. */
const QUIET_MS = 300;
const QUEUE_BYTES = 256 << 20;

export const bench: Bench = {
  name: 'repair',
  question: 'how long is the guard away after `nft flush ruleset`?',
  async run({ small, print }: BenchOptions) {
    const answers = createHash('sha256');
    for (const size of small ? SMALL : SIZES) {
      const host = await ScaleHost.create(size);
      try {
        host.writeConfig();
        const agent = host.startAgent();
        await agent.ready(60_000);
        await sleep(small ? 0 : 2000);
        const before = await host.namespace.exec(['nft', '-s', 'list', 'ruleset'], { limitMs: 60_000 });
        const away: Away[] = [];
        for (let i = 0; i < size.flushes; i++) away.push(await flushRuleset(host.namespace));
        const after = await host.namespace.exec(['nft', '-s', 'list', 'ruleset'], { limitMs: 60_000 });
        if (sorted(before) !== sorted(after)) throw new Error('the table that came back is not the one that was there');
        answers.update(sorted(after));
        const guard = spread(away.map(({ guardedNs, flushedNs }) => guardedNs - flushedNs));
        const whole = spread(away.map(({ repairedNs, flushedNs }) => repairedNs - flushedNs));
        print(
          `  ${size.ports} ports, ${size.havips} HAVIPs, ${away.length} flushes: guard away for ${guard}, whole after ${whole}`,
        );
        await agent.stop();
      } finally {
        host.remove();
      }
    }
    print(`  hash of what came back ${answers.digest('hex').slice(0, 8)}`);
  },
};

export interface Away {
  /** When nft was started. The kernel takes hooks away before it announces that. */
  readonly startedNs: number;
  readonly flushedNs: number;
  readonly guardedNs: number;
  readonly repairedNs: number;
}

/** Milliseconds, for people. */
export function spread(ns: readonly number[]): string {
  const ms = ns.map((one) => one / 1e6);
  return `${median(ms).toFixed(1)} ms (median; p99 ${quantile(ms, 0.99).toFixed(1)}, at most ${Math.max(...ms).toFixed(1)})`;
}

/** Flushes all tables there; when that was announced, and when the first and the last transaction of the repair were. */
export async function flushRuleset(namespace: Namespace): Promise<Away> {
  const chains = await namespace.exec(['nft', 'list', 'chains', 'netdev'], { limitMs: 60_000 });
  let missing = chains.split('chain port_').length - 1;
  const startedNs = systemClock.nowNs();
  const socket = inNamespace(namespace.path, () => new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES));
  setQueueBytes(socket.fd, 'receive', QUEUE_BYTES);
  let flushedNs = 0;
  let guardedNs = 0;
  let repairedNs = 0;
  /** What the transaction did that is being announced. The agent also makes some of elements alone, as signs of its life. */
  let deleted = false;
  let added = false;
  const read = () => {
    const whole = socket.receive((type, body) => {
      if (type === NEWCHAIN && attribute(body, 4, CHAIN_NAME)?.toString().startsWith('port_') === true) missing--;
      deleted ||= type === DELTABLE;
      added ||= type === NEWRULE;
      if (type !== NEWGEN) return;
      if (deleted && flushedNs === 0) flushedNs = systemClock.nowNs();
      if (added && flushedNs > 0) {
        repairedNs = systemClock.nowNs();
        if (guardedNs === 0) guardedNs = repairedNs;
      }
      deleted = added = false;
    });
    if (!whole) throw new Error('the kernel announced more than this process could read');
  };
  // An agent that is scheduled before this thread would be seen to have noticed before the kernel said anything.
  schedule('--rr', '50');
  try {
    const flushing = namespace.exec(['nft', 'flush', 'ruleset']);
    // Blocks this thread, but for the turns in which the child's end is noticed.
    for (let quietMs = 0; quietMs < QUIET_MS; quietMs += 1) {
      if (pollReadable(socket.fd, 1)) {
        read();
        quietMs = 0;
      }
      if (flushedNs === 0 || missing > 0) quietMs = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await flushing;
  } finally {
    schedule('--other', '0');
    socket.close();
  }
  return { startedNs, flushedNs, guardedNs, repairedNs };
}

function schedule(policy: string, priority: string): void {
  execFileSync('chrt', [policy, '--pid', priority, `${process.pid}`]);
}

/** Sets are listed in the kernel's own order, which is another each time. */
function sorted(ruleset: string): string {
  return ruleset
    .split(/[\n,]/)
    .map((piece) => piece.trim())
    .sort()
    .join('\n');
}
