/**
 * Settings of V8 for threads that judge frames: both the live worker's and replay's. Apart from engine.ts, which loads libc as
 * replay's threads do not need it: 32 ms to import, this one 14 ms (medians of 11 by turns on a busy machine).
 */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 may put 1,600 bytes of bytecode into one function, not 920.
 *
 * The judge of ARP then is one piece of machine code around its caller's loop. With the usual budget some of it was called, and which
 * part depended on when V8 had compiled: 57 against 78 M frames/s on a flooded tap, 46 against 58 over every path (bench `judge`).
 * 3,000 bytes made the judge no faster, and a file of 5 M frames took 70 ms longer in a new process, which is when V8 compiles.
 */
export function inlineTheJudge(): void {
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=1600');
}

/**
 * V8 does not replace the code of a loop while it runs.
 *
 * For replay, whose loop over a batch is called 10,000 times a second and so needs no such help. What V8 made for the middle of a loop
 * it kept: it knew less of the values there (policy and arrays were no constants, sums were checked for overflow), and half of all
 * processes judged 31 M frames/s of a flooded tap for as long as they ran, the others 40.
 */
export function compileWholeLoops(): void {
  setFlagsFromString('--no-use-osr');
}
