import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'
import { ODD_ITEMS } from './sample-data.mjs'

/** What a user meets off the straight path: odd ids, bad files, second thoughts. `seen` are the journey's addresses. */
export async function edges(page, baseUrl, seen, onStep = () => {}) {
  const id = (name) => byTestId(page, name)
  await oddIds(page, baseUrl + seen.model)
  await onStep('odd-ids')

  await page.goto(`${baseUrl}${seen.overview}/data`)
  const upload = (name, text) =>
    id('file-input').setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(text) })
  await upload('photo.png', 'not a table')
  await id('error-notice').waitFor()
  await upload('wrong.csv', 'a,b\n1,2\n')
  await page.waitForFunction(() =>
    /user_id/.test(document.querySelector('[data-testid="error-notice"]')?.textContent ?? ''),
  )
  await onStep('bad-upload')

  await cancelSearch(page, baseUrl + seen.overview)
  await onStep('cancelled')

  await takeDown(page, seen.overview)
  await page.goto(baseUrl)
  await id('project-card').first().waitFor()
  const cards = await id('project-card').count()
  const card = id('project-card').filter({ has: page.locator(`a[href="${seen.overview}"]`) })
  await byTestId(card, 'delete-project').click()
  await id('confirm-accept').click()
  await page.waitForFunction(
    (n) => document.querySelectorAll('[data-testid="project-card"]').length === n,
    cards - 1,
  )
  await onStep('deleted')
}

async function oddIds(page, address) {
  const id = (name) => byTestId(page, name)
  await page.goto(address)
  await id('model-preview').getByRole('button', { name: 'Similar items' }).first().click()
  for (const item of ODD_ITEMS) {
    await id('preview-item').fill(item)
    await id('preview-submit').click()
    await id('model-preview')
      .getByRole('heading', { name: `Similar to ${item}` })
      .waitFor()
    assert.ok((await id('recommendation-row').count()) > 0, `something is similar to ${item}`)
  }
  await id('model-preview').getByRole('button', { name: 'By items' }).click()
  await id('preview-items').fill(ODD_ITEMS.join('\n'))
  await id('preview-submit').click()
  await id('recommendation-row').first().waitFor()
  const shown = await id('item-id').allInnerTexts()
  for (const item of ODD_ITEMS) assert.ok(!shown.includes(item), `${item} is known already`)
  await id('item-title')
    .filter({ hasText: /^The \w+ of / })
    .first()
    .waitFor()
}

async function cancelSearch(page, project) {
  const id = (name) => byTestId(page, name)
  await page.goto(`${project}/tuning/new`)
  // The oldest data: the newest has a few rows of a source.
  await id('wizard-data-option').last().click()
  for (let step = 0; step < 3; step += 1) await id('wizard-next').click()
  await id('trials').fill('500')
  await id('trials').blur()
  await id('wizard-start').click()
  await id('cancel-job').click()
  await id('confirm-accept').click()
  await page.waitForFunction(
    () => document.querySelector('[data-testid="job-status"]')?.dataset.status === 'CANCELLED',
  )
}

/** What answers or will train again keeps its project from being deleted. */
async function takeDown(page, project) {
  await page.evaluate(
    async (project) => {
      const list = async (kind) => (await (await fetch(`/api/v1/${kind}/?project=${project}`)).json()).results
      const send = (method, path, body) =>
        fetch(`/api/v1/${path}/`, { method, headers: { 'Content-Type': 'application/json' }, body })
      for (const slot of await list('deployment_slot')) await send('DELETE', `deployment_slot/${slot.id}`)
      for (const schedule of await list('retraining_schedule'))
        await send('PATCH', `retraining_schedule/${schedule.id}`, '{"is_enabled":false}')
    },
    Number(project.split('/')[2]),
  )
}
