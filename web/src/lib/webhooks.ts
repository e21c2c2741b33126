import { useI18n } from 'vue-i18n'
import type { Endpoint, Message } from '@/api/integrations'
import { topicKey } from './topics'

export type Health = 'untried' | 'healthy' | 'failing' | 'off'

/** What an attempt came to. */
export interface Outcome {
  status_code: number | null
  error_code: string | null
}
export const isDelivered = ({ status_code, error_code }: Outcome) =>
  error_code === null && status_code !== null && status_code >= 200 && status_code < 300

export function healthOf(endpoint: Pick<Endpoint, 'is_active' | 'last_attempt'>): Health {
  if (!endpoint.is_active) return 'off'
  if (!endpoint.last_attempt) return 'untried'
  return isDelivered(endpoint.last_attempt) ? 'healthy' : 'failing'
}

/** Returns how a message stands: one that waits after a failed attempt is sent again. */
export const standingOf = ({ state, attempts }: Pick<Message, 'state' | 'attempts'>) =>
  state === 'waiting' && attempts > 0 ? 'retrying' : state

/** Returns whether requests signed with the former secret still count as signed. */
export const overlaps = (until: string | null | undefined, now = Date.now()) =>
  !!until && Date.parse(until) > now

/** Words for topics, and for what attempts came to. What the server names and this page does not is shown as it is. */
export function useWebhookWords() {
  const { t, te } = useI18n()
  const topic = (name: string) => (te(`topics.${topicKey(name)}`) ? t(`topics.${topicKey(name)}`) : name)
  const errorOf = (code: string) =>
    te(`integrations.errors.${code}`) ? t(`integrations.errors.${code}`) : code
  function outcome(of: Outcome): string {
    const { status_code: code, error_code: error } = of
    const status = code === null ? null : t('integrations.answered', { code })
    const reason = error === null || (status !== null && error === 'http_status') ? null : errorOf(error)
    return [status, reason].filter((part) => part !== null).join(' · ') || '–'
  }
  return { topic, outcome }
}
