import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'
import { sampleItems } from './sample-data.mjs'

const MEASURING_MS = Number(process.env.E2E_TUNING_MS ?? 240_000)
const FILE = 'catalogue.csv'
/** An item without interactions; its id has to survive the way as it is. */
const NEW_ITEM = 'new/film 1'

/** What columns of items mean, what they are worth, and a new item that is recommended by its features. */
export async function features(page, baseUrl, project, key, onStep = () => {}) {
  await upload(page, `${baseUrl}${project}/data`)
  await edit(page, onStep)
  await save(page)
  await measure(page, onStep)
  const seen = { features: new URL(page.url()).pathname }
  await addItem(page, key, onStep)
  return seen
}

async function upload(page, address) {
  const id = (name) => byTestId(page, name)
  await page.goto(address)
  await id('item-file-input').setInputFiles({
    name: FILE,
    mimeType: 'text/csv',
    buffer: Buffer.from(sampleItems()),
  })
  const row = id('item-data-row').filter({ hasText: FILE })
  await row.waitFor()
  // A file that is ready has no badge.
  await row.getByTestId('status').waitFor({ state: 'detached', timeout: 60_000 })
  await id('nav-features').click()
  await page.waitForURL(/\/features$/)
}

const rowOf = (page, column) => page.locator(`[data-testid="feature-row"][data-column="${column}"]`)
const cell = (page, column, testid) => byTestId(rowOf(page, column), testid)

/** Waits for a preview that is newer than a text. */
async function newPreview(page, before) {
  await page.waitForFunction((text) => {
    const pane = document.querySelector('[data-testid="feature-preview"]')
    return pane?.dataset.pending === 'false' && pane.innerText !== text
  }, before)
}

async function edit(page, onStep) {
  const id = (name) => byTestId(page, name)
  await rowOf(page, 'genre').waitFor()
  await id('encoded-item').first().waitFor()
  assert.equal(await cell(page, 'genre', 'kind').inputValue(), 'category')
  assert.match(await cell(page, 'genre', 'reason').innerText(), /^Guessed: /)
  assert.equal(await cell(page, 'title', 'kind').inputValue(), 'text')
  assert.equal(await cell(page, 'year', 'kind').inputValue(), 'number')
  assert.equal(await rowOf(page, 'link').getAttribute('data-used'), 'false')
  assert.match(await cell(page, 'link', 'reason').innerText(), /^Left out: /)
  assert.equal(await id('encoded-item').count(), 5)
  await onStep('features-guessed')

  let before = await id('feature-preview').innerText()
  await cell(page, 'year', 'kind').selectOption('category')
  await newPreview(page, before)
  await cell(page, 'year', 'edit-field').click()
  await id('add-bucket').click()
  before = await id('feature-preview').innerText()
  await id('step-argument').fill('10')
  await newPreview(page, before)
  assert.match(await id('feature-preview').innerText(), /\b19\d0\b/, 'years are decades now')

  before = await id('feature-preview').innerText()
  await id('nearest-item').fill('a/b c')
  await newPreview(page, before)
  await id('nearest').waitFor()
  assert.equal(await id('nearest-row').count(), 10)
  await onStep('features-edited')

  await id('step-argument').fill('0')
  await page.getByRole('alert').filter({ hasText: 'greater than 0' }).waitFor()
  assert.ok(await id('features-save').isDisabled(), 'a mistake cannot be saved')
  await id('step-argument').fill('10')
  await id('nav-overview').click()
  await page.getByRole('button', { name: 'Stay' }).click()
}

async function save(page) {
  const id = (name) => byTestId(page, name)
  await id('set-name').fill('Films')
  await id('features-save').click()
  await page.waitForFunction(
    () => document.querySelector('[data-testid="save-state"]')?.dataset.unsaved === 'false',
  )
  await page.locator('[data-testid="version-row"][data-current="true"]').waitFor()
  assert.match(await id('version-row').first().innerText(), /Films/)
  await page.reload()
  await id('step').waitFor({ state: 'detached' })
  await rowOf(page, 'year').waitFor()
  assert.equal(await cell(page, 'year', 'kind').inputValue(), 'category')
  assert.match(await cell(page, 'year', 'edit-field').innerText(), /Bucket 10/)
}

async function measure(page, onStep) {
  const id = (name) => byTestId(page, name)
  await id('measure-start').click()
  await page.waitForFunction(
    () =>
      ['COMPLETED', 'FAILED'].includes(
        document.querySelector('[data-testid="measure-state"]')?.dataset.status,
      ),
    null,
    { timeout: MEASURING_MS },
  )
  assert.equal(
    await id('measure-state').getAttribute('data-status'),
    'COMPLETED',
    await id('measure').innerText(),
  )
  await id('measure-result').waitFor()
  assert.equal(await id('interval-rows').locator('li').count(), 4)
  assert.match(await cell(page, 'genre', 'worth').innerText(), /^\+\d\.\d{3} ± \d\.\d{3}$/m)
  assert.equal(
    await cell(page, 'genre', 'worth').getAttribute('data-noise'),
    'false',
    'genres say what users like',
  )
  await cell(page, 'title', 'worth').waitFor()
  await onStep('features-measured')
}

/** A model is trained with the current set; then an item is added, and its list has it. */
async function addItem(page, key, onStep) {
  const model = await page.evaluate(async () => {
    const project = Number(location.pathname.split('/')[2])
    const call = async (method, path, body) => {
      const headers = { 'Content-Type': 'application/json' }
      const answer = await fetch(`/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return answer.json()
    }
    const data = (await call('GET', `training_data/?project=${project}`)).results[0]
    const configuration = await call('POST', 'model_configuration/', {
      project,
      recommender_class_name: 'IALSRecommender',
      parameters_json: { alpha0: 0.1 },
    })
    const model = await call('POST', 'trained_model/', { configuration: configuration.id, data_loc: data.id })
    return model.id
  })
  await page.waitForFunction(
    async (model) => {
      const { status } = await (await fetch(`/api/v1/trained_model/${model}/`)).json()
      if (status === 'FAILED') throw new Error('the model could not be trained')
      return status === 'COMPLETED'
    },
    model,
    { timeout: MEASURING_MS, polling: 1_000 },
  )
  const stored = await page.evaluate(async (item) => {
    const project = Number(location.pathname.split('/')[2])
    const url = `/api/v1/item/${encodeURIComponent(item)}/?project=${project}`
    const body = JSON.stringify({ title: 'The Island of July', genre: 'western', year: 1969 })
    const headers = { 'Content-Type': 'application/json' }
    return (await fetch(url, { method: 'PUT', headers, body })).status
  }, NEW_ITEM)
  assert.equal(stored, 202)
  const isListed = async ({ model, key, item }) => {
    const answer = await fetch(`/inference/predict/${model}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-API-Key': key },
      body: JSON.stringify({ user_id: '007', cutoff: 5, allow: [item] }),
    })
    const { items = [] } = answer.ok ? await answer.json() : {}
    return items.some((listed) => listed.item_id === item && listed.cold === true)
  }
  await page.waitForFunction(isListed, { model, key, item: NEW_ITEM }, { timeout: 60_000, polling: 1_000 })
  await onStep('new-item-listed')
}
