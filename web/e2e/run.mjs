/**
 * The end-to-end test in a real browser, against a running server:
 *   BASE_URL=http://127.0.0.1:8000 ADMIN_PASSWORD=… npm run e2e
 * Where it takes pictures, axe looks for barriers, serious or critical. PICTURES=0 skips the pictures of pages, and PICTURES=all
 * takes each in both languages, light and dark, instead of in one look; E2E_TRIALS changes the length of the search.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { findingsOf } from './accessibility.mjs'
import { launch, watchedPage } from './browser.mjs'
import { edges } from './edges.mjs'
import { features } from './features.mjs'
import { integrations } from './integrations.mjs'
import { journey } from './journey.mjs'
import { people } from './people.mjs'
import { predictions } from './predictions.mjs'
import { FOLDER, photographAll } from './screenshots.mjs'
import { sources } from './sources.mjs'
import { studio } from './studio.mjs'
import { traffic } from './traffic.mjs'

const PICTURED_STEPS = [
  'invite',
  'invitation-link',
  'typed-delete',
  'user-menu',
  'reset-link',
  'password-reset',
  'audit-open',
  'item-preview',
  'new-slot',
  'weights-edited',
  'new-test',
  'ab-draft',
  'ab-running',
  'blocked',
  'retraining-new',
  'new-shadow',
  'comparison-empty',
  'train-sessions',
  'session-answer',
  'past-traffic',
  'features-guessed',
  'features-edited',
  'features-measured',
  'integrations-empty',
  'app-key',
  'new-webhook',
  'webhook-secret',
  'webhook-tested',
  'webhook-rotated',
  'webhook-message',
  'webhook-failing',
  'webhook-off',
  'bell',
  'sources-empty',
  'connection-failed',
  'connection-tested',
  'source-connection',
  'source-table',
  'source-columns',
  'source-schedule',
  'source-dry-run',
  'source-run',
  'source-held',
  'destinations-empty',
  'new-destination',
  'delivery',
  'pipeline',
  'studio-empty',
  'studio-mapping',
  'studio-running',
  'studio-ready',
  'studio-snippet',
  'demo-shop',
  'demo-clicked',
]

export async function run(baseUrl, password) {
  const browser = await launch()
  mkdirSync(FOLDER, { recursive: true })
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: 'en' })
  const { page, complaints } = await watchedPage(context)
  const started = Date.now()
  const findings = []
  const examine = async (shown, name) => findings.push(...(await findingsOf(shown, name)))
  const onStep = async (name) => {
    console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${name}`)
    if (
      /^(job-live|key-created|settings-edited|wizard-|bad-upload|cancelled)/.test(name) ||
      PICTURED_STEPS.includes(name.replace(/-ja$/, ''))
    ) {
      // A picture of the whole page resizes the window, which closes the list of the bell.
      await page.screenshot({ path: `${FOLDER}${name}.png`, fullPage: name !== 'bell' })
      await examine(page, name)
    }
  }
  try {
    const { seen, key } = await journey(page, baseUrl, password, {
      trials: Number(process.env.E2E_TRIALS ?? 15),
      onStep,
    })
    const project = seen.overview
    Object.assign(seen, await people(page, baseUrl, onStep), await traffic(page, baseUrl, project, onStep))
    Object.assign(seen, await predictions(page, baseUrl, project, key, onStep))
    Object.assign(seen, await features(page, baseUrl, project, key, onStep))
    Object.assign(seen, await integrations(page, baseUrl, project, onStep))
    Object.assign(seen, await sources(page, baseUrl, project, onStep))
    Object.assign(seen, await studio(page, baseUrl, onStep))
    if (process.env.PICTURES !== '0') {
      const paths = {
        ...seen,
        data: `${project}/data`,
        tuning: `${project}/tuning`,
        models: `${project}/models`,
        account: '/account',
        'not-found': '/no/such/page',
      }
      await photographAll(browser, baseUrl, await context.storageState(), paths, {
        inAllLooks: process.env.PICTURES === 'all',
        examine,
      })
      console.log(`pictures in ${FOLDER}`)
    }
    await edges(page, baseUrl, seen, onStep)
    assert.deepEqual(complaints, [], 'the browser complained')
    assert.deepEqual(findings, [], 'axe found barriers')
    console.log('passed')
  } catch (error) {
    await page.screenshot({ path: `${FOLDER}failure.png`, fullPage: true }).catch(() => {})
    console.error(`failed at ${page.url()}; see ${FOLDER}failure.png`, complaints, findings)
    throw error
  } finally {
    await browser.close()
  }
}

if (process.argv[1]?.endsWith('run.mjs')) {
  const baseUrl = (process.env.BASE_URL ?? 'http://127.0.0.1:8000').replace(/\/$/, '')
  const password = process.env.ADMIN_PASSWORD
  assert.ok(password, 'Set ADMIN_PASSWORD to the password of the user admin.')
  await run(baseUrl, password)
}
