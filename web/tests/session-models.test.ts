import Select from 'primevue/select'
import { afterEach, expect, it, vi } from 'vitest'
import { learnsFromSessions } from '@/lib/format'
import ModelPage from '@/pages/ModelPage.vue'
import ModelsPage from '@/pages/ModelsPage.vue'
import { list, openPage, settle } from './support'

const PARAMETER = { type: 'int', nullable: false, min: 1, max: 1_000_000, choices: null, search: null }
const ALGORITHMS = [
  {
    name: 'VMISKNNRecommender',
    short: 'VMISKNN',
    description: '',
    early_stopping: false,
    default_in_tuning: false,
    learns_from: 'sessions',
    parameters: [
      { ...PARAMETER, name: 'top_k', default: 100 },
      {
        ...PARAMETER,
        name: 'weighting',
        type: 'choice',
        min: null,
        max: null,
        choices: ['div', 'same'],
        default: 'div',
      },
    ],
  },
]
const upload = (id: number, time_min: string | null) => ({
  id,
  project: 3,
  status: 'ready',
  basename: `${id}.csv`,
  report: { time_min, time_max: time_min },
})
const MODEL = {
  id: 7,
  configuration: 5,
  data_loc: 1,
  status: 'COMPLETED',
  recommender_class_name: 'VMISKNNRecommender',
  parameters: { top_k: 50 },
  n_users: 20,
  n_items: 5,
  lineage: {},
  metrics: null,
  filesize: 10,
  ins_datetime: '2026-01-01T00:00:00Z',
}

afterEach(() => vi.unstubAllGlobals())

it('a model of sessions is asked with a session, by people and programs', async () => {
  const { page, id, has, sent } = await openPage('model', ModelPage, {
    address: '/projects/3/models/7',
    answers: {
      'GET trained_model/7/': MODEL,
      'GET model_configuration/5/': { id: 5, tuning_job: null },
      'GET training_data/1/': upload(1, '2024-01-01'),
      'POST trained_model/7/recommend_using_profile_interaction/': () => [
        200,
        { recommendations: [{ item_id: 'bulb', score: 1 }] },
      ],
    },
  })
  expect(has('preview-user')).toBe(false)
  expect(page.text()).not.toContain('By user')
  expect(page.get('#preview-items-hint').text()).toContain('oldest first')
  expect(id('lineage').text()).toContain('Sessions20')
  expect(id('curl').text()).toContain('/inference/next/7')
  await id('preview-items').setValue("desk\n007's\n")
  await id('model-preview').get('form').trigger('submit')
  await settle()
  expect(sent).toEqual([
    {
      method: 'POST',
      url: 'trained_model/7/recommend_using_profile_interaction/',
      body: { item_ids: ['desk', "007's"], cutoff: 10 },
    },
  ])
  expect(id('model-preview').text()).toContain('bulb')
  expect(id('curl').text()).toContain(`'{"session":["desk","007'\\''s"],"cutoff":10}'`)
  page.unmount()
})

it('it is trained with parameters that are explained, and only on data with times', async () => {
  const { page, id, has, sent } = await openPage('models', ModelsPage, {
    address: '/projects/3/models',
    answers: {
      'GET trained_model/': list([]),
      'GET training_data/': list([upload(1, null), upload(2, '2024-01-01')]),
      'GET model_configuration/': list([]),
      'GET algorithms/': ALGORITHMS,
      'POST model_configuration/': () => [201, { id: 5 }],
      'POST trained_model/': () => [201, MODEL],
    },
  })
  await id('train-model').trigger('click')
  await settle()
  const [data] = page.findAllComponents(Select)
  expect(id('train-untimed').text()).toContain('Set the time column')
  expect(id('train-submit').attributes('disabled')).toBeDefined()
  data?.vm.$emit('update:modelValue', 2)
  await settle()
  expect(has('train-untimed')).toBe(false)

  expect(page.get('#parameter-top_k-hint').text()).toBe(
    'Number of most similar sessions that vote for the next item. Default: 100.',
  )
  const top = id('parameter-top_k')
  await top.setValue('50')
  await top.trigger('blur')
  const weighting = page
    .findAllComponents(Select)
    .find((select) => select.props('labelId') === 'parameter-weighting')
  weighting?.vm.$emit('update:modelValue', 'same')
  await settle()
  weighting?.vm.$emit('update:modelValue', 'div')
  await settle()
  await id('train-submit').trigger('submit')
  await settle()
  expect(sent.map((one) => one.body)).toEqual([
    { project: 3, recommender_class_name: 'VMISKNNRecommender', parameters_json: { top_k: 50 } },
    { configuration: 5, data_loc: 2 },
  ])
  page.unmount()
})

it('iALS begins with a weight for what was not seen, where its own default makes no model', async () => {
  const number = (name: string, value: number) => ({
    ...PARAMETER,
    name,
    type: 'float',
    min: 0,
    default: value,
  })
  const ials = {
    ...ALGORITHMS[0],
    name: 'IALSRecommender',
    short: 'IALS',
    learns_from: 'users',
    parameters: [number('alpha0', 0), number('reg', 0.001)],
  }
  const { page, id, sent } = await openPage('models', ModelsPage, {
    address: '/projects/3/models',
    answers: {
      'GET trained_model/': list([]),
      'GET training_data/': list([upload(1, null)]),
      'GET model_configuration/': list([]),
      'GET algorithms/': [ials],
      'POST model_configuration/': () => [201, { id: 5 }],
      'POST trained_model/': () => [201, MODEL],
    },
  })
  await id('train-model').trigger('click')
  await settle()
  expect((id('parameter-alpha0').element as HTMLInputElement).value).toBe('0.1')
  expect(page.get('#parameter-alpha0-hint').text()).toContain('recommendations are arbitrary')
  await id('train-submit').trigger('submit')
  await settle()
  expect(sent[0]?.body).toEqual({
    project: 3,
    recommender_class_name: 'IALSRecommender',
    parameters_json: { alpha0: 0.1 },
  })
  page.unmount()
})

it('only one algorithm learns from sessions', () => {
  expect([
    learnsFromSessions('VMISKNNRecommender'),
    learnsFromSessions('IALSRecommender'),
    learnsFromSessions(null),
  ]).toEqual([true, false, false])
})
