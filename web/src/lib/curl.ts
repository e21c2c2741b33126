/** One line that asks the inference endpoint, safe to paste whatever the user id holds. */
export function predictCommand(origin: string, model: number, key: string, user: string, cutoff = 10): string {
  const body = JSON.stringify({ user_id: user, cutoff })
  return `curl -X POST ${origin}/inference/predict/${model} -H ${quote(`X-API-Key: ${key}`)} -H 'Content-Type: application/json' -d ${quote(body)}`
}

/** The same without naming a model: the project's slots decide which one answers. */
export function projectPredictCommand(origin: string, project: number, user: string, cutoff = 10): string {
  const body = JSON.stringify({ user_id: user, cutoff })
  return `curl -X POST ${origin}/inference/predict/project/${project} -H 'X-API-Key: rctm_…' -H 'Content-Type: application/json' -d ${quote(body)}`
}

/** Quotes for a POSIX shell. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
