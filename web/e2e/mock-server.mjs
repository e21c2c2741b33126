/** A stand-in for the server, in memory: enough of the API to develop and photograph the interface without a database. */
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import { mockPeople } from './mock-people.mjs'
import { mockTraffic } from './mock-traffic.mjs'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))
const CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.woff': 'font/woff', '.ttf': 'font/ttf' }
const ALGORITHMS = [
  ['IALSRecommender', 'IALS', 'Learns hidden tastes of users and items from all interactions at once. Usually strong.', ['n_components', 'alpha0', 'reg', 'train_epochs'], true, true],
  ['CosineKNNRecommender', 'CosineKNN', 'Recommends items that were met together with those a user already knows.', ['top_k', 'shrinkage', 'feature_weighting', 'normalize'], false, true],
  ['RP3betaRecommender', 'RP3beta', 'Walks at random between users and items, held back from the most popular ones.', ['top_k', 'beta', 'normalize_weight'], false, false],
  ['DenseSLIMRecommender', 'DenseSLIM', 'Learns a weight for every pair of items in one exact step. Needs memory for items squared.', ['reg'], false, false],
  ['TopPopRecommender', 'TopPop', 'The same best-sellers for everyone.', [], false, true],
]
const PEAK = { IALSRecommender: 0.31, CosineKNNRecommender: 0.27, RP3betaRecommender: 0.29, DenseSLIMRecommender: 0.3, TopPopRecommender: 0.16 }

/** Starts it on a free port (or the given one). */
export async function startMock({ port = 0, password = 'e2e-password', trialMs = 220 } = {}) {
  let clock = Date.now()
  const now = () => new Date((clock = Math.max(clock + 1, Date.now()))).toISOString()
  const db = { projects: [], data: [], splits: [], evaluations: [], configs: [], jobs: [], models: [], keys: [], logs: {}, trials: {} }
  let nextId = 1
  let random = 7
  const rnd = () => ((random = (random * 16807) % 2147483647) / 2147483647)
  const user = { pk: 1, username: 'admin', email: '', first_name: '', last_name: '', is_superuser: true, is_staff: true }
  const sockets = new Map()
  const ago = (days) => new Date(Date.now() - days * 86_400_000).toISOString()
  const people = mockPeople({ now, ago, db, admin: user })
  let failures = 0

  const insert = (table, row) => {
    const full = { id: nextId++, ins_datetime: now(), ...row }
    db[table].unshift(full)
    return full
  }
  const traffic = mockTraffic({ now, ago, db, insert })
  const tell = (job, kind, message) => sockets.get(`${job}/${kind}`)?.forEach((socket) => socket.send(JSON.stringify({ ...message, seq: socket.seq++ })))
  const log = (job, message) => {
    const line = { type: 'log', message, timestamp: now() }
    ;(db.logs[job] ??= []).push(line)
    tell(job, 'logs', line)
  }
  const status = (job) => ({ type: 'status_update', status: job.status.toLowerCase(), data: { best_score: job.best_score, n_trials: job.n_trials, n_running: job.n_running, n_completed: job.n_completed, n_pruned: job.n_pruned, n_failed: job.n_failed } })

  function parametersOf(name, job) {
    const values = { n_components: Math.round(8 + rnd() * 200), alpha0: rnd() * 0.5, reg: 10 ** (rnd() * 3 - 4), train_epochs: Math.round(5 + rnd() * 20), top_k: Math.round(10 + rnd() * 900), shrinkage: rnd() * 1000, feature_weighting: ['NONE', 'TF_IDF', 'BM_25'][Math.floor(rnd() * 3)], normalize: rnd() > 0.5, beta: rnd() * 0.5, normalize_weight: rnd() > 0.5 }
    const own = Object.fromEntries(ALGORITHMS.find((row) => row[0] === name)[3].map((key) => [key, values[key]]))
    if (!job.search_weights) return own
    const project = db.projects.find((p) => p.id === db.data.find((d) => d.id === job.data).project)
    for (const [event, weight] of Object.entries(project.event_weights)) own[`event_weight.${event}`] = weight * 4 ** (rnd() * 2 - 1)
    if (project.time_column) own.half_life_days = (project.half_life_days ?? 90) * 4 ** (rnd() * 2 - 1)
    return own
  }

  function runJob(job) {
    job.status = 'RUNNING'
    job.started_at = now()
    job.baseline_score = 0.1587
    const trials = (db.trials[job.id] = [])
    log(job.id, `Start job ${job.id}: ${job.n_trials} trials over ${job.tried_algorithms_json.length} algorithms.`)
    const step = () => {
      if (job.status !== 'RUNNING') return
      const trial = trials.find((t) => t.status === 'running')
      if (trial) {
        const spread = trial.algorithm === 'TopPopRecommender' ? 0 : rnd() ** 2 * 0.12 * Math.exp(-trial.number / 25)
        trial.status = rnd() < 0.08 && trial.algorithm === 'IALSRecommender' ? 'pruned' : 'completed'
        trial.score = trial.status === 'pruned' ? null : PEAK[trial.algorithm] - spread
        trial.note = trial.status === 'pruned' ? 'Below the median of its peers after 5 epochs.' : null
        trial.interval = trial.score && [trial.score - 0.011, trial.score + 0.011]
        trial.finished_at = now()
        trial.duration_seconds = 0.2 + rnd() * 2
        job[trial.status === 'pruned' ? 'n_pruned' : 'n_completed'] += 1
        job.n_running -= 1
        if (trial.score !== null) job.best_score = Math.max(job.best_score ?? 0, trial.score)
        log(job.id, `Trial ${trial.number} with ${trial.algorithm} / ${JSON.stringify(trial.parameters)}: ${trial.status.toUpperCase()}.\nndcg@20=${trial.score?.toFixed(4) ?? '–'}`)
      }
      if (trials.length < job.n_trials) {
        const algorithm = job.tried_algorithms_json[trials.length % job.tried_algorithms_json.length]
        trials.push({ number: trials.length, algorithm, parameters: parametersOf(algorithm, job), status: 'running', score: null, interval: null, intermediate: [], started_at: now(), finished_at: null, duration_seconds: null, note: null })
        job.n_running += 1
        tell(job.id, 'status', status(job))
        setTimeout(step, trialMs)
      } else finish(job)
    }
    setTimeout(step, trialMs)
  }

  function finish(job) {
    const best = db.trials[job.id].filter((t) => t.score !== null).sort((a, b) => b.score - a.score)[0]
    const config = insert('configs', { name: `Tuning Result of job ${job.id}`, project: db.data.find((d) => d.id === job.data).project, tuning_job: job.id, recommender_class_name: best.algorithm, parameters_json: best.parameters })
    Object.assign(job, { status: 'COMPLETED', best_config: config.id, finished_at: now() })
    log(job.id, `Job ${job.id} complete; best ndcg@20=${job.best_score.toFixed(4)}`)
    tell(job.id, 'status', status(job))
    if (job.train_after_tuning) job.tuned_model = trainModel(config, job.data, { ndcg: best.score }).id
  }

  function trainModel(config, data, metrics = null) {
    const model = insert('models', { configuration: config.id, data_loc: data, basename: null, filesize: null, irspack_version: '0.1.0', status: 'RUNNING', error: null, name: config.name, recommender_class_name: config.recommender_class_name, parameters: config.parameters_json, n_users: 943, n_items: 1203, metrics, lineage: { seed: 42, n_interactions: 36282, data_sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' } })
    setTimeout(() => Object.assign(model, { status: 'COMPLETED', filesize: 1_843_200, basename: `model-${model.id}.safetensors` }), 1500)
    return model
  }

  /** Reads `user,item,…` loosely; the real reading is the server's business. */
  function report(text, eventColumn) {
    const [head, ...lines] = text.trim().split('\n')
    const columns = head.split(',')
    const fault = (raw) => {
      const cells = raw.split(',')
      if (cells.length !== columns.length) return 'This row has too few fields.'
      return cells[0] === '' || cells[1] === '' ? 'The id of the user or the item is blank.' : null
    }
    const good = lines.filter((line) => !fault(line)).map((line) => line.split(','))
    const bad = lines.map((raw, at) => ({ line: at + 2, reason: fault(raw), raw })).filter(({ reason }) => reason)
    const users = new Set(good.map((cells) => cells[0]))
    const items = new Set(good.map((cells) => cells[1]))
    const at = columns.indexOf(eventColumn)
    const counts = new Map()
    if (at >= 0) for (const cells of good) counts.set(cells[at], (counts.get(cells[at]) ?? 0) + 1)
    const events = [...counts].map(([name, rows]) => ({ name, rows })).sort((a, b) => b.rows - a.rows).slice(0, 50)
    return { columns, rows: good, report: { events, rows_total: lines.length, rows_kept: good.length, rejected: bad.length, users: users.size, items: items.size, density: good.length / users.size / items.size, duplicates: 12, blank_ids: 1, time_min: '1997-09-20T03:05:10Z', time_max: '1998-04-22T23:10:38Z', rejected_examples: bad.slice(0, 100) } }
  }

  const page = (rows) => ({ count: rows.length, next: null, previous: null, results: rows })
  const items = (n, from = 0) => Array.from({ length: n }, (_, i) => ({ item_id: ['007', 'a/b c', 'Sigur Rós'][i + from] ?? `item-${i + from}`, score: 1.2 - i * 0.07 }))

  function upload(body, boundary, otherwise) {
    const parts = body.toString('latin1').split(`--${boundary}`)
    const part = (name) => parts.find((text) => text.includes(`name="${name}"`))
    const content = (text) => Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4, -2), 'latin1').toString('utf8')
    const filename = Buffer.from(/filename="([^"]*)"/.exec(part('file'))[1], 'latin1').toString('utf8')
    const text = content(part('file'))
    const project = db.projects.find((p) => p.id === Number(content(part('project'))))
    if (otherwise) return otherwise(project, filename, text)
    const parsed = report(text, project.event_column)
    for (const column of [project.user_column, project.item_column, project.event_column].filter(Boolean)) {
      if (!parsed.columns.includes(column)) return [400, { file: [`The file has no column “${column}”. It has: ${parsed.columns.join(', ')}.`] }]
    }
    const row = insert('data', { project: project.id, basename: filename, filesize: Buffer.byteLength(text), status: 'preparing', error: null, report: null, download_url: null, rejected_rows_url: null })
    Object.defineProperty(row, 'parsed', { value: parsed, enumerable: false })
    setTimeout(() => Object.assign(row, { status: 'ready', report: parsed.report }), 700)
    return [201, row]
  }

  const TABLES = { project: 'projects', training_data: 'data', split_config: 'splits', evaluation_config: 'evaluations', model_configuration: 'configs', parameter_tuning_job: 'jobs', trained_model: 'models', api_keys: 'keys' }

  function answer(method, parts, query, body, request) {
    const [resource, id, action] = parts
    const known = people.answer(method, parts, query, body) ?? traffic.answer(method, parts, query, body)
    if (known) return known
    if (resource === 'item_meta_data') return upload(body, /boundary=(.*)$/.exec(request.headers['content-type'])[1], traffic.itemFile)
    const table = TABLES[resource]
    const row = table && id ? db[table].find((r) => r.id === Number(id)) : undefined
    const inProject = (project) => db.data.filter((d) => d.project === project).map((d) => d.id)
    if (resource === 'algorithms') return [200, ALGORITHMS.map(([name, short, description, parameters, early_stopping, default_in_tuning]) => ({ name, short, description, parameters: parameters.map((p) => ({ name: p, type: 'float', default: null, search: {} })), early_stopping, default_in_tuning, learns_from: 'users' }))]
    if (resource === 'project_summary') {
      const project = Number(id)
      return [200, { n_data: inProject(project).length, n_complete_jobs: db.jobs.filter((j) => j.status === 'COMPLETED' && inProject(project).includes(j.data)).length, n_models: db.models.filter((m) => inProject(project).includes(m.data_loc)).length, ins_datetime: now() }]
    }
    if (resource === 'users') return body.old_password === password ? [200, { detail: 'Done.' }] : [400, { old_password: ['The current password is wrong.'] }]
    if (!table || (id && !row)) return [404, { detail: 'Not found.' }]
    if (method === 'DELETE') {
      db[table].splice(db[table].indexOf(row), 1)
      return [204]
    }
    if (action === 'preview') return [200, { columns: row.parsed.columns, rows: row.parsed.rows.slice(0, 50), total_rows: 50 }]
    if (action === 'trials') return [200, db.trials[row.id] ?? []]
    if (action === 'cancel') {
      Object.assign(row, { status: 'CANCELLED', finished_at: now() })
      tell(row.id, 'status', status(row))
      return [200, row]
    }
    if (action === 'revoke') {
      row.is_active = false
      return [200, { status: 'revoked' }]
    }
    if (action === 'recommendation') return query.get('user_id') === 'nobody' ? [404, { detail: 'Unknown user.' }] : [200, items(Number(query.get('cutoff')))]
    if (action === 'similar') return [200, items(Number(query.get('cutoff')), 4)]
    if (action === 'sample_recommendation_raw') return [200, { user_id: '196', user_profile: ['242', '302', 'a/b c'], recommendations: items(20) }]
    if (action === 'recommend_using_profile_interaction') return [200, { recommendations: items(body.cutoff, 3) }]
    if (method === 'PATCH') return change(resource, row, body)
    if (id) return [200, row]
    if (method === 'GET') return [200, page(list(table, query))]
    return create(resource, body, request)
  }

  function list(table, query) {
    const project = Number(query.get('project') ?? query.get('data__project') ?? query.get('data_loc__project'))
    if (!project) return db[table]
    const files = db.data.filter((d) => d.project === project).map((d) => d.id)
    if (table === 'jobs') return db.jobs.filter((j) => files.includes(j.data))
    if (table === 'models') return db.models.filter((m) => files.includes(m.data_loc))
    return db[table].filter((r) => r.project === project)
  }

  /** Only projects can be changed; what is wrong is said by field. */
  function change(resource, row, body) {
    if (resource !== 'project') return [405, { detail: 'Not allowed.' }]
    if (db.projects.some((p) => p !== row && p.name === body.name)) return [400, { name: ['You already have a project of this name.'] }]
    if (body.half_life_days !== undefined && body.half_life_days !== null && !(body.half_life_days >= 0.001 && body.half_life_days <= 36_500)) return [400, { half_life_days: ['Between 0.001 and 36500.'] }]
    const weights = Object.values(body.event_weights ?? {})
    if (weights.length > 0 && !weights.some((weight) => weight > 0)) return [400, { event_weights: ['At least one weight has to be above 0.'] }]
    return [200, Object.assign(row, body, { updated_at: now() })]
  }

  function create(resource, body, request) {
    switch (resource) {
      case 'project':
        if (db.projects.some((p) => p.name === body.name)) return [400, { name: ['You already have a project of this name.'] }]
        return [201, insert('projects', { owner: 1, organisation: 1, updated_at: now(), time_column: null, event_column: null, event_weights: {}, half_life_days: null, ...body })]
      case 'training_data':
        return upload(body, /boundary=(.*)$/.exec(request.headers['content-type'])[1])
      case 'parameter_tuning_job': {
        const evaluation = db.evaluations.find((e) => e.id === body.evaluation)
        const job = insert('jobs', { search_weights: false, ...body, status: 'PENDING', best_score: null, tuned_model: null, best_config: null, error: null, n_completed: 0, n_pruned: 0, n_failed: 0, n_running: 0, baseline_score: null, target_metric: evaluation.target_metric, cutoff: evaluation.cutoff, started_at: null, finished_at: null })
        setTimeout(() => runJob(job), 600)
        return [201, { ...job }]
      }
      case 'trained_model':
        return [201, trainModel(db.configs.find((c) => c.id === body.configuration), body.data_loc)]
      case 'api_keys': {
        const key = insert('keys', { ...body, key_prefix: 'q7Xb2LmA', is_active: true, last_used_at: null, expires_at: body.expires_at ?? null })
        return [201, { ...key, key: 'rctm_q7Xb2LmAq7Xb2LmAq7Xb2LmAq7Xb2LmAq7Xb2LmAq7Xb2LmAq7Xb2LmAq7Xb2LmA' }]
      }
      default:
        return [201, insert(TABLES[resource], { name: null, ...body })]
    }
  }

  function auth(parts, request, body) {
    const [action] = parts
    const loggedIn = /jwt-access=ok/.test(request.headers.cookie ?? '')
    const known = people.auth(request.method, parts, body, loggedIn)
    if (known) return known
    if (action === 'login') {
      if (failures >= 5) return [429, { detail: 'Too many requests.' }, { 'Retry-After': '42' }]
      if ((body.username !== 'admin' || body.password !== password) && !people.knows(body.username, body.password)) {
        failures += 1
        return [400, { non_field_errors: ['Unable to log in with provided credentials.'] }]
      }
      failures = 0
      return [200, { access: 'x.y.z', refresh: '', user }, { 'Set-Cookie': 'jwt-access=ok; HttpOnly; SameSite=Strict; Path=/' }]
    }
    if (action === 'logout') return [200, { detail: 'Bye.' }, { 'Set-Cookie': 'jwt-access=; Max-Age=0; Path=/' }]
    if (!loggedIn) return [401, { detail: 'Not authenticated.' }]
    return [200, user]
  }

  async function handle(request, response) {
    const url = new URL(request.url, 'http://x')
    response.setHeader('Content-Security-Policy', CSP)
    if (!url.pathname.startsWith('/api/v1/')) return serveFile(url.pathname, response)
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const raw = Buffer.concat(chunks)
    const body = request.headers['content-type']?.startsWith('application/json') && raw.length ? JSON.parse(raw) : raw
    const parts = url.pathname.slice('/api/v1/'.length).split('/').filter(Boolean).map(decodeURIComponent)
    const [code, content, headers = {}] =
      parts[0] === 'auth'
        ? auth(parts.slice(1), request, body)
        : parts[0] === 'invitation'
          ? people.invitation(parts[1], body)
        : /jwt-access=ok/.test(request.headers.cookie ?? '')
          ? answer(request.method, parts, url.searchParams, body, request)
          : [401, { detail: 'Not authenticated.' }]
    response.writeHead(code, { 'Content-Type': 'application/json', ...headers })
    response.end(content === undefined ? undefined : JSON.stringify(content))
  }

  function serveFile(pathname, response) {
    const wanted = join(DIST, normalize(pathname))
    const file = pathname !== '/' && existsSync(wanted) ? wanted : join(DIST, 'index.html')
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' })
    createReadStream(file).pipe(response)
  }

  const server = createServer((request, response) => void handle(request, response))
  const upgrades = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    const [, of, job, kind] = /^\/ws\/(job|model)\/(\d+)\/(status|logs)\/$/.exec(request.url) ?? []
    if (!job) return socket.destroy()
    upgrades.handleUpgrade(request, socket, head, (ws) => {
      ws.seq = 0
      const key = of === 'job' ? `${job}/${kind}` : `model/${job}/${kind}`
      if (!sockets.has(key)) sockets.set(key, new Set())
      sockets.get(key).add(ws)
      ws.on('close', () => sockets.get(key).delete(ws))
      const row = (of === 'job' ? db.jobs : db.models).find((j) => j.id === Number(job))
      const first = kind === 'logs' ? (db.logs[key.replace('/logs', '')] ?? []) : row ? [status(row)] : []
      for (const message of first) ws.send(JSON.stringify({ ...message, seq: ws.seq++ }))
    })
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}`, password, stop: () => server.close() }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url, password } = await startMock({ port: Number(process.env.PORT ?? 8000) })
  console.log(`${url}  admin / ${password}`)
}
