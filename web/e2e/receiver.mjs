import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const base64 = (secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64')

/** Returns how many of a delivery's signatures were made with one of these secrets, as Standard Webhooks describes them. */
export function signaturesOf({ headers, body }, secrets) {
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const wanted = secrets.map((secret) => createHmac('sha256', base64(secret)).update(text).digest())
  return String(headers['webhook-signature'])
    .split(' ')
    .map((part) => Buffer.from(part.replace(/^v1,/, ''), 'base64'))
    .filter((made) => wanted.some((own) => own.length === made.length && timingSafeEqual(own, made))).length
}

/**
 * A server of someone who receives webhooks: keeps what it gets, and answers with a status that can be changed. It also shows a
 * page, if it has one.
 */
export async function startReceiver() {
  const deliveries = []
  const waiting = []
  const receiver = { status: 204, deliveries, page: '' }
  const server = createServer(async (request, response) => {
    if (request.method === 'GET')
      return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(receiver.page)
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    response.writeHead(receiver.status).end(receiver.status < 300 ? '' : 'The shop is closed.')
    deliveries.push({ headers: request.headers, body, message: JSON.parse(body) })
    for (const look of waiting) look()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  receiver.origin = `http://127.0.0.1:${server.address().port}`
  receiver.url = `${receiver.origin}/recotem`

  /** Waits for a delivery, among those that have come already, too. */
  receiver.delivery = (what, matches) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no delivery of ${what}`)), 60_000)
      const look = () => {
        const found = deliveries.find(matches)
        if (!found) return
        clearTimeout(timer)
        resolve(found)
      }
      waiting.push(look)
      look()
    })
  receiver.stop = () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve)))
  return receiver
}
