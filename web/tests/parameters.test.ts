import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { nextTick } from 'vue'
import ParameterList from '@/components/ParameterList.vue'
import { i18n } from '@/i18n'

it('what interactions count is said in words, what belongs to the algorithm by its name', async () => {
  i18n.global.locale.value = 'en'
  const list = mount(ParameterList, {
    global: { plugins: [i18n] },
    props: { parameters: { top_k: 100, 'event_weight.a.b {c} | d': 2.5, half_life_days: 30.123456 } },
  })
  const names = () => list.findAll('dt').map((name) => name.text())
  expect(names()).toEqual(['top_k', 'weight of a.b {c} | d', 'half-life (days)'])
  expect(list.findAll('dd').map((value) => value.text())).toEqual(['100', '2.5', '30.12'])
  i18n.global.locale.value = 'ja'
  await nextTick()
  expect(names()).toEqual(['top_k', '「a.b {c} | d」の重み', '半減期（日）'])
})
