import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { byTestId } from './browser.mjs'
import { toldOfTheList } from './studio-messages.mjs'

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

/** A new visitor clicks in the demo shop. Returns its address, and the shop as a file. */
export async function shopping(page, hands, texts, onStep) {
  const id = (name) => byTestId(page, name)
  await hands.press('open-demo')
  await page.waitForURL(/\/demo\/\d+/)
  await cards(page, 'for-you').first().waitFor()
  await hands.press('new-visitor')
  await page.waitForURL(/user=visitor/)
  await page.getByText(texts.unknown).waitFor()
  await onStep('demo-shop')

  const before = await idsOf(page, 'for-you')
  const clicked = page.waitForResponse((answer) => answer.url().endsWith('/conversion_event/'))
  const chosen = cards(page, 'for-you').nth(2)
  const item = await chosen.getAttribute('data-id')
  await hands.press(chosen)
  assert.equal((await clicked).status(), 201)
  assert.equal(await id('shop-item').getAttribute('data-id'), item)
  await page.getByRole('heading', { name: texts.because }).waitFor()
  await listChanges(page, 'for-you', before)
  const after = await idsOf(page, 'for-you')
  assert.ok(!after.includes(item), 'what was looked at is not recommended again')
  await onStep('demo-clicked')

  await hands.type('shop-search', 'harbour')
  await cards(page, 'search').first().filter({ hasText: 'Harbour' }).waitFor()
  const download = page.waitForEvent('download')
  await hands.press('download-shop')
  const made = await download
  assert.equal(made.suggestedFilename(), 'demo-shop.html')
  await hands.type('shop-search', '')
  await cards(page, 'for-you').first().waitFor()
  return { shop: new URL(page.url()).pathname, file: await readFile(await made.path(), 'utf8') }
}

/**
 * The file is a page of the shop's own server, with the key of its app: a click in it gets a new list, and the server is told
 * what that was.
 */
export async function ownShop(page, { language, texts, receiver, file, link }) {
  receiver.page = file.replace('PASTE_YOUR_KEY_HERE', link.key)
  const context = await page.context().browser().newContext({ locale: language })
  try {
    const shop = await context.newPage()
    await shop.goto(receiver.origin)
    const shelf = shop.locator('section').filter({ has: shop.getByRole('heading', { name: texts.forYou }) })
    await shelf.getByRole('button').first().waitFor()

    const clicked = shop.waitForResponse((answer) => answer.url().endsWith('/conversion_event/'))
    const near = shop.waitForResponse((answer) => !!answer.request().postDataJSON()?.anchor_items)
    await shelf.getByRole('button').nth(1).press('Enter')
    assert.equal((await clicked).status(), 201)
    await shop.getByRole('heading', { name: texts.because }).waitFor()
    await toldOfTheList(receiver, link, await (await near).json())
  } finally {
    await context.close()
  }
}
