/** Queries about accounts, organisations and the audit log. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { get, listAll, type Query } from './client'
import { known, num, type Id } from './queries'

/** Returns the options of the log-in page; requested without a session. */
export const useAuthOptions = () =>
  useQuery({
    queryKey: ['auth-options'],
    queryFn: ({ signal }) => get('/auth/options/', { signal, anonymous: true }),
    staleTime: 300_000,
    retry: false,
  })

export const useSessions = () =>
  useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => listAll('/auth/sessions/', { signal }),
  })

export const useAccounts = (enabled: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: ['accounts'],
    queryFn: ({ signal }) => listAll('/users/', { signal }),
    enabled: computed(() => toValue(enabled)),
  })

export const useOrganisations = () =>
  useQuery({
    queryKey: ['organisations'],
    queryFn: ({ signal }) => listAll('/organisation/', { signal }),
    staleTime: 30_000,
  })

export const useOrganisation = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['organisations', toValue(id)]),
    queryFn: ({ signal }) => get('/organisation/{id}/', { path: { id: num(id) }, signal }),
    enabled: known(id),
  })

export const useMembers = (id: Id) =>
  useQuery({
    queryKey: computed(() => ['organisations', toValue(id), 'members']),
    queryFn: ({ signal }) => listAll('/organisation/{id}/members/', { path: { id: num(id) }, signal }),
    enabled: known(id),
  })

export const useInvitations = (id: Id, enabled: MaybeRefOrGetter<boolean>) =>
  useQuery({
    queryKey: computed(() => ['organisations', toValue(id), 'invitations']),
    queryFn: ({ signal }) => listAll('/organisation/{id}/invitations/', { path: { id: num(id) }, signal }),
    enabled: computed(() => toValue(enabled) && known(id).value),
  })

/** Returns one page of the audit log; it only grows, so it is never read as a whole. */
export const useAuditLog = (query: MaybeRefOrGetter<Query>) =>
  useQuery({
    queryKey: computed(() => ['audit', toValue(query)]),
    queryFn: ({ signal }) => get('/audit_log/', { query: toValue(query), signal }),
    placeholderData: keepPreviousData,
  })
