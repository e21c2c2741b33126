import { afterEach, describe, expect, it, vi } from 'vitest'
import { destination } from '@/lib/destination'
import { parseFragment } from '@/lib/fragment'
import { heldInvitation } from '@/lib/invitation'
import { describeAgent } from '@/lib/user-agent'
import InvitationPage from '@/pages/InvitationPage.vue'
import PasswordResetPage from '@/pages/PasswordResetPage.vue'
import SignUpPage from '@/pages/SignUpPage.vue'
import { MEMBER, openPage, settle } from './support'

afterEach(() => {
  vi.unstubAllGlobals()
  heldInvitation.value = ''
})

describe('what links carry', () => {
  it('is read as it stands', () => {
    expect(parseFragment('#uid=MQ&token=a+b=c')).toEqual({ uid: 'MQ', token: 'a+b=c' })
    expect(parseFragment('')).toEqual({})
  })

  it('never leads to another site', () => {
    expect(destination('/projects/3?x=1')).toBe('/projects/3?x=1')
    for (const elsewhere of ['//evil.example', '/\\evil.example', 'https://evil.example', undefined])
      expect(destination(elsewhere)).toBe('/')
  })
})

describe('a link to reset the password', () => {
  const address = '/password-reset#uid=MQ&token=secret'

  it('leaves the address bar and sets the password', async () => {
    const { page, id, has, sent, router } = await openPage('password-reset', PasswordResetPage, {
      address,
      answers: { 'POST auth/password/reset/confirm/': { detail: 'ok' } },
    })
    expect(router.currentRoute.value.fullPath).toBe('/password-reset')
    await id('fresh-password').setValue('correct horse')
    await id('fresh-repeat').setValue('correct hors')
    await page.get('form').trigger('submit')
    expect(page.get('#fresh-repeat-error').text()).toBe('Passwords do not match.')
    expect(sent).toEqual([])
    await id('fresh-repeat').setValue('correct horse')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({
      uid: 'MQ',
      token: 'secret',
      new_password1: 'correct horse',
      new_password2: 'correct horse',
    })
    expect(has('reset-done')).toBe(true)
    page.unmount()
  })

  it('that is used up says so, and where to get another', async () => {
    const { page, id } = await openPage('password-reset', PasswordResetPage, {
      address,
      answers: { 'POST auth/password/reset/confirm/': () => [400, { token: ['Invalid value.'] }] },
    })
    await id('fresh-password').setValue('correct horse')
    await id('fresh-repeat').setValue('correct horse')
    await page.get('form').trigger('submit')
    await settle()
    expect(id('reset-broken').text()).toContain('already been used')
    page.unmount()
  })

  it('without its secret is not complete', async () => {
    const { page, id } = await openPage('password-reset', PasswordResetPage, {
      address: '/password-reset',
      answers: {},
    })
    expect(id('reset-broken').text()).toContain('missing')
    page.unmount()
  })
})

describe('signing up', () => {
  it('says what the server refuses at its field', async () => {
    const { page, id } = await openPage('sign-up', SignUpPage, {
      address: '/sign-up',
      answers: {
        'GET auth/options/': { sign_up: true, mail: false },
        'POST auth/sign_up/': () => [400, { username: ['Taken.'] }],
      },
    })
    await id('new-username').setValue('hanako')
    await id('new-email').setValue('h@example.com')
    await id('fresh-password').setValue('correct horse')
    await page.get('form').trigger('submit')
    await settle()
    expect(page.get('#new-username-error').text()).toBe('Taken.')
    page.unmount()
  })

  it('is not offered where it is closed', async () => {
    const { page } = await openPage('sign-up', SignUpPage, {
      address: '/sign-up',
      answers: { 'GET auth/options/': { sign_up: false, mail: false } },
    })
    expect(page.find('form').exists()).toBe(false)
    expect(page.get('h1').text()).toBe('Sign-up is by invitation only')
    page.unmount()
  })
})

describe('an invitation', () => {
  const OFFER = {
    organisation_name: 'Books',
    role: 'editor',
    invited_by: 'hanako',
    expires_at: '2027-01-01T00:00:00Z',
    email: 'new@example.com',
  }
  const address = '/invitation#token=secret'

  it('is accepted with one press by those who are logged in', async () => {
    const { page, id, has, sent, router } = await openPage('invitation', InvitationPage, {
      address,
      user: MEMBER,
      answers: { 'POST invitation/look_up/': OFFER, 'POST invitation/accept/': {} },
    })
    expect(router.currentRoute.value.fullPath).toBe('/invitation')
    expect(id('invitation-offer').text()).toContain('Join “Books”')
    await id('invitation-join').trigger('click')
    await settle()
    expect(sent.at(-1)).toEqual({ method: 'POST', url: 'invitation/accept/', body: { token: 'secret' } })
    expect(has('invitation-joined')).toBe(true)
    expect(heldInvitation.value).toBe('')
    page.unmount()
  })

  it('makes an account, whose address is the invited one', async () => {
    const { page, id, has, sent, session } = await openPage('invitation', InvitationPage, {
      address,
      answers: {
        'POST invitation/look_up/': OFFER,
        'POST invitation/accept/': {},
        'POST auth/login/': { user: MEMBER },
      },
    })
    expect((id('new-email').element as HTMLInputElement).value).toBe('new@example.com')
    await id('new-username').setValue('new')
    await id('fresh-password').setValue('correct horse')
    await page.get('form').trigger('submit')
    await settle()
    expect(sent.find((one) => one.url === 'invitation/accept/')?.body).toEqual({
      token: 'secret',
      username: 'new',
      email: 'new@example.com',
      password: 'correct horse',
    })
    expect(session.user?.username).toBe('hanako')
    expect(has('invitation-joined')).toBe(true)
    page.unmount()
  })

  it('survives the way through the login page, and says when it is gone', async () => {
    heldInvitation.value = 'kept'
    const { page, sent, has } = await openPage('invitation', InvitationPage, {
      address: '/invitation',
      user: MEMBER,
      answers: {},
    })
    expect(sent[0]?.body).toEqual({ token: 'kept' })
    expect(has('invitation-gone')).toBe(true)
    page.unmount()
  })
})

it('machines are called by names people know', () => {
  expect(describeAgent('Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0')).toBe(
    'Firefox · Linux',
  )
  expect(
    describeAgent(
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0',
    ),
  ).toBe('Edge · Windows')
  expect(
    describeAgent(
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1',
    ),
  ).toBe('Safari · iOS')
  expect(describeAgent('curl/8.9')).toBe('curl/8.9')
  expect(describeAgent(null)).toBe('')
})
