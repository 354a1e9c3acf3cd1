/** File descriptors: how many the agent needs, and what to say where there are not as many. Main thread. */
import { readFileSync } from 'node:fs';

/** Its own 45 of a small host, and what HTTP and a reload take for a moment. */
const OWN = 128;
/** A ring's socket and the map that limits its rate (capture/ring/socket.ts), made before the one that they replace is closed. */
const PER_PORT = 3;

/** null: enough. Else a line for the operator. */
export function descriptorsMissing(ports: number, most = descriptorLimit()): string | null {
  const needed = OWN + PER_PORT * ports;
  if (most >= needed) return null;
  return `${ports} ports take up to ${needed} file descriptors, and this process may have ${most}: raise LimitNOFILE= of its unit, or ulimit -n`;
}

/** Node.js raises the soft limit to the hard one when it starts. */
function descriptorLimit(): number {
  const [, soft = 'unlimited'] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
