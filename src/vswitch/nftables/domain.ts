/** The number by which rules and sets tell VPCs apart. Pure. */
import { createHash } from 'node:crypto';
import { formatMac, readMac } from '../../base/mac.ts';
import { label } from '../label.ts';

/** What is remembered is forgotten at this size: a process may see many VPCs come and go. */
const REMEMBERED_MOST = 65_536;

const domains = new Map<string, string>();

/**
 * A VPC's label as a number of 48 bits, written like a MAC: the first of its SHA-256. The configuration refuses two VPCs of one number,
 * so it need not be kept anywhere. What is already such a number stays: no label has a colon.
 */
export function domainOf(vpc: string): string {
  let domain = domains.get(vpc);
  if (domain !== undefined) return domain;
  domain = vpc.includes(':') ? vpc : formatMac(readMac(createHash('sha256').update(vpc).digest(), 0));
  if (domains.size >= REMEMBERED_MOST) domains.clear();
  domains.set(vpc, domain);
  return domain;
}

/** The part of a configuration's draft that decides which VPCs can be told apart. */
interface Vpcs {
  readonly vpcs?: readonly ({ readonly id?: string | undefined } | undefined)[] | undefined;
}

/** Two random ids are alike once in 2^48; ids can also be made to be. */
export function checkDomains({ vpcs = [] }: Vpcs, report: (path: readonly (string | number)[], message: string) => void): void {
  const idOfDomain = new Map<string, string>();
  for (const [v, vpc] of vpcs.entries()) {
    if (vpc?.id === undefined) continue;
    const domain = domainOf(label(vpc.id));
    const earlier = idOfDomain.get(domain);
    if (earlier === undefined) idOfDomain.set(domain, vpc.id);
    else if (earlier !== vpc.id) {
      report(
        ['vpcs', v, 'id'],
        `the switch cannot tell "${vpc.id}" from "${earlier}" (both are ${domain} to it); rename one of the two`,
      );
    }
  }
}
