/** The same journey against the stand-in server, on the built interface: `npm run build && npm run e2e:mock`. */
import { startMock } from './mock-server.mjs'
import { run } from './run.mjs'

const mock = await startMock()
try {
  await run(mock.url, mock.password, { predicts: false })
} finally {
  mock.stop()
}
process.exit(0)
