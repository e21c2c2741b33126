/** Returns the lines of a text box that say something. */
export const linesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** Returns whether a text is an origin as browsers send it: a scheme, a host and perhaps a port, and nothing else. */
export function isOrigin(text: string): boolean {
  try {
    const url = new URL(text)
    return ['https:', 'http:'].includes(url.protocol) && url.origin === text.toLowerCase()
  } catch {
    return false
  }
}

/** Returns whether a text is an address to which messages can be sent. The server judges the rest. */
export function isWebAddress(text: string): boolean {
  try {
    return ['https:', 'http:'].includes(new URL(text).protocol)
  } catch {
    return false
  }
}
