/** The live source by name. Runs in the worker that will use it. */
import { LibpcapSource, requireCap } from './libpcap/libpcap.ts';
import { RingSource } from './ring/ring.ts';
import type { RingShape } from './ring/socket.ts';
import type { FrameSource, RingNeeds } from './source.ts';

export interface SourceOptions extends RingShape {
  readonly kind: 'ring' | 'libpcap';
  /** An eventfd that ends a wait(). */
  readonly wakeFd: number;
}

export interface SourceTells {
  /** A port cannot be captured, in a line. */
  readonly trouble: (port: number, message: string) => void;
  readonly needs: (needs: RingNeeds) => void;
}

/** What would fail in the worker, asked before anything is started. Throws an OperatingError. */
export function requireSource(kind: SourceOptions['kind']): void {
  if (kind === 'libpcap') requireCap();
}

export function openSource(options: SourceOptions, tell: SourceTells): FrameSource {
  const { kind, wakeFd, ringKib, policed } = options;
  const onTrouble = tell.trouble;
  if (kind === 'libpcap') return new LibpcapSource({ wakeFd, onTrouble });
  return new RingSource({ wakeFd, ringKib, policed, onTrouble, onNeeds: tell.needs });
}
