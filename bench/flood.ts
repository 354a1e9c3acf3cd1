/** A flood out of a guest: the generator limit/flood.c, built once per bench and run in the guest's namespace. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Guest } from '../native-fixtures/lab/guest.ts';
import { projectRoot } from '../native-fixtures/lab/project.ts';

interface Sent {
  readonly frames: number;
  readonly seconds: number;
}

export interface Flood {
  /** Ends it; resolves to what was sent. */
  stop(): Promise<Sent>;
  /** The same when it ends by itself. */
  result(): Promise<Sent>;
}

/** Builds the generator into this folder; returns its path. */
export function buildFlood(folder: string): string {
  const program = join(folder, 'flood');
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', program, join(projectRoot(), 'bench/limit/flood.c')]);
  return program;
}

/**
 * Sends the frames in turn out of the guest's eth0 until stopped.
 * @param framesPerSecond 0: as fast as it goes
 * @param limitSeconds when it ends by itself
 * @param realtime nobody else gets its CPU: for what shall be timed, and is short
 */
export function startFlood(
  program: string,
  guest: Guest,
  frames: readonly Uint8Array[],
  framesPerSecond: number,
  limitSeconds: number,
  realtime = false,
): Flood {
  const args = ['ip', 'netns', 'exec', guest.space.name, program, 'eth0', String(framesPerSecond), String(limitSeconds)];
  const [command = '', ...rest] = realtime ? ['chrt', '--fifo', '10', ...args] : args;
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'close');
  child.stdin.end(Buffer.concat(frames.flatMap((frame) => [Uint8Array.of(frame.length & 0xff, frame.length >> 8), frame])));
  const result = async () => {
    await ended;
    const [sent, seconds] = said.split(' ').map(Number);
    if (sent === undefined || seconds === undefined)
      throw new Error(`flood: ended with exit code ${child.exitCode} and said nothing`);
    return { frames: sent, seconds };
  };
  return {
    result,
    stop: () => {
      child.kill('SIGTERM');
      return result();
    },
  };
}
