// Receives webhook messages, and verifies each with the package `standardwebhooks`. Its secret is the first line of the standard
// input. Prints its address, and then the id and the verdict of each message.
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { Webhook } from 'standardwebhooks'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    let verdict = 'valid'
    try {
      webhook.verify(Buffer.concat(chunks), request.headers)
    } catch (error) {
      verdict = error.message
    }
    console.log(`${request.headers['webhook-id']} ${verdict}`)
    response.writeHead(verdict === 'valid' ? 204 : 400).end()
  })
})
let webhook
server.listen(0, '127.0.0.1', async () => {
  console.log(`http://127.0.0.1:${server.address().port}/hook`)
  for await (const secret of lines) webhook = new Webhook(secret)
})
