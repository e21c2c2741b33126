import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'

/** What only a server can show that answers predictions: a shadow slot compared with what users get, and a model of sessions. */
export async function predictions(page, baseUrl, project, key, onStep = () => {}) {
  return {
    comparison: await shadow(page, baseUrl, project, key, onStep),
    'session-model': await sessions(page, baseUrl, project, onStep),
  }
}

async function shadow(page, baseUrl, project, key, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(`${baseUrl}${project}/deployments`)
  await id('new-slot').first().click()
  await id('slot-name').fill('Shadow')
  await page.locator('#slot-shadow').check()
  await onStep('new-shadow')
  await id('slot-submit').click()
  await id('slot-row').filter({ hasText: 'Shadow' }).waitFor()
  await id('slot-comparison').click()
  await page.waitForURL(/\/comparison$/)
  await page.getByText('No traffic yet').waitFor()
  await onStep('comparison-empty')

  // A list is logged after it has been answered: visitors come until the first are seen.
  for (let round = 0; ; round++) {
    await visit(page, key)
    await page.reload()
    await byTestId(page, 'page-title').waitFor()
    await page.waitForFunction(() => !document.querySelector('[data-testid="loading"]'))
    if (await id('agreement').isVisible()) break
    assert.ok(round < 20, 'no list was ever compared')
  }
  await id('lists').waitFor()
  return new URL(page.url()).pathname
}

/** Thirty visitors get lists, and every third clicks on the first item. */
async function visit(page, key) {
  const statuses = await page.evaluate(async (key) => {
    const project = Number(location.pathname.split('/')[2])
    const data = (await (await fetch(`/api/v1/training_data/?project=${project}`)).json()).results[0]
    const { rows } = await (await fetch(`/api/v1/training_data/${data.id}/preview/?n_rows=200`)).json()
    const send = (url, headers, body) =>
      fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
    const users = [
      ...new Set(rows.map((row) => String(row[0]))),
      ...[...Array(30).keys()].map((number) => `stranger ${number}`),
    ].slice(0, 30)
    const seen = new Set()
    for (const [number, user_id] of users.entries()) {
      const answered = await send(
        `/inference/predict/project/${project}`,
        { 'X-API-Key': key },
        { user_id, cutoff: 10 },
      )
      seen.add(answered.status)
      const list = await answered.json()
      const click = {
        project,
        deployment_slot: list.slot_id,
        event_type: 'click',
        user_id,
        item_id: list.items[0].item_id,
        recommendation_request_id: list.request_id,
      }
      if (number % 3 === 0) seen.add((await send('/api/v1/conversion_event/', {}, click)).status)
    }
    return [...seen]
  }, key)
  assert.deepEqual(statuses.sort(), [200, 201])
}

async function sessions(page, baseUrl, project, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(`${baseUrl}${project}/models`)
  await id('train-model').first().click()
  await page.locator('#train-configuration').click()
  await page.getByRole('option', { name: /VMISKNN/ }).click()
  await page.getByRole('listbox').waitFor({ state: 'detached' })
  await id('train-parameters').click()
  await onStep('train-sessions')
  await id('train-submit').click()
  await page.waitForURL(/\/models\/\d+$/)
  await id('model-preview').waitFor({ timeout: 60_000 })
  await id('preview-items').fill(['007', 'a/b c'].join('\n'))
  await id('preview-submit').click()
  await id('recommendations').waitFor()
  await onStep('session-answer')

  // What it would have earned from the visitors of before, which it has not learnt from.
  await id('past-estimate').click()
  await id('past-basis').waitFor()
  await id('lists').waitFor()
  await onStep('past-traffic')
  return new URL(page.url()).pathname
}
