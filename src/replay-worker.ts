/** A piscina worker of replay.ts: policy and ports arrive once, with the worker; each task is a range. */
import { workerData } from 'piscina';
import type { PortTables } from './replay-ports.ts';
import { type JudgedRange, type Range, rangeJudge } from './replay-range.ts';

export interface ReplayWorkerData {
  readonly policy: SharedArrayBuffer;
  readonly ports: PortTables;
}

const { policy, ports } = workerData as ReplayWorkerData;
const judge = rangeJudge(policy, ports);

export default (range: Range): JudgedRange => judge(range);
