/**
 * `havip-agent explain --config FILE --port INTERFACE --frame HEX`: the same decode and judge as in the workers, on one frame.
 */
import type { PortView } from '../api/types.ts';
import { parseMac } from '../base/mac.ts';
import type { Network, Port } from '../base/network.ts';
import type { Explanation } from '../filter/explain.ts';
import { type Client, clientOf, HTTP_OPTION } from './client.ts';
import { CONFIG_OPTION, CommandError, DONE, JSON_OPTION, readArgs, required } from './command.ts';
import type { Command } from './command.ts';
import { announcement, parseFrame } from './frame-text.ts';
import { loadConfig } from './load.ts';
import { formatTable } from './table.ts';

const OPTIONS = {
  config: CONFIG_OPTION,
  port: {
    type: 'string',
    value: 'INTERFACE',
    description: 'the port that the frame comes from; of --pcap, where the file does not say it',
  },
  frame: {
    type: 'string',
    value: 'HEX',
    description:
      'the whole Ethernet frame from the destination MAC on, as people paste it: digits with 0x, \\x, spaces, colons or dashes, or the lines of tcpdump -xx',
  },
  arp: {
    type: 'string',
    value: 'SENDER[,MAC]',
    description: 'in place of --frame: the ARP announcement of this address, from this MAC or from that of the port',
  },
  pcap: { type: 'string', value: 'FILE:N', description: 'in place of --frame: the N-th frame of a capture' },
  json: JSON_OPTION,
  http: { ...HTTP_OPTION, description: 'ask the agent there, which knows who holds what: HOST:PORT or unix:/path' },
} as const;

export const command: Command = {
  name: 'explain',
  summary: 'the verdict on one frame, and what would have to change',
  about:
    'Judges one frame as if it had come from a port: the verdict, the rule that gave it, and what would have to change for the opposite. Nothing is sent or programmed, and no privilege is needed. By a configuration nobody holds anything; an agent (--http) judges by who does.',
  options: OPTIONS,
  exits: { 0: 'done', 2: 'wrong use', 3: 'no agent answers, with --http' },
  async run(args, io) {
    const { values } = readArgs(args, OPTIONS);
    checkGiven(values);
    const say = (explanation: Explanation & { readonly port: string }) =>
      io.stdout(
        values.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : formatExplanation(explanation.port, explanation),
      );
    if (values.http !== undefined) {
      say(await askAgent(values, clientOf(values.http, io)));
      return DONE;
    }
    const config = loadConfig(required(values.config, '--config'), io);
    const [{ plan }, { explainFrame }] = await Promise.all([import('../config/plan.ts'), import('../filter/explain.ts')]);
    const network = plan(config);
    const { name, port, frame, length, away } = await asked(values, network);
    const explanation = explainFrame(network, port, frame, { length, away });
    say({ port: name, ...explanation });
    return DONE;
  },
};

/** More is not asked for by anything that is said of a frame, and a request line has its limits. */
const ASKED_BYTES = 2048;

/** A running agent judges by what it has and by who holds what. */
async function askAgent(values: Values, client: Client): Promise<Explanation & { readonly port: string }> {
  const name = required(values.port, '--port');
  let frame: Uint8Array;
  if (values.arp === undefined) frame = parseFrame(required(values.frame, '--frame'));
  else {
    const ports = await client.json<readonly PortView[]>('/api/v1/ports');
    const mac = ports.find((port) => port.interface === name)?.mac;
    frame = announcement(values.arp, mac === undefined ? null : parseMac(mac));
  }
  const hex = Buffer.from(frame.subarray(0, ASKED_BYTES)).toString('hex');
  const query = new URLSearchParams({ port: name, frame: hex, length: String(frame.length) });
  return client.json(`/api/v1/explain?${query.toString()}`);
}

interface Asked {
  readonly name: string;
  readonly port: Port | null;
  readonly frame: Uint8Array;
  /** Bytes that it had on the wire. */
  readonly length: number;
  readonly away: boolean;
}

interface Values {
  readonly port?: string | undefined;
  readonly frame?: string | undefined;
  readonly arp?: string | undefined;
  readonly pcap?: string | undefined;
  readonly http?: string | undefined;
  readonly config?: string | undefined;
}

/** What is wrong with the arguments by themselves is said before a file is read. */
function checkGiven({ frame, arp, pcap, port, http, config }: Values): void {
  const given = [frame, arp, pcap].filter((value) => value !== undefined).length;
  if (given > 1) throw new CommandError('wrong-use', 'one of --frame, --arp and --pcap is enough');
  if (pcap !== undefined && http !== undefined)
    throw new CommandError('wrong-use', '--pcap goes with --config: an agent is asked about a --frame or an --arp');
  if (http !== undefined && config !== undefined) throw new CommandError('wrong-use', 'one of --config and --http is enough');
  if (pcap !== undefined) return;
  if (arp === undefined) parseFrame(required(frame, '--frame'));
  required(port, '--port');
}

async function asked(values: Values, network: Network): Promise<Asked> {
  const named = network.ports.find((one) => one?.interface === values.port) ?? null;
  if (values.pcap !== undefined) return inCapture(values.pcap, network, values.port, named);
  const name = required(values.port, '--port');
  const frame =
    values.arp === undefined ? parseFrame(required(values.frame, '--frame')) : announcement(values.arp, named?.mac ?? null);
  return { name, port: named, frame, length: frame.length, away: false };
}

async function inCapture(text: string, network: Network, name: string | undefined, named: Port | null): Promise<Asked> {
  const [, path = '', number = ''] = /^(.+):([1-9]\d{0,11})$/.exec(text) ?? [];
  if (path === '') throw new CommandError('wrong-use', `--pcap must be FILE:N, the N-th frame of a capture, not "${text}"`);
  const { pickFrame } = await import('../replay/pick.ts');
  const { frame, length, port, away } = await pickFrame(path, Number(number), network, named?.index);
  return { name: name ?? port?.interface ?? 'unknown', port, frame, length, away };
}

function formatExplanation(name: string, explanation: Explanation): string {
  const { verdict, reason, means, frame, because, actsOnDrop, opposite } = explanation;
  const drop = actsOnDrop === 'kernel' ? 'the guard drops the frame in the kernel' : 'the packet passes, but drives no decision';
  const rows = [
    ['verdict', `${verdict}: ${reason}`],
    ['frame', `${frame} from port ${name}`],
    ['rule', means],
    ...because.map((sentence) => ['because', sentence]),
    ...(verdict === 'drop' ? [['effect', drop]] : []),
    ['opposite', opposite],
  ];
  return formatTable(rows);
}
