import { computed } from 'vue'
import { useOrganisations } from '@/api/people-queries'
import type { Organisation } from '@/api/types'
import { useSession } from '@/stores/session'
import { atLeast } from './roles'

/** Returns the organisations in which the reader may create a project, their personal one first. */
export function useHomes() {
  const session = useSession()
  const organisations = useOrganisations()
  /** Returns whether an organisation is the reader's personal one. Staff also see those of others, named after their owners. */
  const isOwn = (row: Organisation) =>
    row.is_personal && row.role === 'owner' && (!session.user?.is_staff || row.name === session.user.username)
  return computed(() =>
    (organisations.data.value ?? [])
      .filter((row) => atLeast(row.role, 'editor') || session.user?.is_staff)
      .sort((a, b) => Number(isOwn(b)) - Number(isOwn(a)) || a.name.localeCompare(b.name)),
  )
}
