/** Who this process runs as, for messages about permissions: under sudo, in a service, in a container it is not who people think. */
import { readFileSync } from 'node:fs';
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

/** Lines of passwd(5) and group(5) by a field; null: there is none. Of this machine's files alone, not of a directory service. */
function lineOf(file: string, field: number, value: string): string[] | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (failureOf(error) === null) throw error;
    return null;
  }
  return (
    text
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[field] === value) ?? null
  );
}

/** `alice (uid 1000)`; `uid 1000` where it has no name. */
export function userText(uid: number): string {
  const [name] = lineOf('/etc/passwd', 2, String(uid)) ?? [];
  return name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`;
}

/** null: there is no such group. */
export function groupNumber(name: string): number | null {
  const [, , number] = lineOf('/etc/group', 0, name) ?? [];
  return number === undefined || !/^\d+$/.test(number) ? null : Number(number);
}
