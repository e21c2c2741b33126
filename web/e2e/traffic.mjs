import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'

const ITEMS = [
  'item_id,title,genre,year,director,country,length',
  'a/b c,Ran,drama,1985,Akira Kurosawa,Japan,162',
  '007,Goldfinger,action,1964,Guy Hamilton,UK,110',
  'Sigur Rós,Heima,documentary,2007,Dean DeBlois,Iceland,97',
].join('\n')
const PEOPLE = ['user_id,age,country', '1,20s,Japan', '2,30s,UK', 'stranger 1,20s,Japan'].join('\n')

/** What answers requests, in a project that has a model: item titles, slots, a test between them, retraining. */
export async function traffic(page, baseUrl, project, onStep = () => {}) {
  const id = (name) => byTestId(page, name)
  const seen = {
    deployments: `${project}/deployments`,
    'ab-tests': `${project}/ab-tests`,
    retraining: `${project}/retraining`,
    data: `${project}/data`,
  }

  await page.goto(`${baseUrl}${project}/data`)
  await id('item-file-input').setInputFiles({
    name: 'films.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(ITEMS),
  })
  await id('item-data-row').waitFor()
  await id('item-data-preview').click()
  await id('preview-table').waitFor()
  await onStep('item-preview')
  await page.keyboard.press('Escape')
  await id('user-file-input').setInputFiles({
    name: 'people.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(PEOPLE),
  })
  await id('user-data-row').waitFor()

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
  await page.waitForFunction(
    () => document.querySelector('[data-testid="save-state"]')?.dataset.unsaved === 'false',
  )

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
  seen['ab-test'] = new URL(page.url()).pathname
  await report(page)
  await page.reload()
  await id('ab-chart').waitFor()
  await onStep('ab-running')

  await page.goto(`${baseUrl}${project}/deployments`)
  await id('delete-slot').first().click()
  await id('confirm-accept').click()
  await id('dependents').waitFor()
  assert.match(await id('dependents').innerText(), /Challenger on the front page/)
  await onStep('blocked')

  await page.goto(`${baseUrl}${seen['ab-test']}`)
  await id('stop-test').click()
  await id('confirm-accept').click()
  await id('promote-variant').waitFor()

  await page.goto(`${baseUrl}${project}/retraining`)
  await id('begin-schedule').click()
  await id('cron-time').fill('04:30')
  assert.equal(await id('cron').innerText(), '30 4 * * 1')
  await onStep('retraining-new')
  await id('schedule-save').click()
  await id('next-run').waitFor()
  await id('run-now').click()
  await id('run-row').first().waitFor()
  await page.waitForFunction(
    () => document.querySelectorAll('[data-testid="run-row"]')[0]?.querySelector('[data-status="COMPLETED"]'),
    null,
    { timeout: 60_000 },
  )
  return seen
}

/** What a shop would report of both slots: forty lists shown each, and more of the second one's clicked. */
async function report(page) {
  const answered = await page.evaluate(async () => {
    const project = Number(location.pathname.split('/')[2])
    const slots = (await (await fetch(`/api/v1/deployment_slot/?project=${project}`)).json()).results
    const event = (slot, type, number) => ({
      project,
      deployment_slot: slot.id,
      event_type: type,
      user_id: `visitor ${number}`,
      item_id: '007',
    })
    const clicks = (slot) => (slot.name === 'Challenger' ? 18 : 9)
    const numbers = [...Array(40).keys()]
    const of = (slot) =>
      numbers.flatMap((number) => [
        event(slot, 'impression', number),
        ...(number < clicks(slot) ? [event(slot, 'click', number)] : []),
      ])
    const body = JSON.stringify({ events: slots.flatMap(of) })
    return (
      await fetch('/api/v1/conversion_event/batch/', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body,
      })
    ).status
  })
  assert.equal(answered, 201)
}
