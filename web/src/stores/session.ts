import { defineStore } from 'pinia'
import { ref } from 'vue'
import { ApiError, get, post, refreshSession } from '@/api/client'
import { queryClient } from '@/api/query-client'
import type { User } from '@/api/types'

/** The logged-in user. The cookies are HttpOnly, so the server is asked: a new tab needs no new log-in. */
export const useSession = defineStore('session', () => {
  const user = ref<User | null>(null)
  const loaded = ref(false)

  async function load(): Promise<void> {
    try {
      user.value = await whoAmI()
      loaded.value = true
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) throw error
      user.value = null
      loaded.value = true
    }
  }

  async function whoAmI(): Promise<User> {
    const ask = () => get('/auth/user/', { anonymous: true })
    try {
      return await ask()
    } catch (error) {
      const expired = error instanceof ApiError && error.status === 401
      if (expired && (await refreshSession())) return ask()
      throw error
    }
  }

  async function logIn(username: string, password: string): Promise<void> {
    enter(await post('/auth/login/', { body: { username, password }, anonymous: true }))
  }

  /** Creates an account and logs in. */
  async function signUp(username: string, email: string, password: string): Promise<void> {
    enter(await post('/auth/sign_up/', { body: { username, email, password }, anonymous: true }))
  }

  function enter(answer: { user: User }): void {
    queryClient.clear()
    user.value = answer.user
    loaded.value = true
  }

  async function logOut(): Promise<void> {
    try {
      await post('/auth/logout/', { anonymous: true })
    } finally {
      forget()
    }
  }

  function forget(): void {
    user.value = null
    queryClient.clear()
  }

  return { user, loaded, load, logIn, signUp, logOut, forget }
})
