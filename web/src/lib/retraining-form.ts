import type { RetrainingSchedule, RetrainingSettings, TuningJob } from '@/api/types'
import { ownTimeZone } from './cron'

export const newSettings = (): RetrainingSettings => ({
  is_enabled: true,
  cron_expression: '0 3 * * 1',
  time_zone: ownTimeZone(),
  training_data: null,
  model_configuration: null,
  retune: false,
  split_config: null,
  evaluation_config: null,
  max_retries: 3,
  notify_on_failure: true,
  auto_deploy: false,
  gate_tolerance: 0.02,
  catch_up: 'once',
  skip_unchanged: true,
  data_source: 'newest',
  event_types: [],
  warm_start: false,
})

const FIELDS = Object.keys(newSettings()) as (keyof RetrainingSettings)[]

export const settingsOf = (schedule: RetrainingSchedule) =>
  Object.fromEntries(FIELDS.map((field) => [field, schedule[field]])) as unknown as RetrainingSettings

/** Returns only the changed fields, so that two users can change two settings. */
export function changedRetraining(
  saved: RetrainingSettings,
  form: RetrainingSettings,
): Partial<RetrainingSettings> {
  return Object.fromEntries(
    Object.entries(form).filter(
      ([key, value]) => JSON.stringify(saved[key as keyof RetrainingSettings]) !== JSON.stringify(value),
    ),
  ) as Partial<RetrainingSettings>
}

/** Returns the evaluation of an earlier search for a new one: users know searches, not the ids of splits and metrics. */
export function testLike(job: TuningJob): Pick<RetrainingSettings, 'split_config' | 'evaluation_config'> {
  return { split_config: job.split, evaluation_config: job.evaluation }
}
export const jobLike = (settings: RetrainingSettings, jobs: TuningJob[]) =>
  jobs.find((job) => job.split === settings.split_config && job.evaluation === settings.evaluation_config)
