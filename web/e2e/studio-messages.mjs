import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'
import { signaturesOf } from './receiver.mjs'

/** While a run goes on, registers a webhook at its project. Ends on the page of the run. */
export async function connect(page, hands, { receiver, name, run }) {
  const card = byTestId(page, 'project-card').filter({ hasText: name })
  await hands.press('nav-projects')
  await hands.press(card.getByRole('link'))
  await hands.press('nav-integrations')
  await page.waitForURL(/\/integrations$/)
  const project = Number(new URL(page.url()).pathname.split('/')[2])
  const secret = await addWebhook(page, hands, receiver, 'studio.ready')
  assert.equal(await stateOf(page, run), 'running', 'the webhook was registered before the end of the run')
  await hands.press('nav-studio')
  await hands.press(byTestId(page, 'run-row').filter({ hasText: name }).getByRole('link'))
  await page.waitForURL((url) => url.pathname === run)
  return { project, secret }
}

const stateOf = (page, run) =>
  page.evaluate(async (path) => (await (await fetch(`/api/v1${path}/`)).json()).state, run)

/** From the demo shop, registers an app with a key for the pages of the shop, and a webhook for the lists that they get. */
export async function connectShop(page, hands, receiver, project) {
  await hands.press('leave-demo')
  await hands.press('nav-integrations')
  await hands.press('new-app')
  await hands.type('app-name', 'Shop')
  await hands.type('app-origins', receiver.origin)
  await hands.press('app-submit')
  const key = (await byTestId(page, 'app-key').innerText()).trim()
  await hands.press('app-key-copy')
  await hands.press('app-key-stored')
  await byTestId(page, 'app-key').waitFor({ state: 'detached' })
  const secret = await addWebhook(page, hands, receiver, 'recommendation.served')
  return { project, secret, key }
}

async function addWebhook(page, hands, receiver, topic) {
  await hands.press('new-webhook')
  await hands.type('webhook-url', receiver.url)
  await hands.switchTo('topics-all', 'topics-some')
  await hands.tick(`topic-${topic}`)
  await hands.press('webhook-submit')
  const secret = (await byTestId(page, 'webhook-secret').innerText()).trim()
  await hands.press('webhook-secret-copy')
  await hands.press('webhook-secret-stored')
  await page.waitForURL(/\/webhooks\/\d+$/)
  return secret
}

function isSigned(delivery, secret) {
  assert.equal(signaturesOf(delivery, [secret]), 1, 'the message is signed')
  assert.equal(signaturesOf(delivery, [`whsec_${'A'.repeat(32)}`]), 0, 'another secret does not fit')
  const age = Date.now() / 1000 - Number(delivery.headers['webhook-timestamp'])
  assert.ok(Math.abs(age) < 300, 'its time is the present one')
}

export async function toldOfTheRun(receiver, { project, secret }, run) {
  const delivery = await receiver.delivery('studio.ready', ({ message }) => message.type === 'studio.ready')
  isSigned(delivery, secret)
  assert.equal(delivery.message.data.project, project)
  assert.equal(`/studio/${delivery.message.data.studio}`, run)
}

/** The message about a list says what the shop was answered. */
export async function toldOfTheList(receiver, { project, secret }, list) {
  const entry = (message) => message.data.answers?.find((answer) => answer.request_id === list.request_id)
  const delivery = await receiver.delivery('the list', ({ message }) => !!entry(message))
  isSigned(delivery, secret)
  assert.equal(delivery.message.type, 'recommendation.served')
  assert.equal(delivery.message.data.project, project)
  assert.deepEqual(
    entry(delivery.message).items,
    list.items.map((item) => item.item_id),
  )
}
