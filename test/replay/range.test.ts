/** What a range of a file tells is what the live worker would have told of its frames: the same claims, samples and absorbed ones. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ALL_PATHS, FLOODED_TAP, makeMix, mixNetwork, type Weights } from '../../bench/mix.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { judge } from '../../src/filter/judge.ts';
import { newHeld } from '../../src/filter/held.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { markOf, Samples } from '../../src/lane/samples.ts';
import type { Claim } from '../../src/lane/claim.ts';
import { ABSORBED, TALLIES } from '../../src/lane/lane.ts';
import { readClaim } from '../../src/lane/reader.ts';
import { REFUSED } from '../../src/lane/slot.ts';
import { ClaimTape } from '../../src/lane/tape.ts';
import { Teller } from '../../src/lane/teller.ts';
import { kindOf } from '../../src/lane/writer.ts';
import { closeCapture, openCapture } from '../../src/pcap/file.ts';
import { buildPortTables, NO_PORT, PortFinder } from '../../src/replay/ports.ts';
import { rangeJudge } from '../../src/replay/range.ts';
import { craftPcap } from '../pcap/craft.ts';

const BASE_SECONDS = 1_700_000_000;
const STEP_US = 500;

const network = mixNetwork();
const policy = compilePolicy(network).seeing(newHeld(network));
const ports = buildPortTables(network);
const folder = mkdtempSync(join(tmpdir(), 'havip-range-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ticks = (i: number) => BigInt(BASE_SECONDS) * 1_000_000n + BigInt(i * STEP_US);

interface Outcome {
  readonly claims: Claim[];
  readonly absorbed: number;
}

function claimsOf(memory: ArrayBuffer): Claim[] {
  const tape = new ClaimTape(memory);
  const claims: Claim[] = [];
  for (let slot = 0; slot < tape.bytes.length; slot = tape.after(slot)) claims.push(readClaim(tape, slot));
  return claims;
}

/** As worker/worker.ts, with one tape in place of two rings. */
function live(frames: readonly Uint8Array[]): Outcome {
  const sighting = new Sighting();
  const tape = new ClaimTape();
  const tallies = new Float64Array(TALLIES);
  const teller = new Teller({ urgent: tape, routine: tape, tallies }, sighting, null);
  const samples = new Samples(network.ports.length);
  const finder = new PortFinder(ports);
  teller.follow(policy);
  for (const [i, frame] of frames.entries()) {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const port = frame.length < 14 ? NO_PORT : finder.ofSource(view.getUint16(6), view.getInt32(8));
    const verdict = judge(policy, frame, 0, frame.length, 0, port, sighting);
    const kind = kindOf(verdict);
    const ns = i * STEP_US * 1000;
    if (kind !== REFUSED) {
      if (kind >= 0) teller.claim(kind, verdict, port, ns, frame, 0, frame.length);
    } else if (samples.take(port, verdict, markOf(view, 0, frame.length, sighting.havip), Math.floor(ns / 1e9))) {
      teller.refusal(verdict, port, ns, frame, 0, frame.length, 0);
    }
  }
  return { claims: claimsOf(tape.cut()), absorbed: tallies[ABSORBED]! };
}

function replayed(name: string, frames: readonly Uint8Array[]): Outcome {
  const path = join(folder, name);

  writeFileSync(
    path,
    craftPcap(
      { little: true, nanoseconds: false },
      frames.map((bytes, i) => ({ bytes, ticks: ticks(i) })),
    ),
  );
  const file = openCapture(path);
  const { section, start, sizeBytes } = file;
  const judged = rangeJudge(policy, ports)({ file, section, start, limit: sizeBytes, exact: true });
  closeCapture(file);
  expect(judged.frames).toBe(frames.length);
  return { claims: claimsOf(judged.claims), absorbed: judged.absorbed };
}

it.each<[string, Weights, number]>([
  ['every path', ALL_PATHS, 6000],
  ['a flooded tap', FLOODED_TAP, 6000],
  ['the same few frames again and again', ALL_PATHS, 60],
])('%s', (name, weights, different) => {
  const { bytes, offsets, lengths } = makeMix(network, weights, different, 11);
  const frames = Array.from({ length: 6000 }, (_, i) => {
    const at = offsets[i % different]!;
    return bytes.slice(at, at + lengths[i % different]!);
  });
  const expected = live(frames);
  expect(expected.claims.length).toBeGreaterThan(100);
  expect(expected.claims.some(({ kind }) => kind === 'refused')).toBe(true);
  expect(expected.absorbed > 0).toBe(different === 60);
  expect(replayed(name.replaceAll(' ', '-'), frames)).toEqual(expected);
});
