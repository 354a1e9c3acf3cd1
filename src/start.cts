#!/usr/bin/env node
/**
 * The program's entry. CommonJS, because loading an ES module starts libuv's thread pool, and its size cannot be changed then. Many
 * threads, for rings are made and freed by calls that only wait (abi/graceful.ts); idle ones cost address space and nothing else.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '64';
void import('./main.ts');
