import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'
import { sampleCsv, sampleItems } from './sample-data.mjs'

const RUN_MS = Number(process.env.E2E_TUNING_MS ?? 240_000)
const ITEM_TITLE = /^The \w+ of \w+ \d+$/

/** From two files to a list that answers a click: by mouse in English, then by keyboard in Japanese. */
export async function studio(page, baseUrl, onStep = () => {}) {
  await dropFiles(page, baseUrl, onStep)
  const run = await watchRun(page, onStep)
  await tryIt(page, onStep)
  await snippets(page, onStep)
  const shop = await shopping(page, onStep)
  await byKeyboard(page, baseUrl + run, onStep)
  return { studio: '/studio', 'studio-run': run, 'demo-shop': shop }
}

const csv = (name, text) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) })
const row = (page, file, column) =>
  byTestId(page, `mapping-${file}`).locator(`[data-testid="mapping-row"][data-column="${column}"]`)
const roleOf = (page, file, column) => row(page, file, column).getAttribute('data-role')

async function dropFiles(page, baseUrl, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(baseUrl)
  await id('go-studio').click()
  await page.waitForURL(/\/studio$/)
  assert.ok(await id('studio-submit').isDisabled(), 'there is nothing to start with yet')
  await onStep('studio-empty')

  // One is dropped on the page, the other one chosen.
  const dropped = await page.evaluateHandle(
    ([name, text]) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([text], name, { type: 'text/csv' }))
      return transfer
    },
    ['ratings.csv', sampleCsv()],
  )
  for (const event of ['dragenter', 'dragover', 'drop'])
    await page.dispatchEvent('main', event, { dataTransfer: dropped })
  await row(page, 'interactions', 'user_id').waitFor()
  await id('studio-file-input').setInputFiles(csv('films.csv', sampleItems()))
  await row(page, 'items', 'item_id').waitFor()
  assert.equal(await roleOf(page, 'interactions', 'user_id'), 'user_id')
  assert.equal(await roleOf(page, 'interactions', 'item_id'), 'item_id')
  assert.equal(await roleOf(page, 'interactions', 'timestamp'), 'time')
  assert.equal(await roleOf(page, 'items', 'title'), 'title')
  assert.equal(await roleOf(page, 'items', 'genre'), 'feature')
  await onStep('studio-mapping')

  const user = byTestId(row(page, 'interactions', 'user_id'), 'role')
  await user.selectOption('item_id')
  assert.equal(await id('mapping-mistake').count(), 2, 'no user, and two items')
  assert.ok(await id('studio-submit').isDisabled(), 'a mistake cannot start')
  await user.selectOption('user_id')
  await id('mapping-mistake').first().waitFor({ state: 'detached' })
  await id('studio-name').fill(`Studio ${Date.now()}`)
  await page.locator('#studio-budget').click()
  await page.getByRole('option', { name: '15 seconds' }).click()
}

async function watchRun(page, onStep) {
  const id = (name) => byTestId(page, name)
  await id('studio-submit').click()
  await page.waitForURL(/\/studio\/\d+$/)
  await page
    .locator('[data-testid="run-stage"][data-stage="reading"][data-state="done"]')
    .waitFor({ timeout: RUN_MS })
  await onStep('studio-running')
  // A run goes on without its page.
  await page.reload()
  await page.waitForFunction(
    () =>
      ['ready', 'failed', 'cancelled'].includes(
        document.querySelector('[data-testid="run-stages"]')?.dataset.state,
      ),
    null,
    { timeout: RUN_MS },
  )
  const state = await id('run-stages').getAttribute('data-state')
  assert.equal(state, 'ready', await id('run-stages').innerText())
  assert.ok(['times', 'timesAsWell'].includes(await id('run-result').getAttribute('data-quality')))
  assert.match(await id('quality').innerText(), /\d.* as a list of best-sellers/)
  if (await id('make-key').isVisible()) await id('make-key').click()
  return new URL(page.url()).pathname
}

async function tryIt(page, onStep) {
  const id = (name) => byTestId(page, name)
  const tab = (name) => id('try-it').getByRole('button', { name, exact: true })
  await id('list-row').first().waitFor()
  assert.equal(await id('list-row').count(), 10)
  assert.match((await id('list-row').first().innerText()).split('\n')[1], ITEM_TITLE, 'titles are shown')
  await onStep('studio-ready')

  const before = await id('list').innerText()
  await id('try-user').fill('007')
  await id('try-user').press('Enter')
  await page.waitForFunction(
    (text) => document.querySelector('[data-testid="list"]')?.innerText !== text,
    before,
  )

  await tab('Item').click()
  await id('try-item').fill('the island of')
  const option = id('picker-option').first()
  await option.waitFor()
  assert.match(await option.innerText(), /The Island of/)
  const item = await option.getAttribute('data-id')
  await option.click()
  assert.equal(await id('try-item').inputValue(), item)
  await page.getByText('Goes with the item').waitFor()

  await tab('History').click()
  await id('try-history').fill('a/b c')
  await id('try-history').press('Enter')
  await id('history-item').first().waitFor()
  await id('list-row').first().waitFor()
  await tab('User').click()
  await id('list-row').first().waitFor()
}

async function snippets(page, onStep) {
  const id = (name) => byTestId(page, name)
  const parts = { curl: 'curl', javascript: 'fetch', python: 'urllib', php: '<?php', go: 'package main' }
  for (const [language, part] of Object.entries(parts)) {
    await id(`snippet-${language}`).click()
    const text = await id('snippet').innerText()
    for (const expected of [part, 'rctm_', '007', '/inference/predict/project/'])
      assert.ok(text.includes(expected), `${language} has ${expected}`)
  }
  await onStep('studio-snippet')
}

const cards = (page, shelf) => byTestId(byTestId(page, `shelf-${shelf}`), 'shop-card')
const idsOf = (page, shelf) => cards(page, shelf).evaluateAll((rows) => rows.map((row) => row.dataset.id))
const listChanges = (page, shelf, before) =>
  page.waitForFunction(
    ([name, ids]) => {
      const found = document.querySelectorAll(
        `[data-testid="shelf-${name}"] .cards:not(.opacity-50) [data-testid="shop-card"]`,
      )
      return found.length > 0 && [...found].map((row) => row.dataset.id).join() !== ids
    },
    [shelf, before.join()],
  )

async function shopping(page, onStep) {
  const id = (name) => byTestId(page, name)
  await id('open-demo').click()
  await page.waitForURL(/\/demo\/\d+/)
  await cards(page, 'for-you').first().waitFor()
  await id('new-visitor').click()
  await page.waitForURL(/user=visitor/)
  await page.getByText('what most people choose').waitFor()
  await onStep('demo-shop')

  const before = await idsOf(page, 'for-you')
  const clicked = page.waitForResponse((answer) => answer.url().endsWith('/conversion_event/'))
  const chosen = cards(page, 'for-you').nth(2)
  const item = await chosen.getAttribute('data-id')
  await chosen.click()
  assert.equal((await clicked).status(), 201)
  assert.equal(await id('shop-item').getAttribute('data-id'), item)
  await page.getByRole('heading', { name: /^Because you looked at/ }).waitFor()
  await listChanges(page, 'for-you', before)
  const after = await idsOf(page, 'for-you')
  assert.ok(!after.includes(item), 'what was looked at is not recommended again')
  await onStep('demo-clicked')

  await id('shop-search').fill('harbour')
  await cards(page, 'search').first().filter({ hasText: 'Harbour' }).waitFor()
  const file = page.waitForEvent('download')
  await id('download-shop').click()
  assert.equal((await file).suggestedFilename(), 'demo-shop.html')
  await id('shop-search').fill('')
  await cards(page, 'for-you').first().waitFor()
  return new URL(page.url()).pathname
}

/** Presses Tab until a part of the page has the focus. */
async function tabTo(page, testid) {
  for (let press = 0; press < 80; press += 1) {
    if (await page.evaluate((name) => document.activeElement?.dataset.testid === name, testid)) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`${testid} is not reached by Tab`)
}

async function byKeyboard(page, address, onStep) {
  const id = (name) => byTestId(page, name)
  const speak = (language) =>
    page.evaluate((locale) => localStorage.setItem('recotem.locale', locale), language)
  await speak('ja')
  await page.goto(address)
  await id('list-row').first().waitFor()
  assert.match(await id('quality').innerText(), /人気順の .* 倍/)
  await tabTo(page, 'try-user')
  await page.keyboard.press('Home')
  await page.keyboard.press('Shift+End')
  await page.keyboard.type('1')
  await id('picker-option').first().waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await id('list-row').first().waitFor()
  await tabTo(page, 'snippet-curl')
  await page.keyboard.press('ArrowRight')
  await page.waitForFunction(() => document.activeElement?.dataset.testid === 'snippet-javascript')
  assert.match(await id('snippet').innerText(), /await fetch/)
  await onStep('studio-ready-ja')

  await page.evaluate(() => document.activeElement.blur())
  await page.locator('#content').focus()
  await tabTo(page, 'open-demo')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/demo\/\d+/)
  await cards(page, 'for-you').first().waitFor()
  await tabTo(page, 'shop-card')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /を見たあなたへ$/ }).waitFor()
  await onStep('demo-clicked-ja')
  await speak('en')
}
