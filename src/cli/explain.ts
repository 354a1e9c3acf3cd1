/**
 * `havip-agent explain --config FILE --port INTERFACE --frame HEX`: the same decode and judge as in the workers, on one frame.
 */
import type { Explanation } from '../filter/explain.ts';
import { CONFIG_OPTION, CommandError, DONE, JSON_OPTION, readArgs, required } from './command.ts';
import type { Command } from './command.ts';
import { loadConfig } from './load.ts';
import { formatTable } from './table.ts';

/** No guest sends more in one frame; the decoders need 192 bytes at most. */
const FRAME_MAX_BYTES = 65_535;

const OPTIONS = {
  config: CONFIG_OPTION,
  port: { type: 'string', value: 'INTERFACE', description: 'the port that the frame comes from', required: true },
  frame: {
    type: 'string',
    value: 'HEX',
    description: 'the whole Ethernet frame from the destination MAC on; spaces and colons are ignored',
    required: true,
  },
  json: JSON_OPTION,
} as const;

export const command: Command = {
  name: 'explain',
  summary: 'the verdict on one frame, and what would have to change',
  about:
    'Judges one frame as if it had come from a port: the verdict, the rule that gave it, and what would have to change for the opposite. Nothing is sent or programmed, and no privilege is needed.',
  options: OPTIONS,
  exits: { 0: 'done', 2: 'wrong use' },
  async run(args, io) {
    const { values } = readArgs(args, OPTIONS);
    const frame = parseFrame(required(values.frame, '--frame'));
    const name = required(values.port, '--port');
    const config = loadConfig(required(values.config, '--config'), io);
    const [{ plan }, { explainFrame }] = await Promise.all([import('../config/plan.ts'), import('../filter/explain.ts')]);
    const network = plan(config);
    const port = network.ports.find((candidate) => candidate?.interface === name) ?? null;
    const explanation = explainFrame(network, port, frame);
    io.stdout(
      values.json === true
        ? `${JSON.stringify({ port: name, ...explanation }, null, 2)}\n`
        : formatExplanation(name, explanation),
    );
    return DONE;
  },
};

function parseFrame(hex: string): Uint8Array {
  const digits = hex.replaceAll(/[\s:]/g, '');
  if (digits === '' || digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits) || digits.length / 2 > FRAME_MAX_BYTES) {
    throw new CommandError('wrong-use', '--frame must be the bytes of one Ethernet frame, two hexadecimal digits each');
  }
  return Buffer.from(digits, 'hex');
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
