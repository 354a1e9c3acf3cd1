/**
 * Records what comes in on taps: dumpcap for pcapng (several interfaces, with their names), tcpdump for a plain pcap of one. Both
 * with nanosecond timestamps, and only what the agent itself would look at.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, LabError } from '../lab/command.ts';
import type { Namespace } from '../lab/namespace.ts';
import type { FrameCounts } from './capture.ts';

const FILTER = 'arp or rarp or ip proto 112 or vlan';
/** libpcap hands blocks over when they are full or a second old; what is younger is lost on SIGINT. */
const BUFFERED_MS = 1_500;

/**
 * Records into `file` while `act` runs. One dumpcap per interface, merged by time: that order is what a single dumpcap on several
 * interfaces does not promise.
 */
export async function record(
  place: { readonly host: Namespace; readonly directory: string },
  interfaces: readonly string[],
  file: string,
  act: () => Promise<void>,
): Promise<void> {
  if (!file.endsWith('.pcapng') && interfaces.length !== 1) throw new LabError(`${file}: a pcap has one interface`);
  const recorders = interfaces.map((each) => {
    const path = join(place.directory, `${each}.recorded`); // the recorders give up root and could not write everywhere
    const argv = file.endsWith('.pcapng')
      ? ['dumpcap', '-q', '-i', each, '-f', `inbound and (${FILTER})`, '-w', path]
      : ['tcpdump', '-Z', 'root', '-i', each, '-Q', 'in', '--time-stamp-precision=nano', '-U', '-w', path, FILTER];
    return { path, process: place.host.spawn(argv) };
  });
  await Promise.all(recorders.map(({ process }) => process.line(/^File: |listening on/)));
  await act();
  await sleep(BUFFERED_MS);
  await Promise.all(recorders.map(({ process }) => process.stop('SIGINT')));
  await command([
    'mergecap',
    '-F',
    file.endsWith('.pcapng') ? 'pcapng' : 'nsecpcap',
    '-w',
    file,
    ...recorders.map(({ path }) => path),
  ]);
}

/** Counts by tshark's dissectors, as a check on this project's own. */
export async function countFrames(file: string): Promise<FrameCounts> {
  const fields = ['-T', 'fields', '-E', 'separator=;', '-e', 'eth.type', '-e', 'ip.proto'];
  const types = (await command(['tshark', '-n', '-r', file, ...fields])).split('\n').filter(Boolean);
  const count = (wanted: RegExp) => types.filter((each) => wanted.test(each)).length;
  return { total: types.length, arp: count(/^0x0806/), rarp: count(/^0x8035/), protocol112: count(/;112$/) };
}
