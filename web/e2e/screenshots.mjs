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

const WIDE = { width: 1360, height: 900 }
const NARROW = { width: 390, height: 844 }
const NARROW_TOO = [
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
  'features',
  'integrations',
  'webhook',
  'sources',
  'source',
  'destinations',
  'destination',
  'pipeline',
  'studio',
  'studio-run',
  'demo-shop',
]

/**
 * Takes pictures of every page, and of the narrow form of some: each in both languages, light and dark, with `inAllLooks`,
 * otherwise each in one of these looks in turn. `examine` gets each page that was taken.
 */
export async function photographAll(browser, baseUrl, storageState, paths, { inAllLooks, examine }) {
  mkdirSync(FOLDER, { recursive: true })
  const narrow = NARROW_TOO.filter((name) => paths[name]).map((name) => [name, paths[name]])
  const open = [['login', '/login'], ...(paths.organisation ? Object.entries(GATES) : [])]
  const kinds = [
    { pages: Object.entries(paths), prefix: '', options: { viewport: WIDE, storageState } },
    { pages: narrow, prefix: 'narrow-', options: { viewport: NARROW, storageState } },
    { pages: open, prefix: '', options: { viewport: WIDE } },
  ]
  for (const [turn, { locale, theme }] of LOOKS.entries())
    for (const { pages, prefix, options } of kinds) {
      const context = await look(browser, { locale, theme, ...options })
      for (const [at, [name, path]] of pages.entries())
        if (inAllLooks || at % LOOKS.length === turn)
          await shoot(context, baseUrl + path, `${prefix}${name}-${locale}-${theme}`, name, examine)
      await context.close()
    }
}

async function look(browser, { locale, theme, ...options }) {
  const context = await browser.newContext({ ...options, colorScheme: theme })
  await context.addInitScript((language) => localStorage.setItem('recotem.locale', language), locale)
  return context
}

async function shoot(context, url, file, name, examine) {
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
  await examine(page, file)
  await page.close()
}
