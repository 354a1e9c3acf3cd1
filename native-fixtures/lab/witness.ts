/** For who watches the agent, or stands in for a machine that answers, in the process that runs the lab. */
import { execFileSync } from 'node:child_process';

/**
 * This process sees what happens when it happens, whoever else wants its CPU: its main thread is real-time from now on, before the agent.
 * Its children are ordinary ones.
 */
export function beWitness(): void {
  execFileSync('chrt', ['--reset-on-fork', '--rr', '--pid', '2', String(process.pid)]);
}
