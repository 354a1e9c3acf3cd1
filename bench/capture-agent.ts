/**
 * The capturing half of an agent as a process of its own, so that its CPU time can be told from the generator's: one worker on one
 * interface, judging by the bench's network. Says `ready` when it
 * hears the interface, and at SIGTERM what it counted, as JSON.
 *
 *     node capture-agent.js INTERFACE ring|libpcap RING_KIB policed|unpoliced
 */
import { setTimeout } from 'node:timers/promises';
import { must } from '../src/base/assert.ts';
import type { Network } from '../src/base/network.ts';
import { V } from '../src/base/verdict.ts';
import { compilePolicy } from '../src/filter/compile.ts';
import { newHeld } from '../src/filter/held.ts';
import { KERNEL_DROPS } from '../src/lane/lane.ts';
import { Workers } from '../src/worker/crew.ts';
import { mixNetwork } from './mix.ts';

export interface Captured {
  /** Judged and policed. */
  readonly frames: number;
  readonly policed: number;
  readonly drops: number;
}

async function main(name: string, source: 'ring' | 'libpcap', ringKib: number, policed: boolean): Promise<void> {
  const all = mixNetwork();
  const network: Network = { ...all, ports: [{ ...must(all.ports[0], 'the mix has ports'), interface: name }] };
  const workers = new Workers({
    count: 1,
    source,
    ringKib,
    policed,
    onTrouble: ({ message }) => process.stderr.write(`${message}\n`),
  });
  workers.setPolicy(compilePolicy(network, 1), newHeld(network), null);
  workers.follow(network);
  let heard = false;
  while (!heard) {
    for (const reader of workers.readers) reader.drain(ignore, () => (heard = source === 'ring'), Infinity);
    heard ||= sum(workers.verdicts()) > 0;
    await setTimeout(10);
  }
  const stopped = new Promise((resolve) => process.once('SIGTERM', resolve));
  process.stdout.write('ready\n');
  await stopped;
  await workers.stop();
  const captured: Captured = {
    frames: sum(workers.framesByProtocol()),
    policed: workers.verdicts()[V['rate-limited']]!,
    drops: workers.tallies()[KERNEL_DROPS]!,
  };
  if (sum(workers.verdicts()) !== captured.frames) throw new Error('verdicts do not add up to frames');
  process.stdout.write(`${JSON.stringify(captured)}\n`);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function ignore(): void {
  // What the bench's guest claims is nobody's business.
}

const [name = '', source, ringKib, policed] = process.argv.slice(2);
await main(name, source === 'libpcap' ? 'libpcap' : 'ring', Number(ringKib), policed === 'policed');
