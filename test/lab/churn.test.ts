/** Ports that come and go under load, against the real daemon and kernel. Needs root. The large form is `npm run bench -- churn`. */
import { expect, test } from 'vitest';
import { churn } from '../../bench/churn.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('churn of ports: skipped, it needs root to make network namespaces');

const CYCLES = 30;

test.runIf(root)(
  'a port is deleted, downed, renamed and made anew; another one loses nothing, and nothing is left behind',
  async () => {
    const { received, judged, dropped, backMs, descriptors, rssMib } = await churn(CYCLES);
    expect(received).toBeGreaterThan(0);
    expect({ judged, dropped }).toEqual({ judged: received, dropped: 0 });
    expect(backMs.length).toBe(CYCLES);
    expect(descriptors[1]).toBeLessThanOrEqual(descriptors[0] + 2); // a connection of this test's own
    expect(rssMib[1]).toBeLessThan(rssMib[0] + 64);
  },
);
