/**
 * Which port holds each HAVIP, as far as workers need to know: enough to tell a refresh from a change. The main thread writes,
 * workers read; a stale word costs one claim on the wrong ring, nothing else.
 */
export class Holders {
  /** Port that holds HAVIP i, or -1. */
  readonly ports: Int32Array<SharedArrayBuffer>;

  /** Makes a table for so many HAVIPs, or attaches to one. */
  constructor(havips: number | SharedArrayBuffer) {
    this.ports = new Int32Array(typeof havips === 'number' ? new SharedArrayBuffer(havips * 4) : havips);
    if (typeof havips === 'number') this.ports.fill(-1);
  }
}
