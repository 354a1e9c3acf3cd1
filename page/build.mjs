/** Makes dist/page/ of page/: one script, one style sheet, one font, the document. Part of `npm run build`. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here('../dist/page');
mkdirSync(out, { recursive: true });
await build({
  entryPoints: [here('main.ts')],
  outfile: `${out}/page.js`,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  legalComments: 'eof',
  logLevel: 'warning',
});
await build({
  entryPoints: [here('page.css')],
  outfile: `${out}/page.css`,
  bundle: true,
  minify: true,
  external: ['/inter.woff2'],
  logLevel: 'warning',
});
copyFileSync(here('index.html'), `${out}/index.html`);
// Latin, all weights, 48 kB: the page looks the same on each wall. SIL Open Font License 1.1.
copyFileSync(
  fileURLToPath(import.meta.resolve('@fontsource-variable/inter/files/inter-latin-wght-normal.woff2')),
  `${out}/inter.woff2`,
);
