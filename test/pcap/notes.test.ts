/** Notes beside the frames: they come back as they were, and a file that only looks like ours says nothing by them. */
import { expect, it } from 'vitest';
import { closeSync, openSync } from 'node:fs';
import { type Note, readNotes } from '../../src/pcap/notes.ts';
import { writePcapng } from '../../src/pcap/writer.ts';
import { readCapture, withFile } from './read.ts';

function notesIn(path: string): Note[] {
  const fd = openSync(path, 'r');
  try {
    return readNotes({ fd });
  } finally {
    closeSync(fd);
  }
}

const notes: Note[] = [
  {
    kind: 'adopted',
    atNs: '1790000000000000001',
    havip: 'havip-1',
    interface: 'tap7',
    mac: 0x0200ac111007,
    epoch: 4,
    sinceMs: 1_790_000_000_123.5,
  },
  { kind: 'link', atNs: '1790000000500000000', interface: 'tap7', state: 'down', ifindex: 7 },
];

it('come back as they were, and no other reader minds them', () => {
  const frame = { interface: 0, atNs: 1_790_000_000_000_000_002n, length: 60, bytes: new Uint8Array(60), comment: 'first' };
  withFile(writePcapng(['tap7'], [frame], notes), (path) => {
    expect(notesIn(path)).toEqual(notes);
    expect(readCapture(path)).toMatchObject({ problem: null, frames: [{ length: 60, interface: 'tap7', atNs: frame.atNs }] });
  });
});

it('are read from no file of another writer, and not from a broken one', () => {
  const written = Buffer.from(writePcapng([], [], notes));
  const foreign = Buffer.from(written);
  foreign.write('another-tool', foreign.indexOf('havip-agent'));
  withFile(foreign, (path) => expect(notesIn(path)).toEqual([]));
  withFile(written.subarray(0, written.length - 3), (path) => expect(notesIn(path)).toEqual(notes.slice(0, 1)));
  const garbled = Buffer.from(written);
  garbled.write('{"kind":"lin?', garbled.indexOf('{"kind":"link"'));
  withFile(garbled, (path) => expect(notesIn(path)).toEqual(notes.slice(0, 1)));
  withFile(Buffer.from('no capture at all'), (path) => expect(notesIn(path)).toEqual([]));
});

const [adopted, link] = notes as [Note & { kind: 'adopted' }, Note & { kind: 'link' }];
const without = (note: Note, field: string) => Object.fromEntries(Object.entries(note).filter(([name]) => name !== field));
const each = (note: Note, value: unknown) =>
  Object.keys(note).map((field): [string, unknown] => [
    `${note.kind} with ${JSON.stringify(value)} as ${field}`,
    { ...note, [field]: value },
  ]);

it.each<[string, unknown]>([
  ['null', null],
  ['a number', 7],
  ['a list', [adopted]],
  ['nothing', {}],
  ...[adopted, link].flatMap((note) =>
    Object.keys(note).map((field): [string, unknown] => [`${note.kind} without ${field}`, without(note, field)]),
  ),
  ...[adopted, link].flatMap((note) => [null, true, [], {}, -1, ''].flatMap((value) => each(note, value))),
  ['an unknown state', { ...link, state: 'sideways' }],
  ['a state that every object has', { ...link, state: 'constructor' }],
  ['an index that is no int', { ...link, ifindex: 2 ** 31 }],
  ['half an index', { ...link, ifindex: 1.5 }],
  ['a multicast MAC', { ...adopted, mac: 0x01005e000012 }],
  ['the broadcast MAC', { ...adopted, mac: 0xffff_ffff_ffff }],
  ['MAC zero', { ...adopted, mac: 0 }],
  ['a MAC of 49 bits', { ...adopted, mac: 2 ** 48 + 2 }],
  ['a MAC in words', { ...adopted, mac: '02:00:ac:11:10:07' }],
  ['half an epoch', { ...adopted, epoch: 0.5 }],
  ['an epoch that cannot be counted on', { ...adopted, epoch: Number.MAX_SAFE_INTEGER }],
  ['a time that is no date', { ...adopted, sinceMs: 8.7e15 }],
  ['a time of no number', { ...link, atNs: '1e18' }],
  ['a time before 1970', { ...link, atNs: '-5' }],
  ['a time after the end of time', { ...link, atNs: '9'.repeat(20) }],
])('are not read when they are not as written: %s', (_says, crafted) => {
  const file = writePcapng([], [], [adopted, crafted as Note, link]);
  withFile(file, (path) => expect(notesIn(path)).toEqual([adopted, link]));
});

it('say nothing but what is known of them', () => {
  const more = { ...link, addresses: ['172.17.16.3'], ['__proto__']: { mac: 1 } };
  withFile(writePcapng([], [], [more]), (path) => expect(notesIn(path)).toEqual([link]));
});
