/** The live source by name. Runs in the worker that will use it. */
import { LibpcapSource } from './libpcap.ts';
import { RingSource } from './ring.ts';
import type { FrameSource } from './source.ts';

export interface SourceOptions {
  readonly kind: 'ring' | 'libpcap';
  readonly ringKib: number;
  /** An eventfd that ends a wait(). */
  readonly wakeFd: number;
}

export function openSource(options: SourceOptions, onTrouble: (port: number, message: string) => void): FrameSource {
  const { wakeFd, ringKib } = options;
  return options.kind === 'ring' ? new RingSource({ wakeFd, ringKib, onTrouble }) : new LibpcapSource({ wakeFd, onTrouble });
}
