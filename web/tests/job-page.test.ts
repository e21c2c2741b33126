import { afterEach, expect, it, vi } from 'vitest'
import JobPage from '@/pages/JobPage.vue'
import { list, MEMBER, openPage } from './support'

afterEach(() => vi.unstubAllGlobals())

const WARNING =
  'There is no algorithm "IALSRecomender". Did you mean IALSRecommender? This search tries TopPopRecommender.'
const JOB = {
  id: 4,
  data: 8,
  split: 2,
  evaluation: 3,
  status: 'COMPLETED',
  n_tasks_parallel: 1,
  n_trials: 1,
  n_completed: 0,
  n_pruned: 0,
  n_failed: 0,
  n_running: 0,
  tried_algorithms_json: ['IALSRecomender'],
  train_after_tuning: false,
  search_weights: false,
  tuned_model: null,
  best_config: null,
  best_score: null,
  baseline_score: null,
  random_seed: null,
  target_metric: 'ndcg',
  cutoff: 20,
  ins_datetime: '',
  started_at: null,
  finished_at: null,
  error: null,
  task_links: [],
}

const open = (job: object, split?: object) =>
  openPage('job', JobPage, {
    address: '/projects/3/tuning/4',
    user: MEMBER,
    answers: {
      'GET parameter_tuning_job/4/': job,
      'GET parameter_tuning_job/4/trials/': [],
      'GET task_log/': list([]),
      'GET project/3/': { id: 3, name: 'Shop', organisation: 5 },
      ...(split && { 'GET split_config/2/': split }),
    },
  })

it('a search says what it was asked for and does not do', async () => {
  const warned = await open({ ...JOB, warnings: [WARNING] })
  expect(warned.id('job-warning').text()).toBe(WARNING)
  warned.page.unmount()
  const plain = await open({ ...JOB, warnings: [] })
  expect(plain.has('job-warning')).toBe(false)
  plain.page.unmount()
})

it('a search for models of new items names its baseline and what it holds out', async () => {
  const split = { id: 2, scheme: 'TI', heldout_ratio: 0.1, heldout_item_ratio: 0.25 }
  const cold_baselines = [
    {
      name: 'popularity_from_features',
      score: { mean: 0.1, low: 0.09, high: 0.11 },
      beside_new_items: null,
    },
  ]
  const { page, id } = await open({ ...JOB, best_score: 0.2, baseline_score: 0.1, cold_baselines }, split)
  expect(id('job-progress').text()).toContain('+100% vs. popularity from features')
  expect(id('job-split').text()).toBe('New items, by time · 25%')
  expect(page.text()).toContain('Measured on new items only.')
  page.unmount()

  const known = await open(
    { ...JOB, best_score: 0.2, baseline_score: 0.1, cold_baselines: null },
    { ...split, scheme: 'RG' },
  )
  expect(known.id('job-progress').text()).toContain('+100% vs. popularity')
  expect(known.id('job-progress').text()).not.toContain('features')
  expect(known.id('job-split').text()).toBe('Random · 10%')
  known.page.unmount()
})
