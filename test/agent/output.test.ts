import { spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EAGAIN } from '../../src/abi/libc.ts';
import { createLog } from '../../src/agent/log.ts';
import { descriptorOf, Output } from '../../src/agent/output.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const ENOSPC = 28;

/** A descriptor that a test opens, closes, fills. */
class Reader {
  open = true;
  /** Returned instead of taking anything. */
  refusal = 0;
  most = Number.POSITIVE_INFINITY;
  text = '';

  poll(): boolean {
    return this.open;
  }

  write(bytes: Uint8Array): number {
    if (this.refusal !== 0) return this.refusal;
    const taken = bytes.subarray(0, this.most);
    this.text += Buffer.from(taken).toString();
    return taken.length;
  }
}

describe('output', () => {
  it('writes at once and in order while the reader takes it', () => {
    const reader = new Reader();
    const output = new Output(reader);
    output.write('a\n');
    expect(reader.text).toBe('a\n');
    reader.most = 3;
    output.write('bcdefgh\n');
    output.write('i\n');
    expect(reader.text).toBe('a\nbcdefgh\ni\n');
    expect(output.dropped).toBe(0);
  });

  it('keeps what a reader does not take, up to a bound, counts the rest, and tells of it when it is read again', async () => {
    const reader = new Reader();
    const output = new Output(reader, 10);
    const recovered: number[] = [];
    output.onRecovered = (dropped) => recovered.push(dropped);
    reader.open = false;
    for (let i = 0; i < 9; i++) output.write(`${i}${i}${i}\n`);
    expect([reader.text, output.dropped, recovered]).toEqual(['', 7, []]);
    reader.open = true;
    await until('recovery', () => recovered.length > 0);
    expect([reader.text, recovered]).toEqual(['000\n111\n', [7]]);
    output.write('next\n');
    expect(reader.text).toBe('000\n111\nnext\n');
    expect(recovered).toEqual([7]);
  });

  it('loses what a full disk refuses, and tells of it with the first line that finds room', () => {
    const reader = new Reader();
    const output = new Output(reader);
    const recovered: number[] = [];
    output.onRecovered = (dropped) => recovered.push(dropped);
    reader.refusal = -ENOSPC;
    for (const line of ['a\n', 'b\n', 'c\n']) output.write(line);
    expect([output.dropped, recovered]).toEqual([3, []]);
    reader.refusal = 0;
    output.write('d\n');
    expect([reader.text, recovered]).toEqual(['d\n', [3]]);
  });

  it('begins a new line after one that was lost in its middle', () => {
    const reader = new Reader();
    const output = new Output(reader);
    let writes = 0;
    const fillsUp = { poll: () => true, write: (bytes: Uint8Array) => (++writes === 2 ? -ENOSPC : reader.write(bytes)) };
    const torn = new Output(fillsUp);
    reader.most = 2;
    torn.write('abcd\n');
    torn.write('e\n');
    expect(reader.text).toBe('ab\ne\n');
    expect(torn.dropped).toBe(1);
    expect(output.dropped).toBe(0);
  });

  it('takes a descriptor that somebody else made non-blocking for what it is', () => {
    const reader = new Reader();
    const output = new Output(reader);
    reader.refusal = -EAGAIN;
    output.write('a\n');
    expect(output.flush(10)).toBe(false);
    reader.refusal = 0;
    output.write('b\n');
    expect(output.flush(1000)).toBe(true);
    expect([reader.text, output.dropped]).toEqual(['a\nb\n', 0]);
  });
});

/** Reads what is in the pipe; returns the bytes. */
function readWaiting(fd: number): number {
  try {
    return readSync(fd, Buffer.alloc(1 << 20));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
    return 0;
  }
}

describe('output to a real pipe', () => {
  let folder: string;
  let fifo: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'havip-output-'));
    fifo = join(folder, 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('never waits for a reader that stopped reading, and loses nothing of what was kept', () => {
    const readFd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeFd = openSync(fifo, constants.O_WRONLY);
    try {
      const output = new Output(descriptorOf(writeFd));
      const line = `${'x'.repeat(199)}\n`;
      for (let i = 0; i < 10_000; i++) output.write(line);
      // 64 KiB are in the pipe and 1 MiB waits.
      expect(output.dropped).toBeGreaterThan(4000);
      expect(output.dropped).toBeLessThan(5000);
      let read = 0;
      for (let rounds = 0; rounds < 1000 && !output.flush(0); rounds++) read += readWaiting(readFd);
      read += readWaiting(readFd);
      expect(read).toBe((10_000 - output.dropped) * line.length);
    } finally {
      closeSync(writeFd);
      closeSync(readFd);
    }
  });

  it('survives a reader that leaves, and reaches the next one', async () => {
    const first = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeFd = openSync(fifo, constants.O_WRONLY);
    const copy = join(folder, 'copy');
    const copyFd = openSync(copy, 'w');
    try {
      const log = createLog({ host: 'h', level: 'info', journal: true, output: new Output(descriptorOf(writeFd)) });
      closeSync(first);
      log.info({}, 'nobody reads this');
      expect(log.dropped).toBe(1);
      const second = spawn('cat', [fifo], { stdio: ['ignore', copyFd, 'ignore'] });
      await until('line about dropped ones', () => {
        log.warn({}, 'is somebody there?');
        return readFileSync(copy, 'utf8').includes('were dropped');
      });
      second.kill();
      const lines = readFileSync(copy, 'utf8').trimEnd().split('\n');
      expect(lines[0]).toMatch(/^<4>\{"level":"warn".*is somebody there/);
      expect(lines[1]).toMatch(/^<4>.*"dropped":\d+.*log lines were dropped/);
    } finally {
      closeSync(writeFd);
      closeSync(copyFd);
    }
  });
});
