import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { useOrganisations } from '@/api/people-queries'
import { useProject, type Id } from '@/api/queries'
import type { Role } from '@/api/types'
import { useSession } from '@/stores/session'

/** From the least rights to the most. */
export const ROLES: Role[] = ['viewer', 'editor', 'admin', 'owner']
export const atLeast = (role: Role | null | undefined, needed: Role) =>
  !!role && ROLES.indexOf(role) >= ROLES.indexOf(needed)

/** Returns the roles that a member may give: none above their own, and a personal organisation has one owner. */
export const rolesToGive = (own: Role | null | undefined, personal = false) =>
  ROLES.filter((role) => atLeast(own, 'admin') && atLeast(own, role) && !(personal && role === 'owner'))

/** Returns the reader's role in an organisation. It only decides what is offered: the server decides what is allowed. */
export function useOrganisationRole(id: MaybeRefOrGetter<number | null | undefined>) {
  const session = useSession()
  const organisations = useOrganisations()
  return computed<Role | null>(() =>
    session.user?.is_staff
      ? 'owner'
      : (organisations.data.value?.find((row) => row.id === toValue(id))?.role ?? null),
  )
}

export function useProjectRights(projectId: Id) {
  const project = useProject(projectId)
  const organisations = useOrganisations()
  const role = useOrganisationRole(() => project.data.value?.organisation)
  /** If the role is unknown, everything is offered, and the server's refusal is shown. */
  const unknown = computed(
    () =>
      organisations.isError.value || (!!project.data.value && project.data.value.organisation === undefined),
  )
  const may = (needed: Role) => computed(() => unknown.value || atLeast(role.value, needed))
  /** The organisation of the project, to whose admins a reader with fewer rights can turn. */
  const organisation = computed(
    () => organisations.data.value?.find((row) => row.id === project.data.value?.organisation)?.name ?? '',
  )
  /** Whether the rights are not known yet. */
  const isPending = computed(() => organisations.isLoading.value || project.isLoading.value)
  return { canEdit: may('editor'), canAdmin: may('admin'), organisation, isPending }
}
