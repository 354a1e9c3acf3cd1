/** A piscina worker of replay.ts: policy and ports arrive once, with the worker; each task is this worker's part in one file. */
import { workerData } from 'piscina';
import { receiveMessageOnPort } from 'node:worker_threads';
import { type ToldFailure, tellFailure } from '../base/failure.ts';
import { type AheadRange, type AheadTask, type AssumedSection, DONE, NEXT, STOP } from './ahead.ts';
import { Held } from '../filter/held.ts';
import { Policy } from '../filter/policy.ts';
import type { PortTables } from './ports.ts';
import { rangeJudge } from './range.ts';

export interface ReplayWorkerData {
  readonly policy: SharedArrayBuffer;
  /** VRIDs that the configuration says; nobody holds anything. */
  readonly held: SharedArrayBuffer;
  readonly ports: PortTables;
}

const { policy, held, ports } = workerData as ReplayWorkerData;
const judge = rangeJudge(new Policy(policy, new Held(held)), ports);

export default (task: AheadTask): ToldFailure | undefined => {
  try {
    judgeRanges(task);
    return undefined;
  } catch (error) {
    return tellFailure(error);
  }
};

function judgeRanges({ file, limits, control, most, channel }: AheadTask): void {
  let assumed: AssumedSection = { section: file.section, sections: 0 };
  for (;;) {
    const index = Atomics.add(control, NEXT, 1);
    if (index >= limits.length || !mayBegin(control, index, most)) return;
    for (let told = receiveMessageOnPort(channel); told !== undefined; told = receiveMessageOnPort(channel)) {
      assumed = told.message as AssumedSection;
    }
    const { section, sections } = assumed;
    const start = index === 0 ? file.start : limits[index - 1]!;
    const judged = judge({ file, section, start, limit: limits[index]!, exact: index === 0 });
    channel.postMessage({ index, judged, sections } satisfies AheadRange, [judged.claims]);
  }
}

/** Waits until the main thread is near enough; false: nobody wants the range any more. */
function mayBegin(control: Int32Array, index: number, most: number): boolean {
  for (;;) {
    const done = Atomics.load(control, DONE);
    if (Atomics.load(control, STOP) === 1) return false;
    if (index < done + most) return true;
    Atomics.wait(control, DONE, done);
  }
}
