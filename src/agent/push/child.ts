/**
 * The process that pushes: without the agent's privileges and its scheduling class, so that neither a program of the administrator nor a
 * receiver that does not answer is ever in the agent's way. Ends with the agent: its input ends then.
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { receiverOf } from './deliver.ts';
import { keyOf, type Order, type Report, type Target } from './message.ts';
import { Queue } from './queue.ts';

const REPORT_MS = 100;

interface Told {
  readonly target: string;
  readonly queue: Queue;
  trouble: string | null;
}

let told: Told[] = [];
let reporting: NodeJS.Timeout | null = null;

function main(): void {
  // The agent is the last that is to go when memory is short; what it starts is not.
  writeFileSync('/proc/self/oom_score_adj', '0');
  const input = createInterface({ input: process.stdin, crlfDelay: Infinity });
  input.on('line', (line) => {
    const order: Order = JSON.parse(line);
    follow(order);
  });
  input.on('close', () => process.exit(0));
  process.stdout.on('error', () => process.exit(0));
}

function follow(order: Order): void {
  if ('event' in order) for (const { queue } of told) queue.add(order.event);
  else {
    const before = told;
    told = order.targets.map((target) => {
      const name = keyOf(target);
      return before.find((one) => one.target === name) ?? open(name, target, order);
    });
    for (const one of before) if (!told.includes(one)) one.queue.close();
  }
  report();
}

function open(name: string, target: Target, { limits }: Extract<Order, { targets: unknown }>): Told {
  const queue = new Queue(receiverOf(target, limits.attemptMs, limits.atOnce), limits, (why) => {
    one.trouble = why;
    report();
  });
  const one: Told = { target: name, queue, trouble: null };
  return one;
}

/** Soon, and once for all that happens until then. */
function report(): void {
  reporting ??= setTimeout(() => {
    reporting = null;
    const said: Report = Object.fromEntries(
      told.map(({ target, queue, trouble }) => [target, { counts: queue.counts, trouble }]),
    );
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }, REPORT_MS);
}

main();
