/** Names that a switch takes for what the configuration calls by any id. Pure. */
import { createHash } from 'node:crypto';

const LABEL = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;

/** An id as a token that every switch takes as a name: the id itself, or its start and a hash when it is long or exotic. */
export function label(id: string): string {
  if (LABEL.test(id)) return id;
  const start = id.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 15);
  return `${start}.${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
}
