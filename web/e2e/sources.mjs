import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { byTestId } from './browser.mjs'
import { startPostgres } from './postgres.mjs'

const RUN_MS = Number(process.env.E2E_TUNING_MS ?? 240_000)
const ROWS = 600
const PASSWORD = 'only-for-reading'

/** A table of a shop: one row for each order, the oldest a month ago. */
const TABLE = `
  CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id text, product_id text, kind text,
    created_at timestamptz NOT NULL DEFAULT now(), note jsonb);
  INSERT INTO orders (customer_id, product_id, kind, created_at)
    SELECT 'c' || n % 60, 'p' || n * 7 % 41, (ARRAY['view', 'purchase'])[1 + n % 2], now() - n * interval '1 hour'
    FROM generate_series(1, ${ROWS}) n;
  CREATE TABLE products AS SELECT 'p' || n AS id, 'Product ' || n AS title FROM generate_series(0, 40) n;
  CREATE ROLE reader LOGIN PASSWORD '${PASSWORD}';
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
  ANALYZE;`
const MORE = `
  INSERT INTO orders (customer_id, product_id, kind) VALUES ('c1', 'p1', 'view'), ('c2', 'p2', 'purchase')`

const NIGHT = `
  INSERT INTO orders (customer_id, product_id, kind)
    SELECT 'n' || n % 50, 'p' || n * 5 % 41, 'purchase' FROM generate_series(1, ${ROWS}) n`

/**
 * Interactions come from a PostgreSQL: a connection is tested, a table mapped and tried out; one run brings its rows, the next one
 * too few, so that it is held until it is accepted. Lists for all users go out as a file, and to a
 * table once the role may create one. Then all parts follow one another, as at night. The server has to reach this machine: outbound.allow_networks.
 */
export async function sources(page, baseUrl, project, onStep = () => {}) {
  const shop = await startPostgres('only-for-tests')
  try {
    await shop.sql(TABLE)
    await page.goto(baseUrl + project)
    await byTestId(page, 'nav-sources').click()
    await page.waitForURL(/\/sources$/)
    await byTestId(page, 'empty-state').nth(1).waitFor()
    await onStep('sources-empty')
    const list = new URL(page.url()).pathname
    await connect(page, shop, onStep)
    await makeSource(page, onStep)
    const source = new URL(page.url()).pathname
    await tryOut(page, onStep)
    await firstRun(page, onStep)
    await heldRun(page, shop, onStep)
    const delivered = await deliver(page, baseUrl + project, shop, onStep)
    const pipeline = await playNight(
      page,
      shop,
      { project: baseUrl + project, source: baseUrl + source },
      onStep,
    )
    return { sources: list, source, ...delivered, pipeline }
  } finally {
    await shop.stop()
  }
}

async function connect(page, shop, onStep) {
  const id = (name) => byTestId(page, name)
  const tested = (standing) =>
    page.locator(`[data-testid="test-result"][data-standing="${standing}"]`).waitFor({ timeout: RUN_MS })
  await id('new-connection').click()
  await id('connection-submit').click()
  await page.getByRole('alert').filter({ hasText: 'This field is required.' }).first().waitFor()
  await id('connection-name').fill('Shop database')
  await id('connection-host').fill(shop.host)
  await page.getByRole('spinbutton', { name: 'Port' }).fill(String(shop.port))
  await id('connection-database').fill(shop.database)
  await id('connection-user').fill('reader')
  await id('connection-password').fill('wrong')
  await id('connection-tls').click()
  await page.getByRole('option', { name: 'Off' }).click()
  await id('connection-submit').click()
  await tested('unusable')
  await onStep('connection-failed')
  await id('connection-password').fill(PASSWORD)
  await id('connection-submit').click()
  // Nothing is encrypted on this machine.
  await tested('warned')
  assert.equal(await id('connection-password').inputValue(), '', 'a password that was sent is not kept')
  await onStep('connection-tested')
  await id('connection-done').click()
  await id('connection-form').waitFor({ state: 'detached' })
  assert.equal(await page.getByText(PASSWORD).count(), 0)
}

async function makeSource(page, onStep) {
  const id = (name) => byTestId(page, name)
  await id('new-source').click()
  await page.waitForURL(/\/sources\/new$/)
  // The only connection is chosen already.
  await id('choose-connection').waitFor()
  await onStep('source-connection')
  await id('source-next').click()
  await id('find-table').fill('ord')
  await page.locator('[data-testid="table-row"][data-table="orders"]').click()
  await onStep('source-table')
  await id('source-next').click()
  await id('column-row').first().waitFor()
  await id('preview-table').waitFor()
  const role = (column) => page.locator(`[data-testid="column-row"][data-column="${column}"]`)
  for (const [column, wanted] of [
    ['customer_id', 'user'],
    ['product_id', 'item'],
    ['created_at', 'time'],
    ['kind', 'event'],
    ['note', ''],
  ])
    assert.equal(await role(column).getAttribute('data-role'), wanted, column)
  assert.equal(await id('source-cursor').inputValue(), 'created_at')
  await onStep('source-columns')
  await id('source-next').click()
  await id('source-name').fill('Orders')
  // Rows that were just written are read at once, and two of them are too few.
  await page.getByRole('spinbutton', { name: 'Settle time' }).fill('0')
  await page.getByRole('spinbutton', { name: 'fewer than' }).fill('10')
  await page.keyboard.press('Tab')
  await onStep('source-schedule')
  await id('source-submit').click()
  await page.waitForURL(/\/sources\/\d+$/)
}

async function tryOut(page, onStep) {
  const id = (name) => byTestId(page, name)
  await id('preview').click()
  await id('preview-result').waitFor({ timeout: RUN_MS })
  const columns = await id('preview-result').getByRole('columnheader').allInnerTexts()
  assert.ok(columns.includes('user_id') && columns.includes('item_id'), columns.join())
  await id('dry-run').click()
  await id('dry-run-result').waitFor({ timeout: RUN_MS })
  assert.match(await id('dry-run-result').innerText(), new RegExp(String(ROWS)))
  await onStep('source-dry-run')
}

const stateOfRun = (page, state) =>
  page.locator(`[data-testid="source-run"][data-state="${state}"]`).waitFor({ timeout: RUN_MS })

async function firstRun(page, onStep) {
  const id = (name) => byTestId(page, name)
  await id('run-now').click()
  await stateOfRun(page, 'succeeded')
  assert.equal((await id('rows-read').locator('dd').first().innerText()).trim(), String(ROWS))
  assert.equal(await id('run-bar').count(), 1)
  const stages = await id('source-stage').evaluateAll((rows) => rows.map((row) => row.dataset.stage))
  assert.ok(stages.includes('reading') && stages.includes('preparing'), stages.join())
  await onStep('source-run')
}

async function heldRun(page, shop, onStep) {
  const id = (name) => byTestId(page, name)
  await shop.sql(MORE)
  await id('run-now').click()
  await stateOfRun(page, 'held')
  assert.match(await id('run-problems').innerText(), /min_rows/)
  await onStep('source-held')
  // The first run by the keyboard, and back.
  await page.locator('[data-testid="run-bar"][aria-checked="true"]').focus()
  await page.keyboard.press('ArrowLeft')
  await stateOfRun(page, 'succeeded')
  await page.keyboard.press('ArrowRight')
  await stateOfRun(page, 'held')
  await id('run-accept').click()
  await stateOfRun(page, 'succeeded')
  await id('run-data').click()
  await page.waitForURL(/\/data\/\d+$/)
  await id('data-report').waitFor({ timeout: RUN_MS })
}

async function deliver(page, project, shop, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(project)
  await id('nav-destinations').click()
  await page.waitForURL(/\/destinations$/)
  await id('empty-state').waitFor()
  await onStep('destinations-empty')
  const list = new URL(page.url()).pathname
  await id('new-destination').click()
  await id('destination-submit').click()
  await page.getByRole('alert').filter({ hasText: 'This field is required.' }).waitFor()
  await id('destination-name').fill('Newsletter')
  await id('by-model').click()
  await id('destination-format').click()
  await page.getByRole('option', { name: 'CSV' }).click()
  await onStep('new-destination')
  await id('destination-submit').click()
  await page.waitForURL(/\/destinations\/\d+$/)
  const destination = new URL(page.url()).pathname
  await id('run-destination').click()
  await page.locator('[data-testid="delivery-row"][data-state="succeeded"]').waitFor({ timeout: RUN_MS })
  const [download] = await Promise.all([page.waitForEvent('download'), id('delivery-download').click()])
  const lines = readFileSync(await download.path(), 'utf8')
    .trim()
    .split('\n')
  assert.equal(lines[0], 'user_id,rank,item_id,score')
  assert.ok(lines.length > 100, `${lines.length} lines`)
  await onStep('delivery')
  await deliverToTable(page, baseUrl(page) + list, shop)
  return { destinations: list, destination }
}

/** New rows start a training, and its lists are delivered: one run of the pipeline. */
async function playNight(page, shop, { project, source }, onStep) {
  const id = (name) => byTestId(page, name)
  await page.goto(project)
  await id('nav-pipeline').click()
  await page.waitForURL(/\/pipeline$/)
  await id('pipeline-run').first().waitFor()
  const before = await id('pipeline-run').count()
  for (const part of ['chain-source', 'chain-destination']) {
    // By name, the table comes after the file.
    const toggle = id(part).last().getByRole('switch')
    await toggle.click()
    await toggle.and(page.locator('[aria-checked="true"]:not([disabled])')).waitFor()
  }
  await shop.sql(NIGHT)
  await page.goto(source)
  // A page that is left at once would take its request along.
  const started = page.waitForResponse((answer) => /\/data_source\/\d+\/run\/$/.test(answer.url()))
  await id('run-now').click()
  assert.equal((await started).status(), 201)
  await page.goto(`${project}/pipeline`)
  await page.waitForFunction(
    (n) => document.querySelectorAll('[data-testid="pipeline-run"]').length > n,
    before,
  )
  const run = id('pipeline-run').first()
  await run.locator('[data-stage="deliver"][data-state="succeeded"]').waitFor({ timeout: RUN_MS })
  await page.locator('[data-testid="pipeline-run"]:first-child[data-state="succeeded"]').waitFor()
  const stages = await run
    .locator('[data-testid="pipeline-stage"]')
    .evaluateAll((rows) => rows.map((row) => row.dataset.stage))
  assert.deepEqual(
    stages.filter((stage) => ['pull', 'prepare', 'train', 'deliver'].includes(stage)),
    ['pull', 'prepare', 'train', 'deliver'],
  )
  await onStep('pipeline')
  return new URL(page.url()).pathname
}

const baseUrl = (page) => new URL(page.url()).origin

/** The same lists replace the rows of a table. */
async function deliverToTable(page, list, shop) {
  const id = (name) => byTestId(page, name)
  await page.goto(list)
  await id('new-destination').click()
  await id('destination-name').fill('Shop')
  await id('by-model').click()
  await id('to-table').click()
  await id('destination-table').fill('public.lists')
  await id('destination-submit').click()
  await page.waitForURL(/\/destinations\/\d+$/)
  await id('run-destination').click()
  await page.locator('[data-testid="delivery-row"][data-state="failed"]').waitFor({ timeout: RUN_MS })
  await id('delivery-error').filter({ hasText: 'needs USAGE and CREATE on the schema' }).waitFor()
  await shop.sql('GRANT CREATE ON SCHEMA public TO reader')
  await id('delivery-retry').click()
  await page.locator('[data-testid="delivery-row"][data-state="succeeded"]').waitFor({ timeout: RUN_MS })
  await shop.sql('DO $$ BEGIN ASSERT (SELECT count(*) FROM lists) > 100; END $$')
}
