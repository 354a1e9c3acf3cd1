/**
 * From the wish for a HAVIP to a claim of it in the switch: POST to the agent's unix socket, its answer, one announcement right after that, and
 * the kernel's announcement of the transaction that points the HAVIP at the claimant. One announcement alone: what came too early is lost.
 * And from the start of a hook's `port add --wait` to its end, after which the guard stands. Beside few HAVIPs, beside 1,000 that were allocated before, and beside 100,000 of the configuration.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arp } from '../native-fixtures/frames.ts';
import { agentCommand } from '../native-fixtures/lab/agent.ts';
import { command } from '../native-fixtures/lab/command.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { formatIpv4 } from '../src/base/address.ts';
import { Client } from '../src/cli/client.ts';
import { type Bench, median } from './bench.ts';
import { SwitchWatch } from '../native-fixtures/lab/switch-watch.ts';

const SUBNET = '172.17.16.0/20';
const LOST_MS = 5000;
const QUOTA = 1_000_000;

export interface Allocated {
  /** From the wish to the answer, and to the claim in the switch, in milliseconds. */
  readonly answeredMs: number[];
  readonly usableMs: number[];
  /** Claims sent after the answer that the switch never had. */
  readonly lost: number;
}

interface Size {
  readonly name: string;
  readonly files: number;
  readonly configured: number;
}

const SIZES: readonly Size[] = [
  { name: 'beside few HAVIPs', files: 0, configured: 0 },
  { name: 'beside 1,000 allocated', files: 1000, configured: 0 },
  { name: 'beside 100,000 configured', files: 0, configured: 100_000 },
];

export const bench: Bench = {
  name: 'allocate',
  question: 'how long does it take from the wish for a HAVIP to a claim of it in the switch?',
  async run({ small, print }) {
    for (const size of small ? SIZES.slice(0, 1) : SIZES) {
      const { answeredMs, usableMs, lost } = await allocate(small ? 5 : 200, size);
      const addedMs = await addPorts(small ? 2 : 50, size);
      print(`  ${size.name}: \`port add --wait\` of a hook ${row(addedMs)}`);
      print(`  ${size.name}: answered ${row(answeredMs)}; claimed, in the switch ${row(usableMs)}; lost ${lost}`);
    }
  },
};

function row(ms: readonly number[]): string {
  const sorted = [...ms].sort((a, b) => a - b);
  const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Infinity;
  return `p50 ${median(sorted).toFixed(1)}, p99 ${p99.toFixed(1)}, max ${(sorted.at(-1) ?? Infinity).toFixed(1)} ms`;
}

export async function allocate(count: number, { files, configured }: Omit<Size, 'name'>): Promise<Allocated> {
  await using lab = await Lab.create({ guests: ['cvm-1'] });
  writeFiles(join(lab.directory, 'havips.d'), files);
  await lab.startAgent({ config: configOf(lab, configured), realtime: true });
  const client = new Client(`unix:${lab.socket}`);
  const guest = lab.guest('cvm-1');
  const wire = guest.openWire();
  const watch = new SwitchWatch(lab.host.path);
  const [answeredMs, usableMs]: [number[], number[]] = [[], []];
  let lost = 0;
  try {
    for (let i = 0; i < count; i++) {
      const fromMs = performance.now();
      const { address } = await client.write<{ address: string }>('POST', '/api/v1/havips', {
        subnet: 'subnet-a',
        id: `new-${i}`,
      });
      answeredMs.push(performance.now() - fromMs);
      wire.send(arp({ source: guest.spec.mac, senderAddress: address }));
      const took = pointedAt(watch, address, guest.spec.mac);
      if (took) usableMs.push(performance.now() - fromMs);
      else lost++;
    }
  } finally {
    wire.close();
    watch.close();
  }
  return { answeredMs, usableMs, lost };
}

/** As a hook does it: a process each, until the guard stands. The interface is not there yet. */
async function addPorts(count: number, { files, configured }: Omit<Size, 'name'>): Promise<number[]> {
  await using lab = await Lab.create({ guests: ['cvm-1'] });
  writeFiles(join(lab.directory, 'havips.d'), files);
  await lab.startAgent({ config: configOf(lab, configured), realtime: true });
  const config = join(lab.directory, 'agent-0.yaml');
  const tookMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const mac = `02:00:ac:11:99:${i.toString(16).padStart(2, '0')}`;
    const port = ['--instance', `hooked-${i}`, '--subnet', 'subnet-a', '--mac', mac, '--http', `unix:${lab.socket}`];
    const fromMs = performance.now();
    await command(agentCommand('port', 'add', `hook${i}`, '--wait', '--config', config, ...port), { limitMs: 30_000 });
    tookMs.push(performance.now() - fromMs);
  }
  return tookMs;
}

function pointedAt(watch: SwitchWatch, address: string, mac: string): boolean {
  for (;;) {
    const change = watch.next(LOST_MS);
    if (change === null) return false;
    if (change.flows.get(address) === mac) return true;
  }
}

function configOf(lab: Lab, configured: number): string {
  return lab.config(({ vpcs }) => {
    for (const vpc of vpcs) vpc.quota = QUOTA;
    for (const subnet of vpcs[0]?.subnets ?? []) if (subnet.id === 'subnet-a') subnet.cidr = SUBNET;
    if (configured === 0) return;
    const havips = Array.from({ length: configured }, (_, i) => ({
      id: `c${i}`,
      subnet: 'subnet-z',
      address: formatIpv4(0x0a00_0001 + i),
    }));
    vpcs.push({ id: 'vpc-z', cidr: '10.0.0.0/8', subnets: [{ id: 'subnet-z', cidr: '10.0.0.0/8' }], havips });
  });
}

function writeFiles(folder: string, files: number): void {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < files; i++) {
    const havip = { id: `f${i}`, subnet: 'subnet-a', address: formatIpv4(0xac11_1800 + i) };
    writeFileSync(join(folder, `f${i}.yaml`), JSON.stringify({ vpc: 'vpc-1', havips: [havip] }));
  }
}
