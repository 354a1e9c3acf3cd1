/** What a command has written is read to its end, whatever the reader's pace, before the program exits. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp } from '../../src/api/http.ts';
import { listenOn } from '../../src/api/listen.ts';
import { HAVIP, quiet, source } from '../api/source.ts';

let folder: string;
let server: Server;
let address: string;
const MANY = 600;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'havip-exit-'));
  server = createHttp(
    () => source({ havips: () => Array.from({ length: MANY }, (_, i) => ({ ...HAVIP, id: `havip-${i}` })) }),
    quiet,
  );
  address = await listenOn(server, { unix: join(folder, 'agent.sock') });
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Bytes that a reader gets who begins late, and the command's exit code. */
function readLate(stream: 1 | 2, ...args: string[]): Promise<{ exitCode: number | null; bytes: number }> {
  const child = spawn(process.execPath, ['dist/src/start.cjs', ...args], {
    stdio: ['ignore', stream === 1 ? 'pipe' : 'ignore', stream === 2 ? 'pipe' : 'ignore'],
  });
  const reader = stream === 1 ? child.stdout : child.stderr;
  let bytes = 0;
  // The child has everything to say long before; it then waits for us, or has exited and lost it.
  setTimeout(() => reader?.on('data', (piece: Buffer) => (bytes += piece.length)), 1000);
  return new Promise((resolve) => child.on('close', (exitCode) => resolve({ exitCode, bytes })));
}

function readAtOnce(...args: string[]): Promise<{ exitCode: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['dist/src/start.cjs', ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ exitCode: error?.code ?? 0, stdout, stderr }),
    );
  });
}

describe('the end of a command', () => {
  it('waits for a slow reader of its output', async () => {
    const status = ['status', '--json', '--http', address];
    const { exitCode, stdout } = await readAtOnce(...status);
    expect(stdout.length).toBeGreaterThan(200_000);
    expect(await readLate(1, ...status)).toEqual({ exitCode, bytes: Buffer.byteLength(stdout) });
  });

  it('waits for a slow reader of its mistakes', async () => {
    const file = join(folder, 'bad.yaml');
    const ports = Array.from({ length: 2000 }, (_, i) => ({ interface: `tap${i}`, instance: 'i', subnet: 'nowhere', mac: 'x' }));
    writeFileSync(file, JSON.stringify({ host: { id: 'h' }, vpcs: [], ports }));
    const { exitCode, stderr } = await readAtOnce('check', file);
    expect(stderr.length).toBeGreaterThan(200_000);
    expect(await readLate(2, 'check', file)).toEqual({ exitCode, bytes: Buffer.byteLength(stderr) });
  });

  it('is quiet when the reader has seen enough', async () => {
    const script = `"$0" dist/src/start.cjs status --json --http "$1" | head -c 10; echo " \${PIPESTATUS[0]}"`;
    const answer = await new Promise<[string, string]>((resolve) =>
      execFile('bash', ['-c', script, process.execPath, address], (_error, stdout, stderr) => resolve([stdout, stderr])),
    );
    expect(answer).toEqual([expect.stringMatching(/^\{\n {2}"host" 0\n$/), '']);
  });
});
