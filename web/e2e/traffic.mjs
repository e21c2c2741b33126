import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'

const ITEMS = ['item_id,title,genre,year,director,country,length', 'a/b c,Ran,drama,1985,Akira Kurosawa,Japan,162', '007,Goldfinger,action,1964,Guy Hamilton,UK,110', 'Sigur Rós,Heima,documentary,2007,Dean DeBlois,Iceland,97'].join('\n')

/** What answers requests, in a project that has a model: item titles, slots, a test between them, retraining. */
export async function traffic(page, baseUrl, project, onStep = () => {}) {
  const id = (name) => byTestId(page, name)
  const seen = { deployments: `${project}/deployments`, 'ab-tests': `${project}/ab-tests`, retraining: `${project}/retraining`, data: `${project}/data` }

  await page.goto(`${baseUrl}${project}/data`)
  await id('item-file-input').setInputFiles({ name: 'films.csv', mimeType: 'text/csv', buffer: Buffer.from(ITEMS) })
  await id('item-data-row').waitFor()
  await id('item-data-preview').click()
  await id('preview-table').waitFor()
  await onStep('item-preview')
  await page.keyboard.press('Escape')

  await page.goto(`${baseUrl}${project}/deployments`)
  for (const name of ['Front page', 'Challenger']) {
    await id('new-slot').first().click()
    await id('slot-name').fill(name)
    await onStep('new-slot')
    await id('slot-submit').click()
    await id('slot-row').filter({ hasText: name }).waitFor()
  }
  assert.deepEqual(await id('share').allInnerTexts(), ['100%', '0%'])
  await id('weight').nth(1).fill('50')
  await id('weight').nth(1).blur()
  assert.match((await id('share').allInnerTexts())[1], /33/)
  await onStep('weights-edited')
  await id('weights-save').click()
  await page.waitForFunction(() => document.querySelector('[data-testid="save-state"]')?.dataset.unsaved === 'false')

  await page.goto(`${baseUrl}${project}/ab-tests`)
  await id('new-test').first().click()
  await id('test-name').fill('Challenger on the front page')
  await onStep('new-test')
  await id('test-submit').click()
  await page.waitForURL(/\/ab-tests\/\d+$/)
  assert.equal(await id('advice').getAttribute('data-advice'), 'draft')
  await onStep('ab-draft')
  await id('start-test').click()
  await id('confirm-accept').click()
  await id('stop-test').waitFor()
  await id('ab-chart').waitFor()
  await onStep('ab-running')
  await id('stop-test').click()
  await id('confirm-accept').click()
  await id('promote-variant').waitFor()
  seen['ab-test'] = new URL(page.url()).pathname

  await page.goto(`${baseUrl}${project}/deployments`)
  await id('delete-slot').first().click()
  await id('confirm-accept').click()
  await id('dependents').waitFor()
  assert.match(await id('dependents').innerText(), /Challenger on the front page/)
  await onStep('blocked')

  await page.goto(`${baseUrl}${project}/retraining`)
  await id('begin-schedule').click()
  await id('cron-time').fill('04:30')
  assert.equal(await id('cron').innerText(), '30 4 * * 1')
  await onStep('retraining-new')
  await id('schedule-save').click()
  await id('next-run').waitFor()
  await id('run-row').first().waitFor()
  await id('run-now').click()
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="run-row"]')[0]?.querySelector('[data-status="COMPLETED"]'), null, { timeout: 60_000 })
  return seen
}
