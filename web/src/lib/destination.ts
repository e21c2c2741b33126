/** Returns where to go after logging in. Only paths of this site: an address in the link must not lead elsewhere. */
export function destination(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) ? next : '/'
}
