/** What messages show of a configuration file: enough to find the place, never the file. It may be the wrong one, and secret. */

/** Of one mistake. */
const MOST = 200;
/** Of one value. */
const VALUE_MOST = 100;

/** A value in a message. */
export function echoed(text: string): string {
  return text.length <= VALUE_MOST ? text : `${text.slice(0, VALUE_MOST - 20)}... (${text.length} characters)`;
}

/** A whole message: values in quotes are cut, and then the rest. */
export function clipped(message: string): string {
  if (message.length <= MOST) return message;
  const shorter = message.replaceAll(/"[^"]{101,}"/g, (value) => `"${echoed(value.slice(1, -1))}"`);
  return shorter.length <= 3 * MOST ? shorter : `${shorter.slice(0, MOST / 2)} ... ${shorter.slice(-MOST / 2)}`;
}
