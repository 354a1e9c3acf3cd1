/**
 * The completion of bash, from the commands' tables: commands, options, and the values of those that have few, or are files or interfaces.
 */
import type { Command, OptionSpec } from './command.ts';

export function completionScript(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const cases = commands.map(
    (command) => `    ${command.name})
      options='${[...Object.entries(command.options).map(([name, { bare }]) => `--${name}${bare === undefined ? '' : '='}`), '--help'].join(' ')}'
      words='${wordsOf(command, names)}'
      files=${takesFile(command) ? 'yes' : ''}
      ;;`,
  );
  return `# bash completion of havip-agent, made from its tables of options by \`havip-agent help --completion\`
_havip_agent() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} options words files
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W '${names} --help --version' -- "$current")
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) return ;;
  esac
  # What an option's value may be.
  case \${COMP_WORDS[1]}:$previous in
${valueCases(commands).join('\n')}
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    [[ \${COMPREPLY[0]-} == *= ]] && compopt -o nospace
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; [[ -z $files ]] || compgen -f -- "$current")
    [[ -z $files ]] || compopt -o filenames
  fi
}
complete -F _havip_agent havip-agent
`;
}

function wordsOf({ name, positionals = [] }: Command, names: string): string {
  return name === 'help' ? names : positionals.flatMap(({ choices = [] }) => choices).join(' ');
}

function takesFile({ positionals = [] }: Command): boolean {
  return positionals.some(({ name }) => name === 'FILE');
}

function valueCases(commands: readonly Command[]): string[] {
  return commands.flatMap(({ name, options }) =>
    Object.entries(options).flatMap(([option, spec]) => {
      const values = valuesOf(spec);
      return values === null ? [] : [`    ${name}:--${option}) ${values}; return ;;`];
    }),
  );
}

/** null: it has no value, or one that it may do without and that `=` joins. */
function valuesOf({ type, value, choices, bare }: OptionSpec): string | null {
  if (type === 'boolean' || bare !== undefined) return null;
  if (choices !== undefined) return offer(`compgen -W '${choices.join(' ')}'`);
  if (value === 'FILE') return `compopt -o filenames; ${offer('compgen -f')}`;
  if (value === 'INTERFACE') return offer('compgen -W "$(ls /sys/class/net)"');
  return 'COMPREPLY=()';
}

function offer(list: string): string {
  return `mapfile -t COMPREPLY < <(${list} -- "$current")`;
}
