#!/usr/bin/env node
/**
 * The program's entry. CommonJS, because loading an ES module starts libuv's thread pool, and its size cannot be changed then. Many
 * threads, for rings are made and freed by calls that only wait (abi/graceful.ts); idle ones cost address space and nothing else.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '64';
// The daemon's signals, until its own handlers stand (main.ts): one that came before used to kill it, or was lost. Node itself needs
// 0.1 s to come here, in which nobody can. Other commands end by a signal as any program does.
if (process.argv[2] === 'run') {
  const early: NodeJS.Signals[] = [];
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT'] as const) process.on(signal, () => early.push(signal));
  globalThis.havipEarlySignals = early;
}
const v8 = require('node:v8') as typeof import('node:v8');
// V8's young generation stays at 1 MB a half: it grew to 16 MB a half at start and kept them, for a start that was no faster.
v8.setFlagsFromString('--semi-space-growth-factor=1');
// 1 MB is soon collected by one thread; in parallel it waits for helpers, which may have no CPU (abi/engine.ts).
v8.setFlagsFromString('--no-parallel-scavenge');
void import('./main.ts');
