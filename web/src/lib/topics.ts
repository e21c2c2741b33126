import type { Topic } from '@/api/integrations'

/** The topics of webhooks, in the groups in which they are offered. */
export const TOPIC_GROUPS: { key: string; icon: string; topics: Topic[] }[] = [
  { key: 'models', icon: 'pi-box', topics: ['model.trained', 'model.failed'] },
  { key: 'searches', icon: 'pi-sliders-h', topics: ['tuning.completed', 'tuning.failed'] },
  {
    key: 'traffic',
    icon: 'pi-share-alt',
    topics: ['slot.changed', 'ab_test.significant', 'ab_test.ended'],
  },
  {
    key: 'retraining',
    icon: 'pi-replay',
    topics: ['retraining.completed', 'retraining.skipped', 'retraining.refused_by_gate'],
  },
  { key: 'data', icon: 'pi-database', topics: ['data.ready', 'data.failed'] },
  { key: 'sources', icon: 'pi-cloud-download', topics: ['source.succeeded', 'source.held', 'source.failed'] },
  { key: 'deliveries', icon: 'pi-upload', topics: ['delivery.succeeded', 'delivery.failed'] },
  { key: 'studio', icon: 'pi-bolt', topics: ['studio.ready', 'studio.failed'] },
  { key: 'webhooks', icon: 'pi-send', topics: ['webhook.disabled'] },
  { key: 'recommendations', icon: 'pi-list', topics: ['recommendation.served'] },
]

/** Sent only on request, so that it cannot be chosen. */
export const TEST_TOPIC: Topic = 'webhook.test'
/** Not among "all topics": there is one message each second, and it names users. */
export const SERVED_TOPIC: Topic = 'recommendation.served'

export const TOPICS = TOPIC_GROUPS.flatMap((group) => group.topics)

/** Message keys may not contain dots. */
export const topicKey = (topic: string) => topic.replaceAll('.', '_')

const iconOf = new Map(
  TOPIC_GROUPS.flatMap((group) => group.topics.map((topic): [string, string] => [topic, group.icon])),
)
export const topicIcon = (topic: string) => iconOf.get(topic) ?? 'pi-send'

export type Tone = 'good' | 'bad' | 'plain'
/** Returns whether a topic is good news, bad news or neither. */
export function toneOf(topic: string): Tone {
  if (/\.(failed|disabled|held|refused_by_gate)$/.test(topic)) return 'bad'
  return /\.(trained|completed|ready|significant|succeeded)$/.test(topic) ? 'good' : 'plain'
}
