import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'
import { ODD_USER, sampleCsv } from './sample-data.mjs'

const TUNING_MS = Number(process.env.E2E_TUNING_MS ?? 240_000)

/** The whole way of a new user, from login to recommendations. Returns the addresses it has seen. */
export async function journey(page, baseUrl, password, { trials = 15, onStep = () => {} } = {}) {
  const id = (name) => byTestId(page, name)
  const seen = {}
  const step = (name) => {
    seen[name] = new URL(page.url()).pathname
    onStep(name)
  }

  await page.goto(baseUrl)
  await id('login-username').fill('admin')
  await id('login-password').fill('certainly wrong')
  await id('login-submit').click()
  await id('login-error').waitFor()
  await id('login-password').fill(password)
  await id('login-submit').click()
  await page.waitForURL((url) => url.pathname === '/')
  step('projects')

  await id('new-project').first().click()
  await id('project-name').fill(`Films ${Date.now()}`)
  await id('project-time-column').fill('timestamp')
  await id('project-event-column').fill('event')
  await id('project-submit').click()
  await page.waitForURL(/\/projects\/\d+$/)
  await id('step-data').waitFor()
  assert.equal(await id('step-data').getAttribute('data-done'), 'false')
  step('overview')

  await id('step-data-go').click()
  await id('file-input').setInputFiles({
    name: 'ratings.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(sampleCsv()),
  })
  await page.waitForURL(/\/data\/\d+$/)
  await id('data-report').waitFor({ timeout: 60_000 })
  assert.match(await id('report-users').innerText(), /943/)
  assert.match(await id('report-rejected').innerText(), /[12]/)
  await id('preview-table').waitFor()
  assert.equal(await id('event-type').count(), 3)
  assert.match(await id('event-type').first().innerText(), /view/)
  step('data-detail')
  await settings(page, onStep)
  step('settings')
  await page.goto(baseUrl + seen['data-detail'])

  await id('tune-data').click()
  await id('wizard-next').click()
  await chooseOnly(page, [
    'IALSRecommender',
    'CosineKNNRecommender',
    'RP3betaRecommender',
    'TopPopRecommender',
  ])
  await id('search-weights').check()
  await onStep('wizard-algorithms')
  step('tuning-new')
  await id('wizard-next').click()
  await id('scheme-TU').click()
  await onStep('wizard-test')
  await id('wizard-next').click()
  await id('trials').fill(String(trials))
  await id('trials').blur()
  await onStep('wizard-effort')
  await id('wizard-start').click()
  await page.waitForURL(/\/tuning\/\d+$/)
  step('job')
  await watchLive(page, trials, onStep)
  assert.equal(await id('job-search-weights').innerText(), 'Yes')
  assert.match(await id('leaderboard').innerText(), /weight of purchase [\d.]+.*half-life \(days\) [\d.]+/s)

  await id('open-model').click({ timeout: 60_000 })
  await page.waitForURL(/\/models\/\d+$/)
  await byTestId(page, 'model-preview').waitFor({ timeout: 60_000 })
  await preview(page)
  step('model')

  await id('nav-keys').click()
  await id('new-key').first().click()
  await id('key-name').fill('Web shop')
  await id('key-submit').click()
  const key = await id('created-key').innerText()
  assert.match(key, /^rctm_/)
  await onStep('key-created')
  await id('key-stored').click()
  await id('created-key').waitFor({ state: 'detached' })
  await id('key-row').first().waitFor()
  assert.equal(await page.getByText(key.trim()).count(), 0, 'the key is shown once only')
  step('keys')
  return { seen, key: key.trim() }
}

/** What is counted how: kept when it is saved, and only then. */
async function settings(page, onStep) {
  const id = (name) => byTestId(page, name)
  const state = (unsaved) =>
    page.waitForFunction(
      (wanted) => document.querySelector('[data-testid="save-state"]')?.dataset.unsaved === wanted,
      String(unsaved),
    )
  const weight = (event) => page.getByRole('spinbutton', { name: `Weight of “${event}”` })
  await id('nav-settings').click()
  await id('event-proposal').first().waitFor()
  await state(false)
  assert.ok(await id('settings-save').isDisabled())

  await id('settings-name').fill('')
  await id('settings-save').click()
  await page.getByRole('alert').filter({ hasText: 'This field is required.' }).waitFor()
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.testid),
    'settings-name',
    'the mistake has the focus',
  )
  await id('settings-discard').click()
  await state(false)

  await id('event-proposal').filter({ hasText: 'purchase' }).click()
  await weight('purchase').fill('5')
  await id('event-proposal').filter({ hasText: 'view' }).click()
  await weight('view').fill('0.5')
  await id('new-event').fill('refund')
  await id('new-event').press('Enter')
  assert.equal(await id('event-row').count(), 3)
  await page.getByRole('button', { name: /^Remove “refund”/ }).click()
  await id('half-life-switch').locator('input').check()
  await id('half-life').fill('30')
  await id('half-life').blur()
  await id('decay-curve').getByText('30 days').first().waitFor()
  await state(true)
  await onStep('settings-edited')

  await id('nav-overview').click()
  await page.getByRole('button', { name: 'Stay' }).click()
  await id('settings-save').click()
  await state(false)
  await page.reload()
  await id('event-row').first().waitFor()
  assert.equal(await weight('purchase').inputValue(), '5')
  assert.equal(await weight('view').inputValue(), '0.5')
  assert.equal(await id('half-life').inputValue(), '30')
}

async function chooseOnly(page, names) {
  await page.locator('[data-testid^="algorithm-"]').first().waitFor()
  for (const option of await page.locator('[data-testid^="algorithm-"]').all()) {
    const name = (await option.getAttribute('data-testid')).slice('algorithm-'.length)
    if ((await option.locator('input').isChecked()) !== names.includes(name)) await option.click()
  }
}

/** The numbers must move by themselves: the page is never reloaded here. */
async function watchLive(page, trials, onStep) {
  const progress = byTestId(page, 'job-progress')
  const done = async () => Number(await progress.getAttribute('data-done'))
  await page.waitForFunction(
    () => Number(document.querySelector('[data-testid="job-progress"]')?.dataset.done) >= 1,
    null,
    { timeout: TUNING_MS },
  )
  const first = await done()
  await page.waitForFunction(
    () => Number(document.querySelector('[data-testid="trial-chart"]')?.dataset.points) >= 1,
    null,
    { timeout: TUNING_MS },
  )
  await onStep('job-live')
  await page.waitForFunction(
    () =>
      ['COMPLETED', 'FAILED', 'CANCELLED'].includes(
        document.querySelector('[data-testid="job-status"]')?.dataset.status,
      ),
    null,
    { timeout: TUNING_MS },
  )
  assert.equal(await byTestId(page, 'job-status').getAttribute('data-status'), 'COMPLETED')
  assert.equal(await done(), trials)
  assert.ok(first <= trials)
  assert.ok(Number(await progress.getAttribute('data-best')) > 0, 'a best score is shown')
  assert.ok((await byTestId(page, 'trial-row').count()) > 0, 'the leaderboard has rows')
  assert.ok((await byTestId(page, 'log').innerText()).length > 0, 'the log has lines')
}

async function preview(page) {
  const id = (name) => byTestId(page, name)
  await id('preview-user').fill(ODD_USER)
  await id('preview-submit').click()
  await id('recommendation-row').first().waitFor()
  assert.equal(await id('recommendation-row').count(), 10)
  assert.match(await id('curl').innerText(), new RegExp(`"user_id":"${ODD_USER}"`))
  await id('preview-user').fill('nobody')
  await id('preview-submit').click()
  await id('error-notice').waitFor()
  await id('preview-user').fill(ODD_USER)
  await id('preview-submit').click()
  await id('recommendation-row').first().waitFor()
}
