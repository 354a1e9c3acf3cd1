/**
 * What a guest's frame costs in the guard: the kernel's time from the guest's send to the end of its way, with the guard at the tap and
 * without, by turns; medians of rounds. The tap is in no bridge and the frames are for another machine's MAC, so that little else is in the figure.
 * The agent programs the guard and ends: nobody captures meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arp } from '../native-fixtures/frames.ts';
import { ipv6Frame, nd, targetMac } from '../native-fixtures/frames6.ts';
import { agentCommand } from '../native-fixtures/lab/agent.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { type Bench, median } from './bench.ts';
import { buildFlood, startFlood } from './flood.ts';

const TAP = 'tap9';
const SOURCE = '02:00:ac:11:10:09';
const NOBODY = '02:00:00:00:00:ee';
const LINK_LOCAL = 'fe80::acff:fe11:1009';
const COUNTER = ['nft', 'list', 'counter', 'netdev', 'havip', 'havip_guard_dropped_total'];

interface Kind {
  readonly name: string;
  readonly frame: Uint8Array;
  readonly denied?: boolean;
}

const packet = { source: SOURCE, destination: NOBODY, ipSource: LINK_LOCAL, ipDestination: 'fe80::1' };
const payload = new Uint8Array(64);
const advertisement = { ...packet, icmpType: 136, flags: 0x60, options: [targetMac(SOURCE)] };
const KINDS: readonly Kind[] = [
  { name: 'IPv4, UDP', frame: ipv4(17) },
  { name: 'IPv4, TCP', frame: ipv4(6) },
  { name: 'ARP, own', frame: arp({ source: SOURCE, destination: NOBODY, senderAddress: '172.17.16.9' }) },
  { name: 'IPv6, UDP', frame: ipv6Frame({ ...packet, protocol: 17, payload }) },
  { name: 'IPv6, ESP', frame: ipv6Frame({ ...packet, protocol: 50, payload }) },
  { name: 'IPv6, echo', frame: ipv6Frame({ ...packet, protocol: 58, payload: payload.with(0, 128) }) },
  { name: 'ND, own', frame: nd({ ...advertisement, target: LINK_LOCAL }) },
  { name: 'ND, denied', frame: nd({ ...advertisement, target: 'fe80::acff:fe11:1007' }), denied: true },
];

export const bench: Bench = {
  name: 'guard',
  question: 'what does a frame cost in the guard?',
  async run({ small, print }) {
    const folder = mkdtempSync(join(tmpdir(), 'havip-bench-'));
    try {
      const program = buildFlood(folder);
      await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-3'] });
      await lab.host.ip(`link set ${TAP} nomaster`);
      const config = lab.writeFile('guard.yaml', lab.config());
      const figures = KINDS.map(() => ({ without: [] as number[], guarded: [] as number[] }));
      for (let round = 0; round < (small ? 1 : 5); round++) {
        for (const [i, kind] of KINDS.entries()) figures[i]!.without.push(await cost(lab, program, kind, small));
        await (await lab.startAgent()).stop('SIGTERM');
        for (const [i, kind] of KINDS.entries()) {
          const before = await dropped(lab);
          figures[i]!.guarded.push(await cost(lab, program, kind, small));
          if ((await dropped(lab)) > before !== (kind.denied ?? false)) throw new Error(`guard: ${kind.name} is answered wrong`);
        }
        await lab.host.exec(agentCommand('cleanup', '--config', config));
      }
      for (const [i, { name }] of KINDS.entries()) {
        const [without, guarded] = [median(figures[i]!.without), median(figures[i]!.guarded)];
        print(`  ${name.padEnd(12)} ${ns(without)} without, ${ns(guarded)} with the guard: ${ns(guarded - without)}`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** 172.17.16.9 to 172.17.16.1, 64 bytes behind a header of 8. */
function ipv4(protocol: 6 | 17): Uint8Array {
  const header = `4500005c0001000040${protocol === 6 ? '06' : '11'}0000ac111009ac111001`;
  const hex = `${NOBODY}${SOURCE}`.replaceAll(':', '') + `0800${header}1388138800480000`;
  return Buffer.concat([Buffer.from(hex, 'hex'), payload]);
}

/** Nanoseconds a frame: the best of a few short runs, in each of which the sender has its CPU for itself. */
async function cost(lab: Lab, program: string, { frame }: Kind, small: boolean): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < (small ? 1 : 5); run++) {
    const { seconds, frames } = await startFlood(program, lab.guest('cvm-3'), [frame], 0, 0.04, true).result();
    best = Math.min(best, (seconds / frames) * 1e9);
  }
  return best;
}

const ns = (value: number) => `${value.toFixed(0).padStart(5)} ns`;

async function dropped(lab: Lab): Promise<number> {
  return Number(/packets (\d+)/.exec(await lab.host.exec(COUNTER))?.[1]);
}
