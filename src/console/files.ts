/** The page's files, which the build lays beside the program. */
import { existsSync, readFileSync } from 'node:fs';
import { failureOf } from '../base/failure.ts';

/** Where package.json is lies dist/page/; the compiled form of this file is one folder deeper than the source. */
function pageFolder(): URL {
  for (const up of ['../../', '../../../']) {
    const root = new URL(up, import.meta.url);
    if (existsSync(new URL('package.json', root))) return new URL('dist/page/', root);
  }
  throw new PageMissing('the page is not there: this program is incomplete');
}

const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/page.css', 'page.css', 'text/css; charset=utf-8'],
  ['/inter.woff2', 'inter.woff2', 'font/woff2'],
] as const;

class PageMissing extends Error {
  override name = 'PageMissing';
  readonly failure = 'wrong-use';
}

interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

/** By path. Throws PageMissing. */
export function readPage(): ReadonlyMap<string, PageFile> {
  const folder = pageFolder();
  try {
    return new Map(FILES.map(([path, name, type]) => [path, { type, body: readFileSync(new URL(name, folder)) }]));
  } catch (error) {
    if (failureOf(error) === null) throw error;
    throw new PageMissing('the page is not there: it is made by `npm run build`');
  }
}
