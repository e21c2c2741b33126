import { mount } from '@vue/test-utils'
import InputNumber from 'primevue/inputnumber'
import InputText from 'primevue/inputtext'
import Select from 'primevue/select'
import PrimeVue from 'primevue/config'
import { afterEach, describe, expect, it } from 'vitest'
import { defineComponent, nextTick, ref } from 'vue'
import { ApiError } from '@/api/client'
import FormField from '@/components/FormField.vue'
import { useForm } from '@/lib/form'
import { i18n } from '@/i18n'

const failure = ref<unknown>(null)
const sent = ref(0)
const Form = defineComponent({
  components: { FormField, InputText, InputNumber, SelectBox: Select },
  setup() {
    const name = ref('')
    const form = useForm(
      { name: () => (name.value ? undefined : 'Required.'), size: null, kind: null },
      failure,
    )
    return { name, ...form, send: () => (sent.value += 1) }
  },
  template: `
    <form ref="root" @submit.prevent="submit(send)">
      <FormField v-slot="{ input }" id="name" label="Name" hint="A hint" :error="errors.name">
        <InputText v-bind="input" v-model="name" />
      </FormField>
      <FormField v-slot="{ number }" id="size" label="Size" hint="A hint" :error="errors.size">
        <InputNumber v-bind="number" />
      </FormField>
      <FormField v-slot="{ select }" id="kind" label="Kind" :error="errors.kind">
        <SelectBox v-bind="select" :options="[1]" />
      </FormField>
      <p v-if="otherError" id="other">{{ otherError.message }}</p>
    </form>`,
})

function open() {
  failure.value = null
  sent.value = 0
  return mount(Form, { attachTo: document.body, global: { plugins: [PrimeVue, i18n] } })
}
afterEach(() => (document.body.innerHTML = ''))
const described = (id: string) => document.getElementById(id)?.getAttribute('aria-describedby')

describe('a form', () => {
  it('shows its own mistakes after the first attempt only, and goes to the first', async () => {
    const page = open()
    expect(page.find('#name-error').exists()).toBe(false)
    await page.get('form').trigger('submit')
    await nextTick()
    expect(page.get('#name-error').text()).toBe('Required.')
    expect(document.activeElement?.id).toBe('name')
    expect(sent.value).toBe(0)
    await page.get('#name').setValue('Shop')
    expect(page.find('#name-error').exists()).toBe(false)
    await page.get('form').trigger('submit')
    expect(sent.value).toBe(1)
    page.unmount()
  })

  it('shows what the server said beside its field, and anything else apart', async () => {
    const page = open()
    failure.value = new ApiError(400, 'Too large.', { size: ['Too large.'] })
    await nextTick()
    await nextTick()
    expect(page.get('#size-error').text()).toBe('Too large.')
    expect(page.find('#other').exists()).toBe(false)
    expect(document.activeElement?.id).toBe('size')
    failure.value = new ApiError(503, 'Busy.')
    await nextTick()
    expect(page.find('#size-error').exists()).toBe(false)
    expect(page.get('#other').text()).toBe('Busy.')
    page.unmount()
  })

  it('ties every kind of control to its hint and its error', async () => {
    const page = open()
    expect(described('name')).toBe('name-hint')
    expect(described('size')).toBe('size-hint')
    expect(described('kind') ?? null).toBeNull()
    failure.value = new ApiError(400, '', { size: ['Too large.'], kind: ['Unknown.'] })
    await nextTick()
    expect(described('size')).toBe('size-error size-hint')
    expect(described('kind')).toBe('kind-error')
    page.unmount()
  })
})
