import { afterEach, expect, it, vi } from 'vitest'
import UsersPage from '@/pages/UsersPage.vue'
import { ADMIN, MEMBER, openPage, settle } from './support'

afterEach(() => vi.unstubAllGlobals())

const account = (id: number, username: string, more = {}) => ({
  id,
  username,
  email: '',
  is_staff: false,
  is_active: true,
  date_joined: '2026-01-01T00:00:00Z',
  last_login: null,
  ...more,
})
const USERS = [
  account(1, 'admin', { is_staff: true }),
  account(2, 'hanako'),
  account(4, 'gone', { is_active: false }),
]

it('only staff see the accounts, and are not even asked for', async () => {
  const { page, id, has } = await openPage('users', UsersPage, {
    address: '/users',
    user: MEMBER,
    answers: { 'GET users/': USERS },
  })
  expect(has('user-row')).toBe(false)
  expect(id('error-notice').text()).toContain('do not have permission')
  page.unmount()
})

it('an administrator cannot take their own rights away, but those of others at once', async () => {
  const { page, sent } = await openPage('users', UsersPage, {
    address: '/users',
    user: ADMIN,
    answers: { 'GET users/': [USERS[0], account(2, 'hanako', { is_staff: true })], 'PATCH users/2/': {} },
  })
  const switches = page.findAll('[data-testid="staff-switch"] input')
  expect(switches.map((one) => (one.element as HTMLInputElement).disabled)).toEqual([true, false])
  await switches[1]?.setValue(false)
  await settle()
  expect(sent).toEqual([{ method: 'PATCH', url: 'users/2/', body: { is_staff: false } }])
  page.unmount()
})

it('a new user is checked here before being sent', async () => {
  const { page, id, sent } = await openPage('users', UsersPage, {
    address: '/users',
    user: ADMIN,
    answers: { 'GET users/': USERS, 'POST users/': () => [201, account(9, 'new')] },
  })
  await id('new-user').trigger('click')
  await settle()
  await id('new-username').setValue('new')
  await id('fresh-password').setValue('short')
  await page.get('[role="dialog"] form').trigger('submit')
  expect(page.get('#fresh-password-error').text()).toBe('Use at least 8 characters.')
  expect(sent).toEqual([])
  await id('fresh-password').setValue('correct horse')
  await page.get('[role="dialog"] form').trigger('submit')
  await settle()
  expect(sent[0]?.body).toEqual({ username: 'new', password: 'correct horse', email: '', is_staff: false })
  expect(page.find('[role="dialog"]').exists()).toBe(false)
  page.unmount()
})
