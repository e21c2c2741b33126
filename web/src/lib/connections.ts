import { ApiError } from '@/api/client'
import { translatedSentence } from '@/i18n/refusals'
import { i18n } from '@/i18n'
import type {
  Connection,
  ConnectionFields,
  ConnectionKind,
  ConnectionSettings,
  TestStep,
  Tls,
} from '@/api/sources'

/** The kinds that can be created here, in the order in which they are offered. */
export const KINDS: ConnectionKind[] = ['postgresql', 'mysql', 's3', 'http', 'folder']
/** Returns whether a connection leads to files rather than tables. */
export const hasFiles = (kind: ConnectionKind) => kind === 's3' || kind === 'http' || kind === 'folder'
export const TLS_CHOICES: Tls[] = ['verify_full', 'require', 'off']
const PORTS: Partial<Record<ConnectionKind, number>> = { postgresql: 5432, mysql: 3306 }
export const portOf = (kind: ConnectionKind) => PORTS[kind] ?? null

export type Standing = 'untested' | 'usable' | 'warned' | 'unusable'

/** Returns how the last test went. A role that may write is usable, with a warning, as is a server without encryption. */
export function standingOf(steps: TestStep[] | null): Standing {
  if (!steps?.length) return 'untested'
  if (steps.some((step) => step.state === 'failed')) return 'unusable'
  return steps.some((step) => step.state === 'warning') ? 'warned' : 'usable'
}

export interface ConnectionForm {
  name: string
  kind: ConnectionKind
  host: string
  port: number | null
  database: string
  username: string
  /** Empty: the password that is set stays. */
  password: string
  tls: Tls
  certificate: string
  timeZone: string
  path: string
  url: string
  bucket: string
  region: string
  endpoint: string
  accessKey: string
  pathStyle: boolean
}

export function connectionForm(row: Connection | null): ConnectionForm {
  const kind = row?.kind ?? 'postgresql'
  return {
    name: row?.name ?? '',
    kind,
    host: row?.settings.host ?? '',
    port: row?.settings.port ?? portOf(kind),
    database: row?.settings.database ?? '',
    username: row?.settings.username ?? '',
    password: '',
    tls: row?.settings.tls ?? 'verify_full',
    certificate: row?.settings.ca_certificate ?? '',
    timeZone: row?.settings.time_zone ?? 'UTC',
    path: row?.settings.path ?? '',
    url: row?.settings.url ?? '',
    bucket: row?.settings.bucket ?? '',
    region: row?.settings.region ?? 'us-east-1',
    endpoint: row?.settings.endpoint ?? '',
    accessKey: row?.settings.access_key_id ?? '',
    pathStyle: row?.settings.path_style ?? false,
  }
}

function fileSettings(form: ConnectionForm): ConnectionSettings {
  if (form.kind === 'folder') return { path: form.path.trim() }
  if (form.kind === 'http') return { url: form.url.trim() }
  return {
    bucket: form.bucket.trim(),
    region: form.region.trim(),
    ...(form.endpoint.trim() ? { endpoint: form.endpoint.trim() } : {}),
    ...(form.accessKey.trim() ? { access_key_id: form.accessKey.trim() } : {}),
    path_style: form.pathStyle,
  }
}

/** Returns the body of a form. Fields that do not concern the kind are left out. */
export function connectionFields(form: ConnectionForm): ConnectionFields {
  const certificate = form.certificate.trim()
  return {
    name: form.name.trim(),
    kind: form.kind,
    settings: hasFiles(form.kind)
      ? fileSettings(form)
      : {
          host: form.host.trim(),
          port: form.port ?? 0,
          database: form.database.trim(),
          username: form.username.trim(),
          tls: form.tls,
          ...(certificate && form.tls === 'verify_full' ? { ca_certificate: certificate } : {}),
          ...(form.kind === 'mysql' ? { time_zone: form.timeZone } : {}),
        },
    ...(form.password === '' ? {} : { secret: form.password }),
  }
}

/** Returns where a connection leads, as its card says it. */
export const addressOf = ({ settings }: Pick<Connection, 'settings'>) =>
  settings.path ??
  settings.url ??
  (settings.bucket ? `${settings.endpoint ?? 's3:/'}/${settings.bucket}` : databaseOf(settings))
const databaseOf = (settings: ConnectionSettings) =>
  `${settings.host}${settings.port ? `:${settings.port}` : ''}/${settings.database}`

/** Returns what the server says about one setting: it names the setting before the sentence. */
export function settingFault(error: unknown, setting: string): string | undefined {
  const said = error instanceof ApiError ? (error.fields.settings ?? []) : []
  const start = `${setting}: `
  const sentence = said.find((text) => text.startsWith(start))?.slice(start.length)
  return sentence && (translatedSentence(i18n.global.locale.value, sentence) ?? sentence)
}

/** Returns whether the password would go to another server, or on another way, than the one it was entered for. */
export function changesRecipient(row: Connection, form: ConnectionForm): boolean {
  const { settings } = row
  const { settings: wanted } = connectionFields(form)
  if (hasFiles(row.kind)) {
    return (
      (settings.url ?? '') !== (wanted.url ?? '') || (settings.endpoint ?? '') !== (wanted.endpoint ?? '')
    )
  }
  return (
    settings.host !== wanted.host ||
    (settings.port ?? portOf(row.kind)) !== wanted.port ||
    settings.tls !== wanted.tls ||
    (settings.ca_certificate ?? '') !== (wanted.ca_certificate ?? '')
  )
}
