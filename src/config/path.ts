/** Where in a configuration something stands. */
export type Path = readonly (string | number)[];
export type Report = (path: Path, message: string) => void;

/** `vpcs[0].havips[1].address` */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}
