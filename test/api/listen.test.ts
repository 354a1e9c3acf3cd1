/** Why nobody can listen, or be reached, there: the errno of a socket call is rarely the reason. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { listenOn } from '../../src/api/listen.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-listen-'));
  chmodSync(folder, 0o700);
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['/run/nowhere/agent.sock', 'there is no directory /run/nowhere'],
  ['/run/nowhere/deeper/agent.sock', 'there is no directory /run/nowhere/deeper'],
  ['/etc/passwd/agent.sock', '/etc/passwd is not a directory'],
  [`/tmp/${'x'.repeat(120)}.sock`, "its path has more than the 107 bytes that a socket's may have"],
])('unix:%s', async (unix, why) => {
  await expect(listenOn(createServer(), { unix })).rejects.toThrow(`cannot listen on unix:${unix}: ${why}`);
});

it('names the user who may not', () => {
  const program =
    "import('./dist/src/api/listen.js').then(({ listenOn }) => listenOn(require('node:http').createServer(), { unix: process.argv[1] })).catch((error) => console.log(error.message))";
  const run = [process.execPath, '-e', program, join(folder, 'agent.sock')];
  const [file = '', ...args] =
    process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set', '-all', ...run] : run;
  const { stdout } = spawnSync(file, args, { encoding: 'utf8' });
  if (process.getuid?.() === 0) expect(stdout).toMatch(/: permission denied to user (nobody \(uid 65534\)|with uid 65534)\n$/);
});
