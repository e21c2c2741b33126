import assert from 'node:assert/strict'
import { byTestId } from './browser.mjs'

/*
 * Two ways to use a page. Both press, type and select; the keyboard reaches everything by Tab, and never by a call that gives the
 * focus to an element.
 */

const part = (page, target) => (typeof target === 'string' ? byTestId(page, target) : target)

export const mouse = (page) => ({
  press: (target) => part(page, target).click(),
  tick: (target) => part(page, target).click(),
  type: (target, text) => part(page, target).fill(text),
  async select(target, name) {
    await part(page, target).click()
    await page.getByRole('option', { name, exact: true }).click()
  },
  change: (list, value) => list.selectOption(value),
  /** Selects one of several, of which Tab reaches only the one that is selected. */
  switchTo: (selected, target) => part(page, target).click(),
  pick: (option) => option.click(),
})

const MOST_PRESSES = 150
const MOST_ARROWS = 20

const hasFocus = (target) =>
  target.evaluate((element) => element === document.activeElement || element.contains(document.activeElement))

/** A dialog moves the focus once it has opened. */
const still = (page) =>
  page.waitForFunction(() => !document.querySelector('.p-dialog-enter-active, .p-dialog-leave-active'))

async function reach(page, target) {
  const element = part(page, target)
  await element.waitFor()
  await still(page)
  for (let press = 0; press < MOST_PRESSES; press += 1) {
    if (await hasFocus(element)) return element
    await page.keyboard.press('Tab')
  }
  return assert.fail(`${element} is not reached by Tab`)
}

export const keyboard = (page) => ({
  async press(target) {
    await reach(page, target)
    await page.keyboard.press('Enter')
  },
  async tick(target) {
    await reach(page, target)
    await page.keyboard.press('Space')
  },
  async type(target, text) {
    await reach(page, target)
    await page.keyboard.press('Control+A')
    await page.keyboard.press('Delete')
    await page.keyboard.type(text)
  },
  async select(target, name) {
    await reach(page, target)
    await page.keyboard.press('ArrowDown')
    // Not those of native lists, which have the role without saying so.
    const shown = page.locator('[role="listbox"] [role="option"]')
    await shown.filter({ hasText: name }).first().waitFor()
    const options = (await shown.allInnerTexts()).map((option) => option.trim())
    const active = () =>
      page.evaluate(() => {
        const id = document.activeElement?.getAttribute('aria-activedescendant')
        return (id && document.getElementById(id)?.innerText.trim()) || ''
      })
    // The next key waits for what the last one did: the list may still be opening.
    for (let tries = 0; tries < 3 * options.length && (await active()) !== name; tries += 1) {
      const before = await active()
      const isBelow = options.indexOf(before) > options.indexOf(name)
      await page.keyboard.press(isBelow ? 'ArrowUp' : 'ArrowDown')
      for (let wait = 0; wait < 20 && (await active()) === before; wait += 1) await page.waitForTimeout(50)
    }
    assert.equal(await active(), name, `${name} is not reached by arrow keys`)
    await page.keyboard.press('Enter')
    // A list that is still closing would take part in the next choice.
    await shown.first().waitFor({ state: 'detached' })
  },
  async change(list, value) {
    await reach(page, list)
    await page.keyboard.press('Home')
    const options = await list.locator('option').count()
    for (let at = 0; at < options && (await list.inputValue()) !== value; at += 1)
      await page.keyboard.press('ArrowDown')
    assert.equal(await list.inputValue(), value)
  },
  async switchTo(selected, target) {
    await reach(page, selected)
    const wanted = part(page, target)
    for (let press = 0; press < MOST_ARROWS && !(await hasFocus(wanted)); press += 1)
      await page.keyboard.press('ArrowRight')
    assert.ok(await hasFocus(wanted), `${wanted} is not reached by arrow keys`)
  },
  /** Picks an option of the box that has the focus. */
  async pick(option) {
    const isActive = async () => (await option.getAttribute('aria-selected')) === 'true'
    for (let press = 0; press < MOST_ARROWS && !(await isActive()); press += 1)
      await page.keyboard.press('ArrowDown')
    assert.ok(await isActive(), `${option} is not reached by arrow keys`)
    await page.keyboard.press('Enter')
  },
})
