/** The part of the stand-in that knows item metadata, slots, A/B tests and retraining. */

export function mockTraffic({ now, ago, db, insert }) {
  Object.assign(db, { itemData: [], slots: [], tests: [], schedules: [], runs: [] })
  const TABLES = { item_meta_data: 'itemData', deployment_slot: 'slots', ab_test: 'tests', retraining_schedule: 'schedules', retraining_run: 'runs' }
  const page = (rows) => ({ count: rows.length, next: null, previous: null, results: rows })

  /** The numbers of a test that has run for a while, of one whose size was not reached, or of one that nobody saw. */
  function results(test) {
    const enough = test.min_sample_size <= 1103
    const [ci, cc, vi, vc] = test.name.includes('silent') ? [0, 0, 0, 0] : enough ? [503, 40, 600, 90] : [210, 17, 198, 19]
    const [pc, pv] = [ci ? cc / ci : 0, vi ? vc / vi : 0]
    const pool = ci + vi ? (cc + vc) / (ci + vi) : 0
    const z = pool ? (pv - pc) / Math.sqrt(pool * (1 - pool) * (1 / ci + 1 / vi)) : 0
    const se = ci ? Math.sqrt((pc * (1 - pc)) / ci + (pv * (1 - pv)) / vi) : 0
    return {
      control_impressions: ci, control_conversions: cc, control_rate: pc, variant_impressions: vi, variant_conversions: vc, variant_rate: pv,
      z_score: z, p_value: Math.abs(z) > 3 ? 0.0003 : 1 - Math.abs(z) / 3, significant: Math.abs(z) > 1.96, lift: pc ? (pv / pc - 1) * 100 : 0,
      confidence_interval: [pv - pc - 1.96 * se, pv - pc + 1.96 * se], min_sample_size: test.min_sample_size, sufficient_data: ci + vi >= test.min_sample_size,
      control_attributed_conversions: cc, variant_attributed_conversions: vc,
      sample_ratio: { control_users: ci, variant_users: vi, expected_control_share: 0.5, p_value: 0.2, suspicious: false },
      sequential: { p_value: enough && ci ? 0.0089 : 1, significant: enough && ci > 0, lift_interval: ci ? (enough ? [9.17, 225.9] : [-60, 210]) : null },
      lift_interval: ci ? (enough ? [32.51, 168.5] : [-36, 122]) : null,
      advice: enough && ci ? 'variant_wins' : test.status === 'RUNNING' ? 'keep_running' : 'no_difference_found',
      needed_sample_size: enough && ci ? { control: 0, variant: 0 } : { control: test.min_sample_size - ci, variant: test.min_sample_size - vi },
    }
  }

  function test(row, action, body) {
    if (action === 'results') return [200, results(row)]
    if (action === 'start') return row.status === 'DRAFT' ? [200, Object.assign(row, { status: 'RUNNING', started_at: ago(6) })] : [400, { detail: 'Only a draft can be started.' }]
    if (action === 'stop') return [200, Object.assign(row, { status: 'COMPLETED', ended_at: now() })]
    row.winner_slot = body.slot_id
    for (const id of [row.control_slot, row.variant_slot]) Object.assign(db.slots.find((s) => s.id === id), id === body.slot_id ? { weight: 100 } : { is_active: false })
    return [200, { status: 'promoted', winner_slot_id: body.slot_id }]
  }

  function trigger(schedule) {
    const run = insert('runs', { schedule: schedule.id, status: 'RUNNING', trained_model: null, tuning_job: null, error_message: '', completed_at: null, data_rows_at_trigger: 36_282 })
    Object.assign(schedule, { last_run_at: run.ins_datetime, last_run_status: 'RUNNING' })
    setTimeout(() => {
      Object.assign(run, { status: 'COMPLETED', completed_at: now(), trained_model: db.models[0]?.id ?? null })
      schedule.last_run_status = 'COMPLETED'
    }, 2500)
    return [202, { status: 'triggered' }]
  }

  const planned = (row) => Object.assign(row, { next_run_at: row.is_enabled ? ago(-2.4) : null, updated_at: now() })

  function create(resource, body) {
    if (resource === 'deployment_slot') return [201, insert('slots', { ...body, updated_at: now() })]
    if (resource === 'ab_test') return [201, insert('tests', { ...body, status: 'DRAFT', started_at: null, ended_at: null, winner_slot: null })]
    if (!/^(\S+ ){4}\S+$/.test(body.cron_expression) || /99/.test(body.cron_expression)) return [400, { cron_expression: ['The minute has to be between 0 and 59.'] }]
    const row = planned(insert('schedules', { ...body, last_run_at: ago(7), last_run_status: 'SKIPPED' }))
    const past = (days, more) => insert('runs', { schedule: row.id, trained_model: null, tuning_job: null, error_message: '', data_rows_at_trigger: 35_112, ins_datetime: ago(days), completed_at: ago(days - 0.003), ...more })
    past(21, { status: 'COMPLETED', trained_model: db.models[0]?.id ?? null })
    past(14, { status: 'FAILED', error_message: 'The file “ratings.csv” has no column “user_id”.' })
    past(10, { status: 'SKIPPED', trained_model: db.models[0]?.id ?? null, gate_metric: 'ndcg@20', new_score: 0.1834, deployed_score: 0.2217, deployed_model: db.models[0]?.id ?? null, error_message: 'Not deployed: on the same data the new model scores 0.1834 (ndcg@20) and the deployed model scores 0.2217; the schedule allows a loss of 2.0 % at most. The slot keeps its model.' })
    past(7, { status: 'SKIPPED', error_message: 'The data has not changed since the last run.' })
    return [201, row]
  }

  function answer(method, [resource, id, action], query, body) {
    const table = TABLES[resource]
    if (!table) return undefined
    if (!id && method === 'GET') {
      const key = resource === 'retraining_run' ? 'schedule' : 'project'
      return [200, page(db[table].filter((row) => row[key] === Number(query.get(key))))]
    }
    if (!id) return resource === 'item_meta_data' ? undefined : create(resource, body)
    const row = db[table].find((one) => one.id === Number(id))
    if (!row) return [404, { detail: 'Not found.' }]
    if (action === 'preview') return [200, { columns: row.parsed.columns, rows: row.parsed.rows.slice(0, 50), total_rows: row.parsed.rows.length }]
    if (action === 'trigger') return trigger(row)
    if (action) return test(row, action, body)
    if (method === 'PATCH') return [200, resource === 'retraining_schedule' ? planned(Object.assign(row, body)) : Object.assign(row, body)]
    if (method === 'DELETE') {
      const users = resource === 'deployment_slot' ? db.tests.filter((t) => t.control_slot === row.id || t.variant_slot === row.id) : []
      if (users.length > 0) return [409, { detail: 'The slot is used by A/B tests.', dependents: users.map((t) => ({ resource: 'ab_test', id: t.id, name: t.name })) }]
      db[table].splice(db[table].indexOf(row), 1)
      return [204]
    }
    return [200, row]
  }

  /** A file about items: its first line names the columns. */
  function itemFile(project, basename, text) {
    const [head, ...lines] = text.trim().split('\n')
    const parsed = { columns: head.split(','), rows: lines.map((line) => line.split(',')) }
    if (!parsed.columns.includes(project.item_column)) return [400, { file: [`The file has no column “${project.item_column}”.`] }]
    const row = insert('itemData', { project: project.id, file: basename, basename, filesize: Buffer.byteLength(text), valid_columns_list_json: parsed.columns })
    Object.defineProperty(row, 'parsed', { value: parsed, enumerable: false })
    return [201, row]
  }

  return { answer, itemFile }
}
