/** Where the agent listens, as people write it. */
export type Listen = { readonly unix: string } | { readonly host: string; readonly port: number };

/** `127.0.0.1:9712`, `[::1]:9712`, `localhost:0` or `unix:/path`; null when it is none of them. */
export function parseListen(text: string): Listen | null {
  if (text.startsWith('unix:')) return text.startsWith('unix:/') && text.length < 110 ? { unix: text.slice(5) } : null;
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits ?? Number.NaN);
  const host = bracketed ?? plain;
  return host !== undefined && port <= 65_535 ? { host, port } : null;
}

export function formatListen(listen: Listen): string {
  if ('unix' in listen) return `unix:${listen.unix}`;
  return listen.host.includes(':') ? `[${listen.host}]:${listen.port}` : `${listen.host}:${listen.port}`;
}
