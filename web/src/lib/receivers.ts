/** Programs that receive webhooks and check their signatures, ready to run. */
export type Receiver = 'python' | 'node'

const PYTHON = `# pip install standardwebhooks
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["RECOTEM_WEBHOOK_SECRET"])  # whsec_…


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            # Refuses wrong signatures, and messages older than five minutes.
            message = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(400)
        else:
            # A message may arrive twice, with the same id.
            print(self.headers["webhook-id"], message["type"], message["data"])
            self.send_response(204)
        self.end_headers()


ThreadingHTTPServer(("", 8080), Receiver).serve_forever()
`

const NODE = `// npm install standardwebhooks
import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'

const webhook = new Webhook(process.env.RECOTEM_WEBHOOK_SECRET) // whsec_…

createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  try {
    // Refuses wrong signatures, and messages older than five minutes.
    const message = webhook.verify(Buffer.concat(chunks), request.headers)
    // A message may arrive twice, with the same id.
    console.log(request.headers['webhook-id'], message.type, message.data)
    response.writeHead(204).end()
  } catch {
    response.writeHead(400).end()
  }
}).listen(8080)
`

export const RECEIVERS: Record<Receiver, string> = { python: PYTHON, node: NODE }
