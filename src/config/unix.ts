/** Why a unix socket cannot be reached or made, where the system's errno does not say it. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../base/failure.ts';
import { permissionDenied } from '../base/user.ts';

/** struct sockaddr_un: 108 bytes with the final zero. */
const PATH_MOST_BYTES = 107;

/**
 * libuv answers EACCES for a directory that does not exist too (uv_pipe_bind), and cuts or refuses what is too long.
 * @returns null where the errno alone says it
 */
export function whyNoSocket(path: string, code: string | null): string | null {
  if (Buffer.byteLength(path) > PATH_MOST_BYTES)
    return `its path has more than the ${PATH_MOST_BYTES} bytes that a socket's may have`;
  if (code !== 'EACCES' && code !== 'ENOENT' && code !== 'ENOTDIR') return null;
  const folder = dirname(path);
  try {
    if (!statSync(folder).isDirectory()) return `${folder} is not a directory`;
  } catch (error) {
    const found = codeOf(error);
    if (found === 'ENOENT') return `there is no directory ${folder}`;
    if (found === 'ENOTDIR') return `a part of ${folder} is not a directory`;
    if (found !== 'EACCES') throw error;
  }
  return code === 'EACCES' ? permissionDenied() : null;
}
