/** Every capture of the project, replayed: totals add up to the frames, and what is known of it comes out. */
import { describe, expect, test } from 'vitest';
import type { Capture } from '../../native-fixtures/captures/capture.ts';
import { capturePath, captures } from '../../native-fixtures/captures/index.ts';
import { replay, type ReplayReport } from '../../src/replay/replay.ts';
import { seedNetwork } from '../network.ts';

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);

/** A pcap does not say which interface it was recorded on, and a virtual MAC belongs to no port: `--port` says it. */
function replayCapture(capture: Capture): Promise<ReplayReport> {
  const named = capture.interfaces.length === 1 ? capture.interfaces[0] : undefined;
  const port = seedNetwork.ports.find((one) => one?.interface === named);
  return replay(capturePath(capture), {
    network: seedNetwork,
    host: 'host-a',
    workers: 0,
    ...(port ? { port: port.index } : {}),
  });
}

describe.each(captures)('$file: $shows', (capture) => {
  test('verdicts and protocols add up to the frames', async () => {
    const report = await replayCapture(capture);
    expect(report.problem).toBeNull();
    expect(report.frames).toBe(capture.frames.total);
    expect(sum(report.verdicts)).toBe(report.frames);
    expect(sum(report.protocols)).toBe(report.frames);
  });

  test('the expected holder, failovers and drops', async () => {
    const { expected } = capture;
    const report = await replayCapture(capture);
    const havip = report.havips.find(({ id }) => id === 'havip-1');
    const { count, cause, atLeast = false } = expected.failovers;
    if (atLeast) {
      expect(report.failovers.length).toBeGreaterThanOrEqual(count);
      expect(expected.holders).toContain(havip?.holder?.instance);
    } else {
      expect(report.failovers.length).toBe(count);
      expect(havip?.holder?.instance).toBe(expected.holders.at(-1));
    }
    expect(report.failovers[0]?.cause ?? null).toBe(cause);
    for (const reason of expected.drops) expect(report.verdicts).toHaveProperty(reason);
  });
});
