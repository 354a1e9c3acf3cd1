/**
 * Where does the time from the start of the process to ready go? Seen from outside: the first line of ours (its handlers of signals), the
 * API's socket, the guard in the kernel (the first transaction of the process), ready.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNamespace } from '../native-fixtures/lab/wire.ts';
import { attribute, NetlinkSocket } from '../src/abi/netlink.ts';
import { setQueueBytes } from '../src/abi/libc.ts';
import { NETLINK_NETFILTER, SUBSYSTEM } from '../src/vswitch/nftables/wire.ts';
import { type Bench, median } from './bench.ts';
import { ScaleHost, type Size } from './scale-host.ts';

const STARTS = 9;
const SIZES: readonly Size[] = [
  { ports: 4, havips: 4 },
  { ports: 20, havips: 200 },
];
const PHASES = ['Node.js itself', 'modules, configuration, listening', 'guard', 'rehearsal, workers, ready'] as const;
const GROUP_NFTABLES = 1 << 6;
const NEWGEN = (SUBSYSTEM << 8) | 15;
const GEN_PROC_PID = 2;
const QUEUE_BYTES = 64 << 20;
/** SIGHUP, SIGINT and SIGTERM of SigCgt (proc(5)). */
const OURS = 0x4003n;

export const bench: Bench = {
  name: 'start',
  question: 'where does the time from start to ready go?',
  async run({ small, print }) {
    for (const size of small ? SIZES.slice(0, 1) : SIZES) {
      const host = await ScaleHost.create(size);
      try {
        host.writeConfig();
        for (const again of [false, true]) {
          const starts: number[][] = [];
          for (let i = 0; i < (small ? 1 : STARTS); i++) {
            starts.push(await start(host));
            if (!again) await host.namespace.exec(['nft', 'delete', 'table', 'netdev', 'havip']);
          }
          const totals = starts.map((marks) => marks.at(-1) ?? 0);
          const parts = PHASES.map(
            (phase, i) => `${phase} ${median(starts.map((marks) => marks[i]! - (marks[i - 1] ?? 0))).toFixed(0)}`,
          );
          print(
            `  ${size.ports} ports, ${size.havips} HAVIPs, ${again ? 'table kept' : 'no table yet'}: ${median(totals).toFixed(0)} ms (median of ${totals.length}, at most ${Math.max(...totals).toFixed(0)}): ${parts.join(', ')}`,
          );
        }
      } finally {
        host.remove();
      }
    }
  },
};

/** Milliseconds to the end of each phase. A table that is right as it is sees no transaction: then the guard stood all the time. */
async function start(host: ScaleHost): Promise<number[]> {
  const socket = inNamespace(host.namespace.path, () => new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES));
  setQueueBytes(socket.fd, 'receive', QUEUE_BYTES);
  const path = host.listen.replace('unix:', '');
  try {
    const fromMs = performance.now();
    const agent = host.startAgent();
    const { pid } = agent.process;
    const marks: number[] = [];
    const steps = [() => (caughtBy(pid) & OURS) === OURS, () => existsSync(path), () => hasCommitted(socket, pid), () => false];
    const ready = agent.ready(60_000).then(() => performance.now() - fromMs);
    while ((await Promise.race([ready, sleep(1)])) === undefined)
      while (marks.length < PHASES.length - 1 && steps[marks.length]?.() === true) marks.push(performance.now() - fromMs);
    const readyMs = await ready;
    while (marks.length < PHASES.length - 1) marks.push(marks.at(-1) ?? readyMs);
    await agent.stop();
    return [...marks, readyMs];
  } finally {
    socket.close();
  }
}

function hasCommitted(socket: NetlinkSocket, pid: number): boolean {
  let committed = false;
  socket.receive((type, body) => {
    if (type === NEWGEN) committed ||= attribute(body, 4, GEN_PROC_PID)?.readUInt32BE(0) === pid;
  });
  return committed;
}

function caughtBy(pid: number): bigint {
  const [, hex = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return BigInt(`0x${hex}`);
}
