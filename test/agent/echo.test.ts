/** Echoes by raw-socket, and by the kernel's own calls where that does not load. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EchoSocket, findEcho, openNative, type OpenEcho } from '../../src/agent/echo.ts';
import { Prober } from '../../src/agent/prober.ts';
import { parseIpv4 } from '../../src/base/address.ts';
import { must } from '../../src/base/assert.ts';
import { systemClock } from '../../src/base/clock.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { enterNewNamespace } from '../capture/netns.ts';
import { seedNetwork } from '../network.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-echo-'));
  // The loader answers to a file that is no shared object as to one of another Node.js: ERR_DLOPEN_FAILED.
  writeFileSync(join(folder, 'raw.node'), 'not a shared object');
  writeFileSync(join(folder, 'other-node.cjs'), "require('./raw.node');\n");
  writeFileSync(join(folder, 'not-built.cjs'), "require('./build/Release/raw.node');\n");
  writeFileSync(join(folder, 'broken.cjs'), "throw new RangeError('a fault of the module');\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('echo sockets', () => {
  it.each([
    ['is not installed', () => 'raw-socket-that-nobody-has'],
    ['was not built', () => join(folder, 'not-built.cjs')],
    ['was built for another Node.js', () => join(folder, 'other-node.cjs')],
  ])('go by the kernel’s own calls where raw-socket %s', async (_, module) => {
    expect(await findEcho(module())).toBe(openNative);
  });

  it('do not take a fault for a matter of the installation', async () => {
    await expect(findEcho(join(folder, 'broken.cjs'))).rejects.toThrow('a fault of the module');
  });
});

const root = process.getuid?.() === 0;

describe.skipIf(!root)('echoes (needs root: a network namespace)', () => {
  let leave: () => void;
  beforeAll(() => {
    leave = enterNewNamespace();
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
  });
  afterAll(() => leave());

  const ways: [string, () => Promise<OpenEcho>][] = [
    ['raw-socket, or what stands in for it', () => findEcho()],
    ['the kernel’s own calls', async () => openNative],
  ];

  it.each(ways)('come back by %s, with the time of their arrival', async (_, find) => {
    const open = await find();
    const replies: { readonly source: string; readonly atNs: number }[] = [];
    const troubles: string[] = [];
    const socket: EchoSocket = open('lo', {
      onMessage: (packet, source, atNs) => {
        if (packet[20] === 0) replies.push({ source, atNs });
      },
      onTrouble: (message) => troubles.push(message),
    });
    const sentNs = systemClock.nowNs();
    // Type 8, code 0, checksum over an otherwise empty header.
    socket.send(
      Buffer.from('0800f7ff0000000000000000', 'hex'),
      '127.0.0.9',
      (trouble) => trouble !== null && troubles.push(trouble),
    );
    await until('echo reply', () => replies.length > 0);
    socket.close();
    expect(troubles).toEqual([]);
    expect(replies[0]?.source).toBe('127.0.0.9');
    expect(replies[0]?.atNs).toBeGreaterThan(sentNs - 1e6);
    expect(replies[0]?.atNs).toBeLessThan(systemClock.nowNs());
  });

  it.each(ways)('end a burst by %s', async (_, find) => {
    const reached: number[] = [];
    const prober = new Prober({
      open: await find(),
      clock: systemClock,
      onReachable: (havip) => reached.push(havip),
      onTrouble: (message) => expect(message).toBeNull(),
    });
    const havip = must(seedNetwork.havips[0], 'the seed has a HAVIP');
    const there = { ...havip, probe: true, address: must(parseIpv4('127.0.0.7'), 'an address') };
    prober.configure({ ...seedNetwork, havips: [there] }, () => 'lo');
    expect(prober.burst(there.index)).toBe(true);
    await until('reachable HAVIP', () => reached.length > 0);
    expect([...prober.results()]).toMatchObject([{ havip: there.index, up: true }]);
    prober.close();
    expect(reached).toEqual([there.index]);
  });

  it.each(ways)('say by %s that an interface is not there', async (_, find) => {
    const troubles: (string | null)[] = [];
    const prober = new Prober({
      open: await find(),
      clock: systemClock,
      onReachable: () => {},
      onTrouble: (message) => troubles.push(message),
    });
    const havip = must(seedNetwork.havips[0], 'the seed has a HAVIP');
    prober.configure({ ...seedNetwork, havips: [{ ...havip, probe: true }] }, () => 'gone0');
    prober.close();
    expect(troubles).toEqual([expect.stringMatching(/^probe on gone0: .*(No such device|ENODEV)/)]);
  });
});
