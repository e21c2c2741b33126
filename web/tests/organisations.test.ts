import { afterEach, describe, expect, it, vi } from 'vitest'
import { errorFromBody } from '@/api/client'
import { atLeast, rolesToGive } from '@/lib/roles'
import OrganisationPage from '@/pages/OrganisationPage.vue'
import { list, MEMBER, openPage, settle } from './support'

afterEach(() => vi.unstubAllGlobals())

describe('roles', () => {
  it('stand in an order', () => {
    expect(atLeast('owner', 'admin')).toBe(true)
    expect(atLeast('viewer', 'editor')).toBe(false)
    expect(atLeast(null, 'viewer')).toBe(false)
  })

  it('are given only up to one’s own, and only by admins', () => {
    expect(rolesToGive('owner')).toEqual(['viewer', 'editor', 'admin', 'owner'])
    expect(rolesToGive('admin')).toEqual(['viewer', 'editor', 'admin'])
    expect(rolesToGive('editor')).toEqual([])
    expect(rolesToGive('owner', true)).toEqual(['viewer', 'editor', 'admin'])
  })
})

it('a refused deletion names what is in the way', () => {
  const error = errorFromBody(409, {
    detail: 'In use.',
    dependents: [{ resource: 'project', id: 3, name: 'Shop' }],
  })
  expect(error).toMatchObject({ message: 'In use.', fields: {}, dependents: [{ name: 'Shop' }] })
  expect(errorFromBody(409, { detail: 'Busy.' }).dependents).toEqual([])
})

const ORGANISATION = {
  id: 5,
  name: 'Books',
  is_personal: false,
  role: 'owner',
  n_members: 2,
  n_projects: 1,
  stored_bytes: 4096,
  ins_datetime: '2026-01-01T00:00:00Z',
}
const person = (user: number, username: string, role: string) => ({
  user,
  username,
  email: '',
  first_name: '',
  last_name: '',
  role,
  ins_datetime: '2026-01-01T00:00:00Z',
})
const open = (organisation: object, members: unknown[], more = {}) =>
  openPage('organisation', OrganisationPage, {
    address: '/organisations/5',
    user: MEMBER,
    answers: {
      'GET organisation/5/': organisation,
      'GET organisation/5/members/': list(members),
      'GET organisation/5/invitations/': list([]),
      'GET auth/options/': { sign_up: false, mail: false },
      ...more,
    },
  })

describe('an organisation', () => {
  it('is only looked at by a viewer', async () => {
    const { page, has } = await open({ ...ORGANISATION, role: 'viewer' }, [
      person(1, 'a', 'owner'),
      person(2, 'hanako', 'viewer'),
    ])
    expect(page.findAll('[data-testid="member-row"]')).toHaveLength(2)
    for (const control of [
      'invite',
      'member-role',
      'remove-member',
      'delete-organisation',
      'rename-organisation',
    ])
      expect(has(control), control).toBe(false)
    expect(has('leave-organisation')).toBe(true)
    page.unmount()
  })

  it('keeps its last owner', async () => {
    const { page, id } = await open(ORGANISATION, [person(2, 'hanako', 'owner'), person(3, 'b', 'editor')])
    expect(id('leave-organisation').attributes('disabled')).toBeDefined()
    expect(page.findAll('[data-testid="member-role"]')).toHaveLength(1)
    page.unmount()
  })

  it('shows the link of an invitation once', async () => {
    const { page, id, has, sent } = await open(ORGANISATION, [person(2, 'hanako', 'owner')], {
      'POST organisation/5/invitations/': () => [
        201,
        {
          id: 1,
          role: 'editor',
          email: null,
          expires_at: '2027-01-01T00:00:00Z',
          invited_by: 'hanako',
          url: 'https://x/invitation#token=abc',
          token: 'abc',
        },
      ],
    })
    await id('invite').trigger('click')
    await settle()
    await page.get('[role="dialog"] form').trigger('submit')
    await settle()
    expect(sent[0]?.body).toEqual({ role: 'editor', expires_in_days: 7 })
    expect(id('invitation-link').text()).toBe('https://x/invitation#token=abc')
    await id('invitation-stored').trigger('click')
    await settle()
    expect(has('invitation-link')).toBe(false)
    page.unmount()
  })

  it('is deleted only once its name is typed, and says what is in the way', async () => {
    const { page, id, sent } = await open(ORGANISATION, [person(2, 'hanako', 'owner')], {
      'DELETE organisation/5/': () => [
        409,
        { detail: 'It still has projects.', dependents: [{ resource: 'project', id: 3, name: 'Shop' }] },
      ],
    })
    await id('delete-organisation').trigger('click')
    await settle()
    expect(id('typed-delete').attributes('disabled')).toBeDefined()
    await id('typed-name').setValue('Books')
    await page.get('[role="dialog"] form').trigger('submit')
    await settle()
    expect(sent).toEqual([{ method: 'DELETE', url: 'organisation/5/', body: undefined }])
    expect(id('dependents').text()).toContain('Shop')
    page.unmount()
  })
})
