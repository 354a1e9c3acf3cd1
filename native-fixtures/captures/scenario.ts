/** One capture to record: a lab's guests do something while the taps are watched. */
import type { Lab } from '../lab/lab.ts';
import type { Expected } from './capture.ts';

export interface Scenario {
  readonly file: string;
  readonly shows: string;
  readonly program: 'keepalived' | 'arping' | 'linux' | 'ucarp' | 'frr';
  readonly command: string;
  readonly interfaces: readonly string[];
  readonly expected: Expected;
  readonly act: (lab: Lab, pause: (ms: number) => Promise<void>) => Promise<void>;
}

export const UNMOVED = { count: 0, cause: null } as const;
