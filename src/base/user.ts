/** Who this process runs as, for messages about permissions: under sudo, in a service, in a container it is not who people think. */
import { userInfo } from 'node:os';
import { failureOf } from './failure.ts';

/** `user alice (uid 1000)`; the number alone where no name is known for it. */
export function whoRuns(): string {
  try {
    const { username, uid } = userInfo();
    return `user ${username} (uid ${uid})`;
  } catch (error) {
    if (failureOf(error) === null) throw error;
    return `user with uid ${process.geteuid?.() ?? '?'}`;
  }
}

export function permissionDenied(): string {
  return `permission denied to ${whoRuns()}`;
}
