/**
 * After `nft flush ruleset`, as firewalld and docker may do it: how long is the guard away? From the kernel's announcement of the flush to
 * that of the transaction that brought the table back whole, both read by a witness in the host's namespace.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from '../native-fixtures/lab/namespace.ts';
import { pollReadable } from '../native-fixtures/lab/libc.ts';
import { inNamespace } from '../native-fixtures/lab/wire.ts';
import { setQueueBytes } from '../src/abi/libc.ts';
import { NetlinkSocket } from '../src/abi/netlink.ts';
import { systemClock } from '../src/base/clock.ts';
import { NETLINK_NETFILTER, SUBSYSTEM } from '../src/vswitch/nftables/wire.ts';
import { type Bench, type BenchOptions, median } from './bench.ts';
import { ScaleHost, type Size } from './scale-host.ts';

const GROUP_NFTABLES = 1 << 6;
const NEWGEN = (SUBSYSTEM << 8) | 15;
const DELTABLE = (SUBSYSTEM << 8) | 2;
const NEWRULE = (SUBSYSTEM << 8) | 6;
const SIZES: readonly (Size & { readonly flushes: number })[] = [
  { ports: 20, havips: 200, flushes: 30 },
  { ports: 1000, havips: 10_000, flushes: 5 },
];
const SMALL: typeof SIZES = [{ ports: 5, havips: 20, flushes: 3 }];
/** After so long without a transaction of the agent's the repair is over. */
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
        const awayMs: number[] = [];
        for (let i = 0; i < size.flushes; i++) awayMs.push(awayOf(await flushRuleset(host.namespace)));
        const after = await host.namespace.exec(['nft', '-s', 'list', 'ruleset'], { limitMs: 60_000 });
        if (sorted(before) !== sorted(after)) throw new Error('the table that came back is not the one that was there');
        answers.update(sorted(after));
        const [p50, most] = [median(awayMs), Math.max(...awayMs)];
        print(
          `  ${size.ports} ports, ${size.havips} HAVIPs: away for ${p50.toFixed(1)} ms (median of ${awayMs.length}), at most ${most.toFixed(1)} ms`,
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
  readonly repairedNs: number;
}

export function awayOf({ flushedNs, repairedNs }: Pick<Away, 'flushedNs' | 'repairedNs'>): number {
  return (repairedNs - flushedNs) / 1e6;
}

/** Flushes all tables there; when that was announced, and when the last transaction of the repair was. */
export async function flushRuleset(namespace: Namespace): Promise<Away> {
  const startedNs = systemClock.nowNs();
  const socket = inNamespace(namespace.path, () => new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES));
  setQueueBytes(socket.fd, 'receive', QUEUE_BYTES);
  let flushedNs = 0;
  let repairedNs = 0;
  /** What the transaction did that is being announced. The agent also makes some of elements alone, as signs of its life. */
  let deleted = false;
  let added = false;
  const read = () => {
    const whole = socket.receive((type) => {
      deleted ||= type === DELTABLE;
      added ||= type === NEWRULE;
      if (type !== NEWGEN) return;
      if (deleted && flushedNs === 0) flushedNs = systemClock.nowNs();
      if (added && flushedNs > 0) repairedNs = systemClock.nowNs();
      deleted = added = false;
    });
    if (!whole) throw new Error('the kernel announced more than this process could read');
  };
  try {
    const flushing = namespace.exec(['nft', 'flush', 'ruleset']);
    // Blocks this thread, but for the turns in which the child's end is noticed.
    for (let quietMs = 0; quietMs < QUIET_MS; quietMs += 1) {
      if (pollReadable(socket.fd, 1)) {
        read();
        quietMs = 0;
      }
      if (flushedNs === 0 || repairedNs === 0) quietMs = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await flushing;
  } finally {
    socket.close();
  }
  return { startedNs, flushedNs, repairedNs };
}

/** Sets are listed in the kernel's own order, which is another each time. */
function sorted(ruleset: string): string {
  return ruleset
    .split(/[\n,]/)
    .map((piece) => piece.trim())
    .sort()
    .join('\n');
}
