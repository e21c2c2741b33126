/** The part of the stand-in that knows accounts, organisations and the audit log. */

const AGENTS = ['Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1', 'recotem-sync/2.3']

export function mockPeople({ now, ago, db, admin }) {
  let nextId = 500
  const account = (id, username, email, more = {}) => ({ id, username, email, is_staff: false, is_active: true, date_joined: ago(200 - id), last_login: ago(id % 9), ...more })
  const accounts = [
    account(1, 'admin', 'admin@example.com', { is_staff: true }),
    account(2, 'hanako', 'hanako@example.com'),
    account(3, 'jörg', 'joerg@example.com'),
    account(4, 'old-colleague', '', { is_active: false, last_login: null }),
  ]
  const passwords = new Map()
  const member = (user, role) => ({ user, username: accounts.find((a) => a.id === user).username, email: accounts.find((a) => a.id === user).email, first_name: user === 2 ? 'Hanako' : '', last_name: user === 2 ? 'Yamada' : '', role, ins_datetime: ago(30) })
  const organisations = [
    { id: 1, name: 'admin', is_personal: true, ins_datetime: ago(90), members: [member(1, 'owner')], invitations: [] },
    { id: 2, name: 'Northwind Books', is_personal: false, ins_datetime: ago(40), members: [member(1, 'owner'), member(2, 'admin'), member(3, 'viewer')], invitations: [{ id: 11, role: 'editor', email: 'new.person@example.com', expires_at: ago(-5), invited_by: 'hanako', token: 'open-token' }] },
  ]
  let sessions = [
    { id: 71, created_at: ago(3), last_used_at: ago(0), address: '203.0.113.7', user_agent: AGENTS[0], current: true },
    { id: 72, created_at: ago(12), last_used_at: ago(1), address: '198.51.100.23', user_agent: AGENTS[1], current: false },
    { id: 73, created_at: ago(60), last_used_at: null, address: '2001:db8::17', user_agent: AGENTS[2], current: false },
  ]
  const entry = (id, days, action, resource, resource_id, before, after, more = {}) => ({ id, at: ago(days), organisation: 2, project: null, user: 1, username: 'admin', api_key: null, address: '203.0.113.7', request_id: `0f8c-${id}`, action, resource, resource_id, before, after, ...more })
  const audit = [
    entry(6, 0.01, 'updated', 'project', 12, { name: 'Books', event_weights: { view: 1 }, half_life_days: null }, { name: 'Books', event_weights: { view: 0.5, purchase: 5 }, half_life_days: 30 }),
    entry(5, 0.2, 'created', 'trained_model', 31, null, { configuration: 8, data_loc: 4, status: 'PENDING' }, { user: null, username: null, api_key: 12 }),
    entry(4, 1, 'updated', 'member', 3, { role: 'editor' }, { role: 'viewer' }, { user: 2, username: 'hanako' }),
    entry(3, 2, 'deleted', 'training_data', 3, { basename: 'clicks-2025.csv.gz', filesize: 18_400_231 }, null),
    entry(2, 3, 'created', 'invitation', 11, null, { role: 'editor', email: 'new.person@example.com' }, { user: 2, username: 'hanako' }),
    ...Array.from({ length: 60 }, (_, i) => entry(-i, 4 + i, 'created', 'parameter_tuning_job', 100 + i, null, { n_trials: 40, search_weights: i % 2 === 0 }, { user: null, username: null, address: null })),
  ]

  const page = (rows, query) => {
    const size = Number(query.get('page_size') ?? 20)
    const at = (Number(query.get('page') ?? 1) - 1) * size
    return { count: rows.length, next: at + size < rows.length ? 'next' : null, previous: at > 0 ? 'previous' : null, results: rows.slice(at, at + size) }
  }
  const shown = (o) => ({ id: o.id, name: o.name, is_personal: o.is_personal, role: o.members.find((m) => m.user === 1)?.role ?? null, n_members: o.members.length, n_projects: db.projects.filter((p) => p.organisation === o.id).length, ins_datetime: o.ins_datetime })
  const withoutToken = (row) => ({ ...row, token: undefined })
  const byToken = (token) => organisations.flatMap((o) => o.invitations.map((invitation) => ({ o, invitation }))).find(({ invitation }) => invitation.token === token)

  function organisation(method, [id, part, row], query, body) {
    if (!id) {
      if (method === 'GET') return [200, page(organisations.map(shown), query)]
      if (organisations.some((o) => o.name === body.name)) return [400, { name: ['You already have an organisation of this name.'] }]
      organisations.push({ id: nextId++, name: body.name, is_personal: false, ins_datetime: now(), members: [member(1, 'owner')], invitations: [] })
      return [201, shown(organisations.at(-1))]
    }
    const o = organisations.find((one) => one.id === Number(id))
    if (!o) return [404, { detail: 'Not found.' }]
    if (part === 'members') {
      if (!row) return [200, page(o.members, query)]
      const found = o.members.find((m) => m.user === Number(row))
      if (method === 'PATCH') return [200, Object.assign(found, body)]
      o.members.splice(o.members.indexOf(found), 1)
      return [204]
    }
    if (part === 'invitations') {
      if (method === 'GET') return [200, page(o.invitations.map(withoutToken), query)]
      if (method === 'DELETE') {
        o.invitations = o.invitations.filter((i) => i.id !== Number(row))
        return [204]
      }
      const id = nextId++
      const invitation = { id, role: body.role, email: body.email ?? null, expires_at: ago(-(body.expires_in_days ?? 7)), invited_by: 'admin', token: `token-${id}` }
      o.invitations.push(invitation)
      return [201, { ...invitation, url: `http://127.0.0.1/invitation#token=${invitation.token}` }]
    }
    if (method === 'PATCH') return [200, shown(Object.assign(o, body))]
    if (method === 'DELETE') {
      const dependents = db.projects.filter((p) => p.organisation === o.id).map((p) => ({ resource: 'project', id: p.id, name: p.name }))
      if (dependents.length > 0) return [409, { detail: 'The organisation still has projects.', dependents }]
      organisations.splice(organisations.indexOf(o), 1)
      return [204]
    }
    return [200, shown(o)]
  }

  function users(method, [id, action], body) {
    if (!id) {
      if (method === 'GET') return [200, accounts]
      if (accounts.some((a) => a.username === body.username)) return [400, { username: ['A user with that username already exists.'] }]
      accounts.push(account(nextId++, body.username, body.email, { is_staff: body.is_staff, date_joined: now(), last_login: null }))
      return [201, accounts.at(-1)]
    }
    const found = accounts.find((a) => a.id === Number(id))
    if (!found) return [404, { detail: 'Not found.' }]
    if (method === 'PATCH') return [200, Object.assign(found, body)]
    if (action === 'password_reset_link') return [200, { url: `http://127.0.0.1/password-reset#uid=${found.id}&token=reset-token`, expires_at: ago(-1) }]
    if (action === 'deactivate' || action === 'activate') found.is_active = action === 'activate'
    return [200, found]
  }

  function log(rest, query) {
    const is = (name, field = name) => (row) => !query.get(name) || String(row[field]) === query.get(name)
    const rows = audit
      .filter(is('organisation')).filter(is('project')).filter(is('user')).filter(is('resource')).filter(is('action'))
      .filter((row) => !query.get('since') || row.at >= query.get('since'))
      .filter((row) => !query.get('until') || row.at <= query.get('until'))
    return [200, page(rows, query)]
  }

  /** Answers what needs a session; nothing when it is somebody else's business. */
  function answer(method, [resource, ...rest], query, body) {
    if (resource === 'organisation') return organisation(method, rest, query, body)
    if (resource === 'users' && rest[0] !== 'change_password') return users(method, rest, body)
    if (resource === 'audit_log') return log(rest, query)
    if (resource === 'invitation') return invitation(rest[0], body)
    return undefined
  }

  function invitation(action, body) {
    const found = byToken(body.token)
    if (!found) return [404, { detail: 'Not found.' }]
    const { o, invitation: row } = found
    if (action === 'look_up') return [200, { organisation_name: o.name, role: row.role, invited_by: row.invited_by, expires_at: row.expires_at, email: row.email }]
    let joining = accounts[0]
    if (body.username) {
      if (accounts.some((a) => a.username === body.username)) return [400, { username: ['A user with that username already exists.'] }]
      joining = account(nextId++, body.username, body.email)
      accounts.push(joining)
      passwords.set(body.username, body.password)
    }
    o.invitations.splice(o.invitations.indexOf(row), 1)
    if (!o.members.some((m) => m.user === joining.id)) o.members.push(member(joining.id, row.role))
    return [200, shown(o)]
  }

  /** Answers what strangers may ask, and what `auth/` holds beyond log-in. */
  function auth(method, [action, ...rest], body, loggedIn) {
    if (action === 'options') return [200, { sign_up: true, mail: true }]
    if (action === 'sign_up') {
      if (accounts.some((a) => a.username === body.username)) return [400, { username: ['A user with that username already exists.'] }]
      accounts.push(account(nextId++, body.username, body.email))
      return [200, { access: 'x.y.z', refresh: '', user: { ...admin, username: body.username, is_staff: false } }, { 'Set-Cookie': 'jwt-access=ok; HttpOnly; SameSite=Strict; Path=/' }]
    }
    if (action === 'password' && rest[1] === 'confirm') return body.token === 'reset-token' ? [200, { detail: 'Done.' }] : [400, { token: ['Invalid value.'] }]
    if (action === 'password') return [200, { detail: 'Sent.' }]
    if (action === 'sessions' && loggedIn) {
      if (method === 'DELETE') {
        sessions = sessions.filter((s) => s.id !== Number(rest[0]))
        return [204]
      }
      return [200, sessions]
    }
    return undefined
  }

  return { answer, auth, invitation, knows: (username, password) => passwords.get(username) === password && password !== undefined }
}
