/** One line that asks the inference endpoint, safe to paste whatever the user id holds. */
export function predictCommand(origin: string, model: number, key: string, user: string, cutoff = 10): string {
  const body = JSON.stringify({ user_id: user, cutoff })
  return `curl -X POST ${origin}/inference/predict/${model} -H ${quote(`X-API-Key: ${key}`)} -H 'Content-Type: application/json' -d ${quote(body)}`
}

/** Quotes for a POSIX shell. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
