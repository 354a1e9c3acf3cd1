/**
 * What capture costs and loses under one port's flood of spoofs, as fast as the generator goes: `ring` with and without policing,
 * `libpcap`, and tcpdump. CPU is that of the whole process with its children; for ring and libpcap it includes the worker's whole
 * loop, decode and judge too. Alternately, medians.
 *
 * `nft limit` is the ring without policing behind a limit in a netdev chain, which is where the guard could have one: the neighbours
 * are spared, the agent is not, since a packet socket hears a frame before the chain does.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import type { LabProcess } from '../native-fixtures/lab/process.ts';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import { SNAP_BYTES } from '../src/base/snap.ts';
import { GUEST_CLAIMS_EXPRESSION } from '../src/capture/bpf.ts';
import { type Bench, median } from './bench.ts';
import type { Captured } from './capture-agent.ts';
import { buildFlood, startFlood } from './flood.ts';

const TAP = 'tap9';
const SECONDS = 3;
/** Clock ticks of /proc/PID/stat. */
const TICK_SECONDS = 0.01;
const NFT_LIMIT = `table netdev bench {
  chain ingress { type filter hook ingress device "${TAP}" priority -500; limit rate over 250/second burst 128 packets drop; }
}`;

const MAC = '02:00:ac:11:00:00';
const spoof = (low: number) => arp({ source: MAC, senderAddress: `172.17.16.${low}` });
const FLOODS = {
  /** As a broken guest. */
  'one address': { frames: [spoof(200)], perSecond: 0 },
  /** All of a subnet, as one that wants to fill every bucket. */
  '256 addresses': { frames: Array.from({ length: 256 }, (_, low) => spoof(low)), perSecond: 0 },
  /** A HAVIP that the guest may claim. */
  refreshes: { frames: [arp({ source: MAC, senderAddress: '172.17.16.3' })], perSecond: 50_000 },
};

interface Variant {
  readonly name: string;
  readonly argv: readonly string[];
  readonly flood: keyof typeof FLOODS;
  readonly nft?: boolean;
}

const agent = (...args: readonly string[]) => [
  process.execPath,
  join(projectRoot(), 'dist/bench/capture-agent.js'),
  TAP,
  ...args,
];
const tcpdump = ['tcpdump', '-i', TAP, '-s', String(SNAP_BYTES), '-w', '/dev/null', GUEST_CLAIMS_EXPRESSION];
const VARIANTS: readonly Variant[] = [
  { name: 'ring policed, 128 KiB', argv: agent('ring', '128', 'policed'), flood: 'one address' },
  { name: 'ring policed, 128 KiB', argv: agent('ring', '128', 'policed'), flood: '256 addresses' },
  { name: 'ring policed, 128 KiB', argv: agent('ring', '128', 'policed'), flood: 'refreshes' },
  { name: 'ring, 128 KiB', argv: agent('ring', '128', 'unpoliced'), flood: 'refreshes' },
  { name: 'ring, 128 KiB', argv: agent('ring', '128', 'unpoliced'), flood: 'one address' },
  { name: 'ring, 256 KiB', argv: agent('ring', '256', 'unpoliced'), flood: 'one address' },
  { name: 'ring, 4096 KiB', argv: agent('ring', '4096', 'unpoliced'), flood: 'one address' },
  { name: 'ring, 4096 KiB, nft limit', argv: agent('ring', '4096', 'unpoliced'), flood: 'one address', nft: true },
  { name: 'libpcap', argv: agent('libpcap', '0', 'unpoliced'), flood: 'one address' },
  { name: 'tcpdump', argv: tcpdump, flood: 'one address' },
];

interface Run {
  readonly perSecond: number;
  /** Of what the interface received. */
  readonly lost: number;
  readonly policed: number;
  readonly cpuSeconds: number;
  readonly received: number;
}

export const bench: Bench = {
  name: 'capture',
  question: 'what does capture cost and lose under the flood of one port?',
  async run({ small, print }) {
    const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
    try {
      const program = buildFlood(folder);
      await using lab = await Lab.create({ guests: ['cvm-3'] });
      await lab.host.ip(`link set ${TAP} nomaster`); // a bridge's work would be counted as nobody's
      const runs = VARIANTS.map((): Run[] => []);
      for (let round = 0; round < (small ? 1 : 3); round++) {
        for (const [i, variant] of VARIANTS.entries()) runs[i]!.push(await flooded(lab, variant, program, small ? 0.2 : SECONDS));
      }
      for (const [i, variant] of VARIANTS.entries()) print(describe(variant, runs[i]!));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** Throws when the ring's sum is not exact: received = judged + ring drops + policed. */
async function flooded(lab: Lab, variant: Variant, program: string, seconds: number): Promise<Run> {
  if (variant.nft === true) await lab.host.exec(['nft', '-f', '-'], { input: NFT_LIMIT });
  const before = await receivedBy(lab);
  const capture = lab.host.spawn(variant.argv);
  // libpcap cannot say when it listens: it is ready when it has heard something.
  const prod = variant.name === 'libpcap' ? setInterval(() => lab.guest('cvm-3').sendFrame(spoof(201)), 50) : undefined;
  await capture.line(variant.argv === tcpdump ? /listening on/ : /^ready$/);
  clearInterval(prod);
  const cpuBefore = cpuSecondsOf(capture.pid);
  const { frames: flooding, perSecond } = FLOODS[variant.flood];
  const flood = startFlood(program, lab.guest('cvm-3'), flooding, perSecond, seconds);
  await sleep(seconds * 1000);
  const sent = await flood.stop();
  await quiet(capture.pid);
  const cpuSeconds = cpuSecondsOf(capture.pid) - cpuBefore;
  await capture.stop('SIGTERM');
  const received = (await receivedBy(lab)) - before;
  if (variant.nft === true) await lab.host.exec(['nft', 'delete', 'table', 'netdev', 'bench']);

  const { frames, policed, drops } = variant.argv === tcpdump ? saidByTcpdump(capture) : saidByAgent(capture);
  if (variant.name.startsWith('ring') && frames + drops !== received)
    throw new Error(`capture: ${received} frames received, ${frames} judged and policed, ${drops} dropped`);
  return { perSecond: sent.frames / sent.seconds, lost: (received - frames) / received, policed, cpuSeconds, received };
}

async function receivedBy(lab: Lab): Promise<number> {
  const text = await lab.host.exec(['ip', '-json', '-statistics', 'link', 'show', 'dev', TAP]);
  return (JSON.parse(text) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx.packets;
}

function saidByAgent(capture: LabProcess): Captured {
  return JSON.parse(capture.stdout.at(-1) ?? '') as Captured;
}

function saidByTcpdump({ stderr }: LabProcess): Captured {
  const number = (what: string) => Number(new RegExp(`^(\\d+) packets? ${what}`, 'm').exec(stderr.join('\n'))?.[1]);
  return { frames: number('captured'), policed: 0, drops: number('dropped by kernel') };
}

/** Until what was queued is worked off: no CPU time within a tenth of a second. */
async function quiet(pid: number): Promise<void> {
  for (let before = -1; cpuSecondsOf(pid) > before;) {
    before = cpuSecondsOf(pid);
    await sleep(100);
  }
}

/** User and system time of a process and of its children that live. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  const own = (Number(fields[11]) + Number(fields[12])) * TICK_SECONDS;
  return children.reduce((sum, child) => sum + cpuSecondsOf(child), own);
}

function describe({ name, flood }: Variant, runs: readonly Run[]): string {
  const of = (value: (run: Run) => number) => median(runs.map(value));
  const figures = [
    `${Math.round(of((run) => run.perSecond) / 1000)} k frames/s offered`,
    `lost ${(of((run) => run.lost) * 100).toFixed(2)} %`,
    `policed ${(of((run) => run.policed / run.received) * 100).toFixed(1)} %`,
    `${of((run) => (run.cpuSeconds / run.received) * 1e6).toFixed(3)} us CPU a frame received`,
    `${of((run) => (run.cpuSeconds / ((1 - run.lost) * run.received)) * 1e6).toFixed(3)} a frame accounted for`,
  ];
  return `  ${name.padEnd(26)} ${flood.padEnd(13)} ${figures.join(', ')}`;
}
