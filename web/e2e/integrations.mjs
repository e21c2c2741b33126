import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'
import { signaturesOf, startReceiver } from './receiver.mjs'

const TRAINING_MS = Number(process.env.E2E_TUNING_MS ?? 240_000)
/** The counts of an app are written every ten seconds. */
const COUNTING_MS = 45_000

/**
 * An app asks for recommendations with its own key; a server of the shop gets signed messages; the bell shows what happened. The
 * server has to accept receivers on this machine: outbound.allow_networks and outbound.allow_http.
 */
export async function integrations(page, baseUrl, project, onStep = () => {}) {
  const receiver = await startReceiver()
  try {
    const list = `${project}/integrations`
    await page.goto(baseUrl + project)
    await byTestId(page, 'nav-integrations').click()
    await page.waitForURL(/\/integrations$/)
    await byTestId(page, 'empty-state').nth(1).waitFor()
    await onStep('integrations-empty')
    const key = await registerApp(page, baseUrl, project, onStep)
    const secrets = [await addWebhook(page, receiver, onStep)]
    const webhook = new URL(page.url()).pathname
    await sendTest(page, receiver, secrets, onStep)
    secrets.push(await rotate(page, receiver, secrets, onStep))
    await sendAgain(page, receiver, onStep)
    await fail(page, receiver, onStep)
    await notifyOfModel(page, receiver, secrets, onStep)
    await switchOffAndOn(page, baseUrl + webhook, onStep)
    await disableApp(page, baseUrl, project, key, onStep)
    return { integrations: list, webhook }
  } finally {
    await receiver.stop()
  }
}

const ask = (baseUrl, project, key) =>
  fetch(`${baseUrl}/inference/predict/project/${project.split('/')[2]}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': key },
    body: JSON.stringify({ user_id: '007', cutoff: 5 }),
  })

async function registerApp(page, baseUrl, project, onStep) {
  const id = (name) => byTestId(page, name)
  await id('new-app').click()
  await id('app-name').fill('Web shop')
  await id('app-origins').fill('https://shop.example.com/basket')
  await id('app-submit').click()
  await page.getByRole('alert').filter({ hasText: 'is not an origin' }).waitFor()
  await id('app-origins').fill('https://shop.example.com')
  await id('app-submit').click()
  const key = (await id('app-key').innerText()).trim()
  assert.match(key, /^rctm_/)
  assert.ok((await id('app-curl').innerText()).includes(key), 'the command has the key')
  await onStep('app-key')
  await id('app-key-copy').click()
  await id('app-key-stored').click()
  await id('app-key').waitFor({ state: 'detached' })
  assert.equal(await page.getByText(key).count(), 0, 'the key is shown once only')
  for (let request = 0; request < 3; request += 1)
    assert.equal((await ask(baseUrl, project, key)).status, 200, 'the key of the app is accepted')
  return key
}

async function addWebhook(page, receiver, onStep) {
  const id = (name) => byTestId(page, name)
  await id('new-webhook').click()
  await id('webhook-url').fill('https://127.0.0.1/')
  await id('topics-some').click()
  await onStep('new-webhook')
  await id('webhook-submit').click()
  await page.getByRole('alert').filter({ hasText: 'Select at least one topic.' }).waitFor()
  await id('topics-all').click()
  await id('webhook-url').fill(receiver.url)
  await id('webhook-description').fill('Receiver of the browser test')
  await id('webhook-submit').click()
  const secret = (await id('webhook-secret').innerText()).trim()
  assert.match(secret, /^whsec_/)
  await onStep('webhook-secret')
  await id('webhook-secret-copy').click()
  await id('webhook-secret-stored').click()
  await page.waitForURL(/\/webhooks\/\d+$/)
  await id('webhook-health').waitFor()
  assert.equal(await id('webhook-health').getAttribute('data-health'), 'untried')
  return secret
}

const isTest = ({ message }) => message.type === 'webhook.test'
/** Waits until as many messages as there should be are delivered. */
const delivered = (page, count) =>
  page.waitForFunction(
    (wanted) =>
      document.querySelectorAll('[data-testid="message-row"][data-state="delivered"]').length >= wanted,
    count,
    { timeout: 60_000 },
  )
const health = (page, wanted) =>
  page.waitForFunction(
    (state) => document.querySelector('[data-testid="webhook-health"]')?.dataset.health === state,
    wanted,
    { timeout: 60_000 },
  )

async function sendTest(page, receiver, secrets, onStep) {
  await byTestId(page, 'send-test').click()
  const delivery = await receiver.delivery('the test', isTest)
  assert.equal(signaturesOf(delivery, secrets), 1)
  await delivered(page, 1)
  await health(page, 'healthy')
  await onStep('webhook-tested')
}

async function choose(page, label) {
  await byTestId(page, 'webhook-actions').click()
  await page.getByRole('menuitem', { name: label }).click()
}

async function rotate(page, receiver, secrets, onStep) {
  const id = (name) => byTestId(page, name)
  await choose(page, 'New secret')
  await id('confirm-accept').click()
  const secret = (await id('webhook-secret').innerText()).trim()
  assert.ok(!secrets.includes(secret))
  await id('webhook-secret-copy').click()
  await id('webhook-secret-stored').click()
  await id('overlap').waitFor()
  const before = receiver.deliveries.length
  await id('send-test').click()
  const delivery = await receiver.delivery(
    'the test after rotation',
    (each) => isTest(each) && receiver.deliveries.indexOf(each) >= before,
  )
  assert.equal(signaturesOf(delivery, [secret]), 1, 'the new secret signs')
  assert.equal(signaturesOf(delivery, secrets), 1, 'the former secret signs, too')
  await delivered(page, 2)
  await onStep('webhook-rotated')
  return secret
}

async function sendAgain(page, receiver, onStep) {
  const id = (name) => byTestId(page, name)
  const first = receiver.deliveries[0]
  await id('message-row').last().getByRole('button').click()
  await id('message-try').waitFor()
  assert.match(await id('message-payload').innerText(), /webhook\.test/)
  await id('retry-message').click()
  await receiver.delivery(
    'the message that is sent again',
    (each) => each !== first && each.headers['webhook-id'] === first.headers['webhook-id'],
  )
  await id('message-try').nth(1).waitFor()
  await onStep('webhook-message')
  await page.keyboard.press('Escape')
  await id('message-detail').waitFor({ state: 'detached' })
}

async function fail(page, receiver, onStep) {
  const id = (name) => byTestId(page, name)
  receiver.status = 500
  await id('send-test').click()
  await health(page, 'failing')
  await id('webhook-state').waitFor()
  await onStep('webhook-failing')
  receiver.status = 204
  // While the picture was taken the first pause may have passed, and the second one is minutes.
  await id('message-row').first().getByRole('button').click()
  await id('message-try').first().waitFor()
  await id('retry-message').click()
  await delivered(page, 3)
  await health(page, 'healthy')
  await page.keyboard.press('Escape')
  await id('message-detail').waitFor({ state: 'detached' })
}

/** A model is trained: the receiver is notified, and the bell shows it. */
async function notifyOfModel(page, receiver, secrets, onStep) {
  const id = (name) => byTestId(page, name)
  const model = await page.evaluate(async () => {
    const project = Number(location.pathname.split('/')[2])
    const call = async (method, path, body) => {
      const headers = { 'Content-Type': 'application/json' }
      const answer = await fetch(`/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return answer.json()
    }
    const ready = (row) => row.status === 'ready'
    const data = (await call('GET', `training_data/?project=${project}`)).results.find(ready)
    const configuration = await call('POST', 'model_configuration/', {
      project,
      recommender_class_name: 'TopPopRecommender',
      parameters_json: {},
    })
    return (await call('POST', 'trained_model/', { configuration: configuration.id, data_loc: data.id })).id
  })
  await page.waitForFunction(
    async (model) => (await (await fetch(`/api/v1/trained_model/${model}/`)).json()).status === 'COMPLETED',
    model,
    { timeout: TRAINING_MS, polling: 1_000 },
  )
  const delivery = await receiver.delivery('model.trained', ({ message }) => message.type === 'model.trained')
  assert.equal(signaturesOf(delivery, secrets), 2)
  await page.waitForFunction(
    async () => {
      const { results } = await (await fetch('/api/v1/notification/')).json()
      return results[0]?.topic === 'model.trained'
    },
    null,
    { polling: 500 },
  )
  await page.reload()
  await page.locator('[data-testid="bell"]:not([data-unread="0"])').click()
  const news = id('notification').first()
  await news.waitFor()
  assert.equal(await news.getAttribute('data-topic'), 'model.trained')
  await onStep('bell')
  await news.getByRole('link').click()
  await page.waitForURL(new RegExp(`/models/${model}$`))
  await page.locator('[data-testid="bell"][data-unread="0"]').waitFor()
}

async function switchOffAndOn(page, address, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(address)
  await id('webhook-actions').waitFor()
  await choose(page, 'Switch off')
  await id('confirm-accept').click()
  await id('switch-on').waitFor()
  assert.ok(await id('send-test').isDisabled(), 'nothing is sent while it is off')
  await onStep('webhook-off')
  await id('switch-on').click()
  await health(page, 'healthy')
  await choose(page, 'Replay')
  await id('replay-submit').click()
  await page.getByText(/\d+ messages are sent again/).waitFor()
}

async function disableApp(page, baseUrl, project, key, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(`${baseUrl}${project}/integrations`)
  await page.waitForFunction(
    async () => {
      const project = Number(location.pathname.split('/')[2])
      const { results } = await (await fetch(`/api/v1/app/?project=${project}`)).json()
      return results[0]?.requests_30_days >= 3
    },
    null,
    { timeout: COUNTING_MS, polling: 1_000 },
  )
  await page.reload()
  await id('app-requests').filter({ hasText: /[3-9]/ }).waitFor()
  await onStep('integrations')
  await id('app-actions').click()
  await page.getByRole('menuitem', { name: 'Disable' }).click()
  await id('confirm-accept').click()
  await id('app-card').locator('[data-status="disabled"]').waitFor()
  assert.equal((await ask(baseUrl, project, key)).status, 401, 'the key of a disabled app is refused')
  await id('app-actions').click()
  await page.getByRole('menuitem', { name: 'Enable' }).click()
  await id('confirm-accept').click()
  const fresh = (await id('app-key').innerText()).trim()
  await id('app-key-copy').click()
  await id('app-key-stored').click()
  assert.notEqual(fresh, key)
  assert.equal((await ask(baseUrl, project, fresh)).status, 200, 'the new key is accepted')
}
