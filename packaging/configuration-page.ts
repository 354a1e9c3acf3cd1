/** The manual page havip-agent.yaml(5), from the chapter on configuration in docs/operating.md: one text for both. */

export function configurationPage(operating: string, version: string): string {
  const [, chapter = ''] = /^## Configuration\n\n(.*?)^## /ms.exec(operating) ?? [];
  return [
    `.TH HAVIP\\-AGENT.YAML 5 "" "havip\\-agent ${roff(version)}" "File Formats"\n`,
    '.SH NAME\nhavip\\-agent.yaml \\- configuration of havip\\-agent\n',
    '.SH DESCRIPTION\n',
    ...blocksOf(chapter).map(blockText),
    '.SH SEE ALSO\n.BR havip\\-agent (8)\n',
  ].join('');
}

/** Paragraphs, and what stands between fences as a whole. */
function blocksOf(markdown: string): string[] {
  return markdown.split(/(^```yaml\n.*?^```$)|\n{2,}/ms).filter((block) => block !== undefined && block.trim() !== '');
}

function blockText(block: string): string {
  const [, code] = /^```yaml\n(.*)\n```$/s.exec(block) ?? [];
  if (code !== undefined) return `.PP\n.EX\n${code.split('\n').map(roff).join('\n')}\n.EE\n`;
  return `.PP\n${roff(block.trim().replaceAll('\n', ' ').replaceAll(/[`*]/g, ''))}\n`;
}

function roff(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replaceAll('→', '\\(->')
    .replace(/^(?=[.'])/, '\\&');
}
