/** Small values that several tests of the switch need. */
import { must } from '../../src/base/assert.ts';
import { type Mac, parseMac } from '../../src/base/mac.ts';
import type { SwitchLog } from '../../src/vswitch/reconciler.ts';

export function macOf(text: string): Mac {
  return must(parseMac(text), text);
}

/** Keeps what was said. */
export class KeptLog implements SwitchLog {
  readonly lines: string[] = [];
  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }
  info(message: string): void {
    this.lines.push(`info ${message}`);
  }
}
