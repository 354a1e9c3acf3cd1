/**
 * Who owns a lab: the process that made it, by process id AND start time, since ids are used again. Both are in the name of
 * everything a lab leaves outside its own process (namespaces, directory), so any later lab can tell what is left over:
 *
 *     havip-lab.<pid>.<start>.<number of the lab>.<guest>
 */
import { readFileSync } from 'node:fs';

const PREFIX = 'havip-lab';
const NAME = /^havip-lab\.(\d+)\.(\d+)\.\d+(\.|$)/;

let labs = 0;

/** A prefix that no other lab has, on this machine. */
export function newLabName(): string {
  return `${PREFIX}.${process.pid}.${startOf(process.pid) ?? 0}.${labs++}`;
}

/** Is this the name of something whose lab's owner is dead? */
export function isLeftover(name: string): boolean {
  const match = NAME.exec(name);
  return match !== null && startOf(Number(match[1])) !== match[2];
}

/** Field 22 of /proc/PID/stat (man 5 proc): start in clock ticks since boot; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]; // the name before ')' may hold anything
  } catch {
    return undefined;
  }
}
