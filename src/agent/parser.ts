/**
 * Parses a configuration beside the main thread, which has failovers to program meanwhile: a thread per file, ended when it takes too
 * long or too much. Main thread; the other end is parser-thread.ts.
 */
import { Piscina } from 'piscina';
import { codeOf, OperatingError } from '../base/failure.ts';
import type { DropIn } from '../config/drop-ins.ts';
import type { ParseElsewhere, Whole } from '../config/file.ts';
import type { DriverName } from '../vswitch/drivers.ts';

export interface ParserTask {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** The driver that runs, whatever the file says. */
  readonly running: DriverName | null;
  /** Files beside it. */
  readonly dropIns: readonly DropIn[];
}

export interface ParserLimits {
  readonly ms: number;
  readonly mib: number;
}

/** 64 MiB of JSON take 4 s and 600 MiB, 2 MiB of YAML as much. */
const LIMITS: ParserLimits = { ms: 30_000, mib: 1024 };

const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/src/agent/parser-thread.js' : './parser-thread.js',
  import.meta.url,
);

export function parseInThread(running: DriverName | null, limits: ParserLimits = LIMITS): ParseElsewhere {
  return async (bytes, path, dropIns = []) => {
    const pool = new Piscina({ filename: THREAD.href, maxThreads: 1, resourceLimits: { maxOldGenerationSizeMb: limits.mib } });
    const task: ParserTask = { bytes, path, running, dropIns };
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what parser-thread.ts returns
      return (await pool.run(task, { signal: AbortSignal.timeout(limits.ms) })) as Whole;
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError')
        throw new OperatingError('wrong-use', `cannot read ${path}: not done within ${limits.ms / 1000} s`);
      if (codeOf(error) === 'ERR_WORKER_OUT_OF_MEMORY')
        throw new OperatingError('wrong-use', `cannot read ${path}: it takes more than ${limits.mib} MiB of memory`);
      throw error;
    } finally {
      await pool.destroy();
    }
  };
}
