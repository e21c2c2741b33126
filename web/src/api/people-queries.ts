/** Reads about accounts, organisations and who did what. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, path, request, type Query } from './client'
import { known, num, type Id } from './queries'
import type { Account, AuditEntry, AuthOptions, Invitation, Member, Organisation, UserSession } from './types'

/** What the log-in page may offer; asked without a session. */
export const useAuthOptions = () =>
  useQuery({
    queryKey: ['auth-options'],
    queryFn: ({ signal }) => request<AuthOptions>('GET', path('auth', 'options'), { signal, anonymous: true }),
    staleTime: 300_000,
    retry: false,
  })

export const useSessions = () =>
  useQuery({ queryKey: ['sessions'], queryFn: ({ signal }) => listAll<UserSession>(path('auth', 'sessions'), {}, signal) })

export const useAccounts = (enabled: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: ['accounts'],
    queryFn: ({ signal }) => listAll<Account>(path('users'), {}, signal),
    enabled: computed(() => toValue(enabled)),
  })

export const useOrganisations = () =>
  useQuery({
    queryKey: ['organisations'],
    queryFn: ({ signal }) => listAll<Organisation>(path('organisation'), {}, signal),
    staleTime: 30_000,
  })

export const useOrganisation = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['organisations', toValue(id)]),
    queryFn: ({ signal }) => get<Organisation>(path('organisation', num(id)), {}, signal),
    enabled: known(id),
  })

export const useMembers = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['organisations', toValue(id), 'members']),
    queryFn: ({ signal }) => listAll<Member>(path('organisation', num(id), 'members'), {}, signal),
    enabled: known(id),
  })

export const useInvitations = (id: Id, enabled: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['organisations', toValue(id), 'invitations']),
    queryFn: ({ signal }) => listAll<Invitation>(path('organisation', num(id), 'invitations'), {}, signal),
    enabled: computed(() => toValue(enabled) && known(id).value),
  })

interface Page<T> {
  count: number
  results: T[]
}

/** One page of the audit log: it only grows, so it is never read as a whole. */
export const useAuditLog = (query: MaybeRefOrGetter<Query>) =>
  useQuery({
    queryKey: computed(() => ['audit', toValue(query)]),
    queryFn: ({ signal }) => get<Page<AuditEntry>>(path('audit_log'), toValue(query), signal),
    placeholderData: keepPreviousData,
  })
