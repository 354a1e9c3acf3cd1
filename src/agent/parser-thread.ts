/** The thread that parses a configuration: one file, then it ends. */
import { parseWhole, type Whole } from '../config/file.ts';
import { checkBeside } from '../vswitch/drivers.ts';
import type { ParserTask } from './parser.ts';

export default function parse({ bytes, path, running, dropIns }: ParserTask): Whole {
  const check = checkBeside(() => running);
  return parseWhole(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), path, check, dropIns);
}
