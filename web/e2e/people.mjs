import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'

/** Working together: an organisation, an invitation and who takes it, accounts and the audit log. Begins logged in as staff. */
export async function people(page, baseUrl, onStep = () => {}) {
  const id = (name) => byTestId(page, name)
  const seen = { organisations: '/organisations', users: '/users', audit: '/audit' }
  const name = `Film club ${Date.now()}`

  await page.goto(`${baseUrl}/organisations`)
  await id('new-organisation').first().click()
  await id('organisation-name').fill(name)
  await id('organisation-submit').click()
  await page.waitForURL(/\/organisations\/\d+$/)
  const address = page.url()
  await id('member-row').first().waitFor()
  await id('invite').click()
  await onStep('invite')
  await id('invite-submit').click()
  const link = (await id('invitation-link').innerText()).trim()
  await onStep('invitation-link')
  await id('invitation-stored').click()
  await id('invitation-link').waitFor({ state: 'detached' })
  await id('invitation-row').first().waitFor()
  assert.equal(await page.getByText(link).count(), 0, 'the link is shown once only')
  seen.organisation = new URL(address).pathname

  const stranger = await page
    .context()
    .browser()
    .newContext({ viewport: { width: 1360, height: 900 }, locale: 'en' })
  const guest = await stranger.newPage()
  await guest.goto(`${baseUrl}/invitation${new URL(link).hash}`)
  await byTestId(guest, 'invitation-offer').waitFor()
  assert.equal(new URL(guest.url()).hash, '', 'the secret leaves the address bar')
  await byTestId(guest, 'new-username').fill(`guest-${Date.now()}`)
  await byTestId(guest, 'new-email').fill('guest@example.com')
  await byTestId(guest, 'fresh-password').fill('correct horse battery')
  await byTestId(guest, 'invitation-submit').click()
  await byTestId(guest, 'invitation-joined').waitFor()
  await stranger.close()
  await page.goto(address)
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="member-row"]').length === 2)
  await onStep('organisation')

  await id('delete-organisation').click()
  assert.ok(await id('typed-delete').isDisabled())
  await id('typed-name').fill(name)
  await onStep('typed-delete')
  await page.keyboard.press('Escape')

  await page.goto(`${baseUrl}/users`)
  await id('new-user').click()
  await id('new-username').fill(`colleague-${Date.now()}`)
  await id('fresh-password').fill('correct horse battery')
  await id('user-submit').click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page
    .getByRole('button', { name: /^Actions for colleague-/ })
    .first()
    .click()
  await onStep('user-menu')
  await page.getByRole('menuitem', { name: 'Create password reset link' }).click()
  await id('reset-link').waitFor()
  await onStep('reset-link')
  const reset = new URL((await id('reset-link').innerText()).trim())
  await page.goto(`${baseUrl}/password-reset${reset.hash}`)
  await id('fresh-password').fill('another correct horse')
  await id('fresh-repeat').fill('another correct horse')
  await onStep('password-reset')

  await page.goto(`${baseUrl}/audit`)
  await id('audit-row').first().waitFor()
  await id('audit-toggle').first().click()
  await id('difference').first().waitFor()
  await onStep('audit-open')

  await page.goto(`${baseUrl}/account`)
  await id('session-row').first().waitFor()
  return seen
}
