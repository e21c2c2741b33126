/** Returns a command line that queries the inference endpoint, safe to paste with any user id. */
export function predictCommand(
  origin: string,
  model: number,
  key: string,
  user: string,
  cutoff = 10,
): string {
  const body = JSON.stringify({ user_id: user, cutoff })
  return `curl -X POST ${origin}/inference/predict/${model} -H ${quote(`X-API-Key: ${key}`)} -H 'Content-Type: application/json' -d ${quote(body)}`
}

/** Returns a command line that asks for the next items in a session, given first item to last. */
export function nextCommand(
  origin: string,
  model: number,
  key: string,
  session: string[],
  cutoff = 10,
): string {
  const body = JSON.stringify({ session, cutoff })
  return `curl -X POST ${origin}/inference/next/${model} -H ${quote(`X-API-Key: ${key}`)} -H 'Content-Type: application/json' -d ${quote(body)}`
}

/** Returns a command line for a user without a model: the project's slots decide which one answers. */
export function projectPredictCommand(
  origin: string,
  project: number,
  user: string,
  { key = 'rctm_…', cutoff = 10 } = {},
): string {
  const body = JSON.stringify({ user_id: user, cutoff })
  return `curl -X POST ${origin}/inference/predict/project/${project} -H ${quote(`X-API-Key: ${key}`)} -H 'Content-Type: application/json' -d ${quote(body)}`
}

/** Quotes a text for a POSIX shell. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
