/** A small configuration with parts of a test's own, and what is wrong with it. */
import { formatMistake, parseConfig } from '../../src/config/config.ts';
import { checkForDriver } from '../../src/vswitch/drivers.ts';

/** A configuration of one VPC 10.0.0.0/8 with 10.0.0.0/24 as subnet s, whose parts begin at known lines. */
export function withParts({ havips = '', ports = '', subnets = '', rest = '' }): string {
  return `host: { id: h }
vpcs:
  - id: v
    cidr: 10.0.0.0/8
    subnets:
      - { id: s, cidr: 10.0.0.0/24, gateway: 10.0.0.254 }
${subnets}
    havips:
${havips.replaceAll(/^(?=.)/gm, '      - ')}
ports:
${ports.replaceAll(/^(?=.)/gm, '  - ')}
${rest}`.replaceAll(/\n{2,}/g, '\n');
}

/** A line each, which begins with the number of the line in `text`. */
export function mistakesIn(text: string): string[] {
  const result = parseConfig(text, 'f', checkForDriver);
  return result.ok ? [] : result.mistakes.map((mistake) => formatMistake(mistake).replace(/^f:(\d+):\d+: /, '$1 '));
}
