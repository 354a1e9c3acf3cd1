/**
 * What a libpcap child tells its worker through a stream socket: records of one size, so that a reader that asks for whole
 * records never gets a part of one.
 *
 *     0 seconds u32 | 4 nanoseconds u32 | 8 captured u32 | 12 length u32 | 16 drops u32, since the child began | 32 frame
 *
 * Length 0 is no frame: the frame's place then holds the child's last words.
 */
import { SNAP_BYTES } from '../../base/snap.ts';

export const RECORD_FRAME_AT = 32;
export const RECORD_BYTES = RECORD_FRAME_AT + SNAP_BYTES;
/** The descriptor that the child writes to. */
export const RECORD_FD = 3;
