/** Names and numbers that a switch takes for what the configuration calls by any id. Pure. */
import { createHash } from 'node:crypto';
import { formatMac, readMac } from '../base/mac.ts';

const LABEL = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
/** What is remembered is forgotten at this size: a process may see many VPCs come and go. */
const REMEMBERED_MOST = 65_536;

/** An id as a token that every switch takes as a name: the id itself, or its start and a hash when it is long or exotic. */
export function label(id: string): string {
  if (LABEL.test(id)) return id;
  const start = id.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 15);
  return `${start}.${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
}

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
