import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const PROGRAMS = '/usr/lib/postgresql'

/** Where Debian keeps the programs of a server; elsewhere they are found by name. */
function folder() {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS).sort((a, b) => Number(b) - Number(a)) : []
  return versions
    .map((version) => join(PROGRAMS, version, 'bin'))
    .find((path) => existsSync(join(path, 'initdb')))
}
const program = (name) => (folder() ? join(folder(), name) : name)

/** A server refuses to run as root. */
const asUser = (command, args) =>
  process.getuid?.() === 0
    ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]]
    : [command, args]

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/** A PostgreSQL of a shop on this machine, with passwords and without encryption. `sql` runs statements as its superuser. */
export async function startPostgres(password) {
  const home = mkdtempSync(join(tmpdir(), 'recotem-shop-'))
  chmodSync(home, 0o777)
  const [data, secret, log] = ['data', 'password', 'log'].map((name) => join(home, name))
  writeFileSync(secret, password)
  chmodSync(secret, 0o644)
  const port = await freePort()
  const options = { cwd: home, env: { ...process.env, PGPASSWORD: password, LC_ALL: 'C.UTF-8' } }
  const call = (name, ...args) => run(...asUser(program(name), args), options)
  const stop = async () => {
    await call('pg_ctl', '-D', data, '-m', 'immediate', 'stop').catch(() => {})
    rmSync(home, { recursive: true, force: true })
  }
  try {
    await call('initdb', '-D', data, '-U', 'owner', '-A', 'scram-sha-256', `--pwfile=${secret}`, '-N')
    const listen = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`
    await call('pg_ctl', '-D', data, '-l', log, '-w', '-o', listen, 'start')
  } catch (error) {
    await stop()
    throw error
  }
  const sql = (text) =>
    call(
      'psql',
      `host=127.0.0.1 port=${port} user=owner dbname=postgres`,
      '-X',
      '-q',
      '-v',
      'ON_ERROR_STOP=1',
      '-tA',
      '-c',
      text,
    )
  return {
    host: '127.0.0.1',
    port,
    database: 'postgres',
    sql: async (text) => (await sql(text)).stdout.trim(),
    stop,
  }
}
