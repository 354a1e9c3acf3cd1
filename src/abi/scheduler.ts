/** Scheduling classes of threads (man 7 sched). */
import { SystemError } from './libc.ts';
import { errno, openLibrary } from './native.ts';

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const ESRCH = 3;

const library = openLibrary('libc.so.6');
const getScheduler = library.bind<(thread: number) => number>('int sched_getscheduler(int thread)');
const setScheduler = library.bind<(thread: number, policy: number, parameters: Int32Array) => number>(
  'int sched_setscheduler(int thread, int policy, void *parameters)',
);

/** Does this thread, by its id, run before all ordinary ones? False also when it is no more. Throws SystemError. */
export function isRealtime(thread: number): boolean {
  const policy = unlessGone('sched_getscheduler', getScheduler(thread));
  return policy === SCHED_FIFO || policy === SCHED_RR;
}

/** Makes it an ordinary one, which needs no privilege. Throws SystemError. */
export function makeOrdinary(thread: number): void {
  unlessGone('sched_setscheduler', setScheduler(thread, SCHED_OTHER, new Int32Array(1)));
}

function unlessGone(call: string, result: number): number | null {
  if (result >= 0) return result;
  if (errno() === ESRCH) return null;
  throw new SystemError(call, errno());
}
