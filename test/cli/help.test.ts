/** Help, man page and completion are made from one table, and say the same. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Command, readArgs } from '../../src/cli/command.ts';
import { allCommands, commandNamed } from '../../src/cli/commands.ts';
import { flagOf, usageOf } from '../../src/cli/help.ts';
import { runCommand } from './io.ts';

let folder: string;
let commands: Command[];
let manual: string;
let completion: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'havip-help-'));
  commands = await allCommands();
  const help = (await commandNamed('help'))!;
  manual = (await runCommand(help, '--man')).stdout;
  completion = (await runCommand(help, '--completion')).stdout;
  writeFileSync(join(folder, 'completion'), completion);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What bash would offer behind these words, the last of which is begun. */
function offered(...words: string[]): string[] {
  const script = `source "$0"; compopt() { :; }; COMP_WORDS=(havip-agent "$@"); COMP_CWORD=$#; _havip_agent; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const said = execFileSync('bash', ['-uc', script, join(folder, 'completion'), ...words], { encoding: 'utf8' });
  return said.split('\n').filter(Boolean).sort();
}

describe('every option', () => {
  it('is in the help, in the man page and in the completion, and is none that the command does not take', () => {
    const unrolled = manual.replaceAll(String.raw`\-`, '-');
    for (const command of commands) {
      const usage = usageOf(command);
      const section = unrolled.split('\n.SS ').find((text) => /^havip-agent (\S+)/.exec(text)?.[1] === command.name) ?? '';
      const names = Object.keys(command.options);
      for (const [name, option] of Object.entries(command.options)) {
        const flag = flagOf(name, option);
        expect(
          usage.split('\n').some((line) => line.startsWith(`  ${flag}  `)),
          `${command.name} ${flag} in its help`,
        ).toBe(true);
        expect(section).toContain(`\n.B ${flag}\n`);
      }
      expect([...usage.matchAll(/^ {2}--([a-z]+)/gm)].map(([, name]) => name)).toEqual(names);
      expect([...section.matchAll(/^\.B --([a-z]+)/gm)].map(([, name]) => name)).toEqual(names);
      expect(offered(command.name, '--').map((word) => word.replace(/^--|=$/g, ''))).toEqual([...names, 'help'].sort());
      for (const code of Object.values(command.exits)) expect(section.replaceAll('\n', ' ')).toContain(code);
    }
  });

  it('is told in lines that a terminal of 100 columns has', () => {
    for (const command of commands)
      expect(
        usageOf(command)
          .split('\n')
          .filter((line) => line.length > 100),
      ).toEqual([]);
  });

  it('may be one that does not exist: said by name', () => {
    expect(() => readArgs(['--loud'], { quiet: { type: 'boolean', description: '' } })).toThrow("Unknown option '--loud'");
    const options = { state: { type: 'string', description: '', choices: ['up', 'down'] } } as const;
    expect(() => readArgs(['--state', 'left'], options)).toThrow('--state must be up or down, not "left"');
    const positionals = [{ name: 'WHAT', choices: ['add', 'remove'] }];
    expect(() => readArgs(['change'], {}, positionals)).toThrow('WHAT must be add or remove, not "change"');
  });

  it('with a value that it may do without takes it by = alone', () => {
    const options = { watch: { type: 'string', description: '', bare: '2' } } as const;
    expect(readArgs(['--watch'], options).values).toMatchObject({ watch: '2' });
    expect(readArgs(['--watch=5'], options).values).toMatchObject({ watch: '5' });
  });
});

describe('the completion', () => {
  it('offers commands, few values, files and interfaces', () => {
    expect(offered('')).toEqual([...commands.map(({ name }) => name), '--help', '--version'].sort());
    expect(offered('st')).toEqual(['status']);
    expect(offered('status', '--state', '')).toEqual(['bound', 'contested', 'provisional', 'unbound']);
    expect(offered('run', '--config', join(folder, 'comp'))).toEqual([join(folder, 'completion')]);
    expect(offered('check', join(folder, 'comp'))).toEqual([join(folder, 'completion')]);
    expect(offered('explain', '--port', 'l')).toContain('lo');
    expect(offered('status', '--http', '')).toEqual([]);
    expect(offered('help', 're')).toEqual(['record', 'replay']);
  });
});

describe('the man page', () => {
  it('has all commands, and man has nothing to say of it', () => {
    for (const { name } of commands) expect(manual).toContain(`\n.SS havip\\-agent ${name}`);
    const { error, stdout, stderr } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-'], {
      input: manual,
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '80' },
    });
    if (error !== undefined) return console.warn('man-db is not installed: the man page is not formatted here');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/--wait\[=SECONDS\]/);
  });
});

describe('help', () => {
  it('of a command is what its --help says, and of none a line', async () => {
    const help = (await commandNamed('help'))!;
    for (const command of commands)
      expect(await runCommand(help, command.name)).toEqual({ exitCode: 0, stdout: usageOf(command), stderr: '' });
    expect((await runCommand(help)).stdout).toMatch(/^usage: havip-agent COMMAND/);
    expect(await runCommand(help, 'fly')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('"fly"') as string });
  });
});
