import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { byTestId } from './browser.mjs'

export const FOLDER = fileURLToPath(new URL('./screenshots/', import.meta.url))
/** What strangers see. */
const GATES = {
  'sign-up': '/sign-up',
  'forgot-password': '/forgot-password',
  'password-reset': '/password-reset#uid=x&token=y',
  invitation: '/invitation#token=open-token',
}
const LOOKS = ['en', 'ja'].flatMap((locale) => ['light', 'dark'].map((theme) => ({ locale, theme })))

/** Every page in both languages, light and dark, and the narrow form of some. */
export async function photographAll(browser, baseUrl, storageState, paths) {
  mkdirSync(FOLDER, { recursive: true })
  for (const { locale, theme } of LOOKS) {
    const suffix = `${locale}-${theme}`
    const wide = await look(browser, { locale, theme, storageState, viewport: { width: 1360, height: 900 } })
    for (const [name, path] of Object.entries(paths))
      await shoot(wide, baseUrl + path, `${name}-${suffix}`, name)
    await wide.close()
    const narrow = await look(browser, { locale, theme, storageState, viewport: { width: 390, height: 844 } })
    for (const name of [
      'overview',
      'job',
      'model',
      'data-detail',
      'settings',
      'organisation',
      'audit',
      'deployments',
      'comparison',
      'ab-test',
      'retraining',
    ].filter((name) => paths[name]))
      await shoot(narrow, baseUrl + paths[name], `narrow-${name}-${suffix}`, name)
    await narrow.close()
    const stranger = await look(browser, { locale, theme, viewport: { width: 1360, height: 900 } })
    await shoot(stranger, `${baseUrl}/login`, `login-${suffix}`, 'login')
    if (paths.organisation)
      for (const [name, path] of Object.entries(GATES))
        await shoot(stranger, baseUrl + path, `${name}-${suffix}`, name)
    await stranger.close()
  }
}

async function look(browser, { locale, theme, ...options }) {
  const context = await browser.newContext(options)
  await context.addInitScript(
    ([language, colours]) => {
      localStorage.setItem('recotem.locale', language)
      localStorage.setItem('recotem.theme', colours)
    },
    [locale, theme],
  )
  return context
}

async function shoot(context, url, file, name) {
  const page = await context.newPage()
  await page.goto(url)
  await page.locator('[data-testid="page-title"], [data-testid="not-found"]').first().waitFor()
  await page.waitForFunction(() => !document.querySelector('[data-testid="loading"]'))
  if (name === 'model') {
    await byTestId(page, 'preview-random').click()
    await byTestId(page, 'recommendations').waitFor()
  }
  if (name === 'job' || name === 'ab-test') await page.locator('canvas').first().waitFor()
  if (name === 'audit') await byTestId(page, 'audit-toggle').first().click()
  await page.waitForTimeout(500)
  await page.screenshot({ path: `${FOLDER}${file}.png`, fullPage: true })
  await page.close()
}
