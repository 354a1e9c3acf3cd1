/**
 * A client of a service behind a HAVIP, as a process of its own in a guest's namespace:
 *
 *     node client.js http|sql ADDRESS EVERY_MS
 *
 * One line per request: number, begin and end on the monotonic clock in milliseconds, and what failed, if it did. Each has a connection of
 * its own and a second.
 */
import { execFile } from 'node:child_process';
import { get } from 'node:http';
import { systemClock } from '../../src/base/clock.ts';

const LIMIT_MS = 1000;
const [kind = '', address = '', everyMs = ''] = process.argv.slice(2);
const nowMs = () => systemClock.nowNs() / 1e6;

function http(done: (failed: string) => void): void {
  const asked = get({ host: address, port: 80, path: '/', agent: false, timeout: LIMIT_MS }, (response) => {
    response.on('error', (error) => done(error.message));
    response.on('end', () => done(response.statusCode === 200 ? '' : `status ${response.statusCode}`));
    response.resume();
  });
  asked.on('timeout', () => asked.destroy(new Error('no answer')));
  asked.on('error', (error) => done(error.message));
}

function sql(number: number, done: (failed: string) => void): void {
  const flags = ['-X', '-q', '-h', address, '-U', 'postgres', '-d', 'postgres', '-c', `insert into work values (${number})`];
  const env = { PATH: process.env['PATH'], PGCONNECT_TIMEOUT: '1', PGOPTIONS: '-c statement_timeout=1000' };
  execFile('psql', flags, { env, timeout: 2 * LIMIT_MS }, (error, _, stderr) => {
    done(error === null ? '' : stderr.trim().split('\n')[0] || 'no answer');
  });
}

let number = 0;
setInterval(() => {
  const [mine, startMs] = [++number, nowMs()];
  const done = (failed: string) => {
    process.stdout.write(`${mine} ${startMs} ${nowMs()}${failed === '' ? '' : ` ${failed}`}\n`);
  };
  if (kind === 'http') http(done);
  else sql(mine, done);
}, Number(everyMs));
